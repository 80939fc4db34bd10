//! The standard objects of an environment, as pure functions of the app and the environment.

use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::DynamicObject;
use serde_json::{Value, json};

use berth_manifests::app::App;
use berth_workflows::contract::environment::Environment;

use crate::{
    kubernetes::{labels, recorded_names},
    settings::Settings,
};

/// The namespace, with labels for its owner and its Pod Security level. It records the environment's names.
pub(super) fn namespace(settings: &Settings, app: &App, environment: &Environment) -> Namespace {
    let level: &str = app.pod_security().into();
    let mut namespace = Namespace::default();
    namespace.metadata.name = Some(environment.namespace.clone());
    let mut labels = labels::owner_labels(environment, &settings.installation);
    for mode in ["enforce", "warn"] {
        labels.insert(format!("pod-security.kubernetes.io/{mode}"), level.to_owned());
    }
    namespace.metadata.labels = Some(labels);
    namespace.metadata.annotations = Some(recorded_names::annotations(environment));
    namespace
}

/// The `RoleBinding` that is the only source of the worker's rights inside the environment.
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

/// A copy of a pull secret from berth's namespace, under this name.
pub(super) fn pull_secret(
    settings: &Settings,
    environment: &Environment,
    secret: &Secret,
    name: &str,
) -> DynamicObject {
    let body = json!({"type": secret.type_, "data": secret.data});
    object(settings, environment, "v1", "Secret", name, body)
}

pub(in crate::environment) fn object(
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
