//! The example app `web` of unit tests, its previews, and the settings of their worker.

use serde_json::{Value, json};

use berth_manifests::app::{App, load_apps};
use berth_workflows::contract::environment::{Environment, EnvironmentKind};

use crate::{
    proof::ProofKeys,
    settings::{Serve, Settings, database_servers::Servers},
};

/// Returns the settings of an installation without database servers.
pub(crate) fn settings() -> Settings {
    Settings {
        apps: "".into(),
        berth_namespace: "berth-system".into(),
        service_account: "berth".into(),
        installation: "berth".into(),
        ingress_namespace: "ingress".into(),
        ingress_address: None,
        networks: crate::settings::Networks::default(),
        scheme: "https".into(),
        temporal_ui: None,
        has_github_app: true,
        database_servers: Servers::default(),
        serve: Serve::ALL,
        janitor_seconds: 300,
        proof_keys: ProofKeys::default(),
    }
}

/// Returns the app, with these fields of its file besides the required ones.
pub(crate) fn app(fields: Value) -> App {
    serde_json::from_value(app_file(fields)).unwrap()
}

/// Whether an app file with these fields is valid.
pub(crate) fn is_valid(fields: Value) -> bool {
    let folder = tempfile::tempdir().unwrap();
    // JSON is YAML.
    std::fs::write(folder.path().join("web.yaml"), app_file(fields).to_string()).unwrap();
    load_apps(folder.path()).is_ok()
}

fn app_file(fields: Value) -> Value {
    let mut app = json!({"app": "web", "repository": "acme/web", "images": ["registry.example.com/web"],
        "preview": {"host": "pr-{pr}.example.com"}});
    let Value::Object(fields) = fields else { panic!("no fields: {fields}") };
    app.as_object_mut().unwrap().extend(fields);
    app
}

/// Returns the preview of pull request 1.
pub(crate) fn environment() -> Environment {
    environment_of(1)
}

/// Returns the preview of a pull request. It has no database.
pub(crate) fn environment_of(pr: u64) -> Environment {
    Environment {
        app: "web".into(),
        kind: EnvironmentKind::Preview { pr },
        workflow_id: format!("preview-web-{pr}"),
        namespace: format!("pr-{pr}"),
        host: format!("pr-{pr}.example.com"),
        temporal_ui_host: Some(format!("pr-{pr}-temporal.example.com")),
        namespace_uid: None,
        cluster_objects: Vec::new(),
        database: None,
        scheme: "https".into(),
    }
}
