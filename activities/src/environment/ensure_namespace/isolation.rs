//! The objects that limit and isolate an environment, as pure functions of the app and the environment.

use kube::api::DynamicObject;
use serde_json::{Value, json};

use berth_manifests::app::{App, Egress, Quota};
use berth_workflows::contract::environment::{Environment, EnvironmentKind};

use super::objects::object;
use crate::{kubernetes::labels, settings::Settings};

/// The cloud's metadata services: link-local on every large cloud. A pod that reaches them can take over its node's
/// identity.
const METADATA_ADDRESSES: &str = "169.254.0.0/16";

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
    let policy = policy(settings, egress, environment);
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

/// The `NetworkPolicy` of the environment's pods: everything that it does not list is denied.
///
/// A single policy holds all rules, because policies only add to each other. Under a name of its own, a rule that the app
/// file has dropped would stay in force. An applied list replaces the earlier one.
fn policy(settings: &Settings, destinations: Egress, environment: &Environment) -> Value {
    // Pods of the same environment, and no others.
    let within = json!([{"podSelector": {}}]);
    let mut egress = vec![json!({"to": within}), dns()];
    match (destinations, environment.isolated_database()) {
        (Egress::Internet, _) => egress.push(internet()),
        (Egress::Listed, Some((_, server))) => {
            egress.extend(settings.database_servers.get(server).map(|server| database(server.port)));
        }
        (Egress::Listed, None) => {}
    }
    json!({"spec": {
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": within}, from_ingress(settings)],
        "egress": egress,
    }})
}

/// DNS from any address: some clusters answer it from pods of kube-system, others from the node itself.
fn dns() -> Value {
    json!({"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]})
}

/// The ports of a Temporal server: gRPC, membership, and the HTTP API. They are internal, so no ingress controller may
/// reach them.
const TEMPORAL_PORTS: std::ops::RangeInclusive<u32> = 7233..=7243;

fn from_ingress(settings: &Settings) -> Value {
    json!({
        "from": [{"namespaceSelector": {
            "matchLabels": {"kubernetes.io/metadata.name": settings.ingress_namespace},
        }}],
        "ports": [
            {"protocol": "TCP", "port": 1, "endPort": TEMPORAL_PORTS.start() - 1},
            {"protocol": "TCP", "port": TEMPORAL_PORTS.end() + 1, "endPort": 65535},
        ],
    })
}

/// Egress to the port of a database server, at any address: a policy knows no host names.
fn database(port: u16) -> Value {
    let mut rule = internet();
    rule["ports"] = json!([{"port": port, "protocol": "TCP"}]);
    rule
}

fn internet() -> Value {
    json!({"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": [METADATA_ADDRESSES]}}]})
}
