//! The objects that limit and isolate an environment, as pure functions of the app and the environment.

use kube::api::DynamicObject;
use serde_json::{Value, json};

use berth_manifests::app::{App, Egress, Quota};
use berth_workflows::contract::environment::{Environment, EnvironmentKind};

use super::{network_policy::policy, objects::object};
use crate::{kubernetes::labels, settings::Settings};

/// The objects that limit and isolate an environment of its kind.
///
/// A preview gets all of them, before its first release, and the default requests besides
/// ([`crate::environment::default_requests`]). Production gets a `NetworkPolicy` where the app file asks for
/// isolation, and nothing otherwise. There it refuses traffic that was allowed before, so it is planned and applied with
/// a release, never before one.
pub(crate) fn isolation_objects(settings: &Settings, app: &App, environment: &Environment) -> Vec<DynamicObject> {
    let Some(egress) = egress(app, environment.kind) else { return Vec::new() };
    let object = |api_version: &str, kind: &str, body: Value| {
        object(settings, environment, api_version, kind, labels::OWN_OBJECT, body)
    };
    let policy = policy(settings, app, egress, environment);
    let mut objects = vec![object("networking.k8s.io/v1", "NetworkPolicy", policy)];
    if let (Some(preview), EnvironmentKind::Preview { .. }) = (&app.preview, environment.kind) {
        objects.push(object("v1", "ResourceQuota", quota(&preview.quota)));
    }
    objects
}

/// Returns the destinations of an environment's pods, if berth isolates environments of that kind.
fn egress(app: &App, kind: EnvironmentKind) -> Option<Egress> {
    match kind {
        EnvironmentKind::Preview { .. } => Some(app.egress()),
        EnvironmentKind::Production => app.production_isolation().map(|(_, egress)| egress),
    }
}

fn quota(quota: &Quota) -> Value {
    json!({"spec": {"hard": {
        "requests.cpu": quota.cpu,
        "requests.memory": quota.memory,
        "pods": quota.pods.to_string(),
        "services.loadbalancers": "0",
        "services.nodeports": "0",
    }}})
}
