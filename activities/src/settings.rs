//! The settings of a worker.

pub(crate) mod database_servers;
pub(crate) mod ingress_address;
pub(crate) mod networks;

use std::path::PathBuf;

use berth_workflows::contract::environment::EnvironmentKind;
use database_servers::Servers;
pub use ingress_address::IngressAddress;
pub use networks::Networks;

use crate::proof::ProofKeys;

/// The settings that the worker gets from its flags.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The folder with the app files.
    pub apps: PathBuf,
    /// The namespace of berth itself, with tokens, pull secrets and caches.
    pub berth_namespace: String,
    /// The worker's service account in that namespace. Environments bind their role to it.
    pub service_account: String,
    /// The name of this installation, where several share a cluster: the label `berth.dev/installation`.
    pub installation: String,
    /// The namespace of the ingress controller. Only this one may send traffic into environments.
    pub ingress_namespace: String,
    /// The address of the ingress controller, for gates through it. None: the one in the status of each Ingress.
    pub ingress_address: Option<IngressAddress>,
    /// The cluster's networks, for the policies of environments.
    pub networks: Networks,
    /// The scheme of the environments' URLs: `http` or `https`.
    pub scheme: String,
    /// The address of temporal-ui with its scheme, for links in reports. None: reports have no such links.
    pub temporal_ui: Option<String>,
    /// Whether the worker has a GitHub App. Without it nothing polls the task queue of GitHub's activities.
    pub has_github_app: bool,
    /// The database servers that previews share, by name.
    pub database_servers: Servers,
    /// The kinds of environments that the worker serves.
    pub serve: Serve,
    /// The time between two looks of a `Janitor`, in seconds.
    pub janitor_seconds: u64,
    /// The public keys of `berth hooks`. Without one, no message is proved.
    pub proof_keys: ProofKeys,
}

impl Settings {
    /// The settings of a command that a person runs on an installation, without a worker. It reads no app file.
    pub(crate) fn of_installation(installation: String) -> Self {
        Self {
            apps: PathBuf::new(),
            berth_namespace: String::new(),
            service_account: String::new(),
            installation,
            ingress_namespace: String::new(),
            ingress_address: None,
            networks: Networks::default(),
            scheme: String::new(),
            temporal_ui: None,
            has_github_app: false,
            database_servers: Servers::default(),
            serve: Serve::ALL,
            janitor_seconds: 0,
            proof_keys: ProofKeys::default(),
        }
    }
}

/// The kinds of environments that a worker serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Serve {
    pub previews: bool,
    pub production: bool,
}

impl Serve {
    /// Both kinds.
    pub const ALL: Self = Self { previews: true, production: true };

    pub(crate) fn includes(self, kind: EnvironmentKind) -> bool {
        match kind {
            EnvironmentKind::Preview { .. } => self.previews,
            EnvironmentKind::Production => self.production,
        }
    }
}
