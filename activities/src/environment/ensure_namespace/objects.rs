//! The objects that stand in an environment before any manifest, as pure functions of the app and the environment.

use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::{ResourceExt, api::DynamicObject};
use serde_json::{Value, json};

use berth_manifests::app::{App, Egress, Quota};
use berth_workflows::contract::environment::Environment;

use crate::{Settings, kubernetes::labels};

/// The cloud's metadata services: link-local on every large cloud. A pod that reaches it can become its node.
const METADATA_ADDRESSES: &str = "169.254.0.0/16";

/// The namespace, with the labels that say whose it is and which Pod Security level holds in it.
pub(super) fn namespace(settings: &Settings, app: &App, environment: &Environment) -> Namespace {
    let level: &str = app.pod_security().into();
    let mut namespace = Namespace::default();
    namespace.metadata.name = Some(environment.namespace.clone());
    let mut labels = labels::owner_labels(environment, &settings.installation);
    for mode in ["enforce", "warn"] {
        labels.insert(format!("pod-security.kubernetes.io/{mode}"), level.to_owned());
    }
    namespace.metadata.labels = Some(labels);
    namespace
}

/// Where the worker's rights inside the environment come from, and the only place.
pub(super) fn role_binding(settings: &Settings, environment: &Environment) -> DynamicObject {
    let body = json!({
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "berth-environment"},
        "subjects": [{
            "kind": "ServiceAccount",
            "name": settings.service_account,
            "namespace": settings.berth_namespace,
        }],
    });
    object(settings, environment, "rbac.authorization.k8s.io/v1", "RoleBinding", "berth", body)
}

/// Everything else that is applied to a namespace before the manifests.
pub(super) fn limits_and_policies(settings: &Settings, app: &App, environment: &Environment) -> Vec<DynamicObject> {
    let object =
        |api_version: &str, kind: &str, body: Value| object(settings, environment, api_version, kind, "berth", body);
    let mut objects = vec![object("networking.k8s.io/v1", "NetworkPolicy", policy(settings, app, environment))];
    if let (Some(preview), Some(_)) = (&app.preview, environment.kind.pr()) {
        objects.push(object("v1", "ResourceQuota", quota(&preview.quota)));
        objects.push(object("v1", "LimitRange", limit_range()));
    }
    objects
}

/// A copy of a pull secret of berth's namespace.
pub(super) fn pull_secret(settings: &Settings, environment: &Environment, secret: &Secret) -> DynamicObject {
    let body = json!({"type": secret.type_, "data": secret.data});
    object(settings, environment, "v1", "Secret", &secret.name_any(), body)
}

fn object(
    settings: &Settings,
    environment: &Environment,
    api_version: &str,
    kind: &str,
    name: &str,
    body: Value,
) -> DynamicObject {
    let mut object = DynamicObject {
        types: Some(kube::core::TypeMeta { api_version: api_version.to_owned(), kind: kind.to_owned() }),
        metadata: Default::default(),
        data: body,
    };
    object.metadata.name = Some(name.to_owned());
    object.metadata.namespace = Some(environment.namespace.clone());
    object.metadata.labels = Some(labels::owner_labels(environment, &settings.installation));
    object
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

/// For containers that name no requests: with a quota on requests, a pod without any would be refused. No limits: one that
/// nobody wrote would refuse a container that requests more, and kill one that needs more.
fn limit_range() -> Value {
    json!({"spec": {"limits": [{"type": "Container", "defaultRequest": {"cpu": "50m", "memory": "64Mi"}}]}})
}

/// Who may talk with the environment's pods, and whom they may talk with; all else is denied.
///
/// One policy has it all: policies only ever add to each other, so that a part with a name of its own would go on
/// allowing what the app file no longer does. A list that is applied replaces the one before.
fn policy(settings: &Settings, app: &App, environment: &Environment) -> Value {
    // Pods of the environment among each other, and no other environment's.
    let within = json!([{"podSelector": {}}]);
    let mut egress = vec![json!({"to": within}), dns()];
    match (app.egress(), environment.isolated_database()) {
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

/// Whoever answers DNS in the cluster: on some it is pods of kube-system, on others the node itself.
fn dns() -> Value {
    json!({"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]})
}

/// The ports of a Temporal server: gRPC, its members among each other, and gRPC's HTTP twin. Internal, so that no ingress
/// controller reaches them either, whatever it is told.
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

/// A policy knows addresses and no names, and a server that is known by name may have any: its port it is.
fn database(port: u16) -> Value {
    let mut rule = internet();
    rule["ports"] = json!([{"port": port, "protocol": "TCP"}]);
    rule
}

fn internet() -> Value {
    json!({"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": [METADATA_ADDRESSES]}}]})
}
