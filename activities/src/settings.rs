//! The settings of a worker.

use std::path::PathBuf;

use crate::database;

/// What the worker is told at its start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The folder with the app files.
    pub apps: PathBuf,
    /// The namespace that berth itself lives in: tokens, pull secrets and caches are there.
    pub berth_namespace: String,
    /// The worker's service account in that namespace: environments bind their role to it.
    pub service_account: String,
    /// Which installation of berth this is, where several share a cluster: the label `berth.dev/installation`.
    pub installation: String,
    /// The namespace of the ingress controller: the only one that may send traffic into environments.
    pub ingress_namespace: String,
    /// `http` or `https`: how environments are reached.
    pub scheme: String,
    /// The database servers that previews share, by name.
    pub database_servers: database::Servers,
}
