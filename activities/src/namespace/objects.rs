//! The objects that stand in an environment before any manifest, as pure functions of the app and the environment.

use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::{ResourceExt, api::DynamicObject};
use serde_json::{Value, json};

use berth_workflows::environment::Environment;

use crate::{
    Settings,
    app::{App, Egress, PodSecurity},
    labels,
};

/// The cloud's metadata services: link-local on every large cloud. A pod that reaches it can become its node.
const METADATA_ADDRESSES: &str = "169.254.0.0/16";

/// The namespace, with the labels that say whose it is and which Pod Security level holds in it.
pub(super) fn namespace(settings: &Settings, app: &App, environment: &Environment) -> Namespace {
    let level = match app.pod_security() {
        PodSecurity::Restricted => "restricted",
        PodSecurity::Baseline => "baseline",
    };
    let mut namespace = Namespace::default();
    namespace.metadata.name = Some(environment.namespace.clone());
    let mut labels = labels::own(environment, &settings.installation);
    for mode in ["enforce", "warn"] {
        labels.insert(format!("pod-security.kubernetes.io/{mode}"), level.to_owned());
    }
    namespace.metadata.labels = Some(labels);
    namespace
}

/// Everything that is applied to a namespace before the manifests.
pub(super) fn of(settings: &Settings, app: &App, environment: &Environment) -> Vec<DynamicObject> {
    let object = |api_version: &str, kind: &str, name: &str, body: Value| {
        object(settings, environment, api_version, kind, name, body)
    };
    let mut objects = vec![
        object("rbac.authorization.k8s.io/v1", "RoleBinding", "berth", role_binding(settings)),
        object("v1", "LimitRange", "berth", limit_range()),
        object("networking.k8s.io/v1", "NetworkPolicy", "berth-default-deny", default_deny()),
        object("networking.k8s.io/v1", "NetworkPolicy", "berth-within", within()),
        object("networking.k8s.io/v1", "NetworkPolicy", "berth-dns", dns()),
        object("networking.k8s.io/v1", "NetworkPolicy", "berth-ingress", from_ingress(settings)),
    ];
    if let Some(preview) = &app.preview {
        let quota = json!({"spec": {"hard": {
            "requests.cpu": preview.quota.cpu,
            "requests.memory": preview.quota.memory,
            "pods": preview.quota.pods.to_string(),
            "services.loadbalancers": "0",
            "services.nodeports": "0",
        }}});
        if environment.pr.is_some() {
            objects.push(object("v1", "ResourceQuota", "berth", quota));
        }
    }
    match (app.egress(), environment.isolated_database()) {
        (Egress::Internet, _) => {
            objects.push(object("networking.k8s.io/v1", "NetworkPolicy", "berth-internet", internet()));
        }
        (Egress::Listed, Some((_, server))) => {
            let port = settings.database_servers.get(server).map(|server| server.port);
            let policy =
                port.map(|port| object("networking.k8s.io/v1", "NetworkPolicy", "berth-database", database(port)));
            objects.extend(policy);
        }
        (Egress::Listed, None) => {}
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
    object.metadata.labels = Some(labels::own(environment, &settings.installation));
    object
}

/// Where the worker's rights inside the environment come from, and the only place.
fn role_binding(settings: &Settings) -> Value {
    json!({
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "berth-environment"},
        "subjects": [{
            "kind": "ServiceAccount",
            "name": settings.service_account,
            "namespace": settings.berth_namespace,
        }],
    })
}

/// For containers that name no requests or limits: with a quota on requests, a pod without any would be refused.
fn limit_range() -> Value {
    json!({"spec": {"limits": [{
        "type": "Container",
        "defaultRequest": {"cpu": "50m", "memory": "64Mi"},
        "default": {"memory": "512Mi"},
    }]}})
}

fn default_deny() -> Value {
    json!({"spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}})
}

/// Pods of the environment among each other, and no other environment's.
fn within() -> Value {
    let peers = json!([{"podSelector": {}}]);
    json!({"spec": {
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": peers}],
        "egress": [{"to": peers}],
    }})
}

/// Whoever answers DNS in the cluster: on some it is pods of kube-system, on others the node itself.
fn dns() -> Value {
    json!({"spec": {
        "podSelector": {},
        "policyTypes": ["Egress"],
        "egress": [{"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}],
    }})
}

/// The ports of a Temporal server: gRPC, its members among each other, and gRPC's HTTP twin. Internal, so that no ingress
/// controller reaches them either, whatever it is told.
const TEMPORAL_PORTS: std::ops::RangeInclusive<u32> = 7233..=7243;

fn from_ingress(settings: &Settings) -> Value {
    json!({"spec": {
        "podSelector": {},
        "policyTypes": ["Ingress"],
        "ingress": [{
            "from": [{"namespaceSelector": {
                "matchLabels": {"kubernetes.io/metadata.name": settings.ingress_namespace},
            }}],
            "ports": [
                {"protocol": "TCP", "port": 1, "endPort": TEMPORAL_PORTS.start() - 1},
                {"protocol": "TCP", "port": TEMPORAL_PORTS.end() + 1, "endPort": 65535},
            ],
        }],
    }})
}

/// A policy knows addresses and no names, and a server that is known by name may have any: its port it is.
fn database(port: u16) -> Value {
    json!({"spec": {
        "podSelector": {},
        "policyTypes": ["Egress"],
        "egress": [{
            "to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": [METADATA_ADDRESSES]}}],
            "ports": [{"port": port, "protocol": "TCP"}],
        }],
    }})
}

fn internet() -> Value {
    json!({"spec": {
        "podSelector": {},
        "policyTypes": ["Egress"],
        "egress": [{"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": [METADATA_ADDRESSES]}}]}],
    }})
}
