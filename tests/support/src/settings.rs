//! The settings of a worker whose activities run in the test's own process.

use std::path::Path;

use berth_activities::{Networks, Serve, Settings, database::Servers, proof::ProofKeys};

/// The settings of a worker that serves all apps in a folder, without a GitHub App, database servers and keys.
pub fn settings(apps: &Path) -> Settings {
    Settings {
        apps: apps.to_owned(),
        berth_namespace: "berth-system".into(),
        service_account: "berth".into(),
        installation: "berth".into(),
        ingress_namespace: "ingress-nginx".into(),
        ingress_address: None,
        networks: Networks::default(),
        scheme: "https".into(),
        temporal_ui: None,
        has_github_app: false,
        database_servers: Servers::default(),
        serve: Serve::ALL,
        janitor_seconds: 300,
        proof_keys: ProofKeys::default(),
    }
}
