//! The apply of the objects that come before a release.

use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client, ResourceExt,
    api::{DynamicObject, Patch, PatchParams},
    core::ApiResource,
};

use berth_manifests::app::{App, PullSecret};
use berth_workflows::contract::{
    environment::Environment,
    verdict::{FailureType, Verdict},
};

use super::objects;
use crate::{
    context::Context,
    failure::Failure,
    kubernetes::{labels, rbac_lag::Rbac},
};

/// The types of Secrets that a registry's credentials have. Anything else of berth's namespace is not for environments.
const REGISTRY_TYPES: [&str; 2] = ["kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg"];

/// Reads the app's pull secret, for a copy in the environment.
///
/// # Errors
/// `ConfigMissing`, permanent, if berth's namespace has none of that name. `PolicyDenied`, permanent, if it is no Secret of a
/// registry.
pub(crate) async fn pull_secret(
    context: Context<'_>,
    app: &App,
    environment: &Environment,
) -> Result<Option<DynamicObject>, Failure> {
    let Some(PullSecret { secret: name, copy }) = &app.image_pull_secret else { return Ok(None) };
    let own = &context.settings.berth_namespace;
    let secrets: Api<Secret> = Api::namespaced(context.client.clone(), own);
    let what = format!("pull secret {name} of namespace {own}");
    let found = secrets.get_opt(name).await.map_err(|e| Failure::kubernetes(&what, e))?;
    let create = format!("create it: kubectl create secret docker-registry {name} -n {own} …");
    let Some(secret) = found else {
        let verdict = Verdict::new(FailureType::ConfigMissing, format!("{what} does not exist"));
        return Err(verdict.advise(create).into());
    };
    let type_ = secret.type_.as_deref().unwrap_or("Opaque");
    if !REGISTRY_TYPES.contains(&type_) {
        let [json, cfg] = REGISTRY_TYPES;
        let message = format!("{what} has the type {type_}; only {json} and {cfg} are copied into environments");
        return Err(Verdict::new(FailureType::PolicyDenied, message).advise(create).into());
    }
    Ok(Some(objects::pull_secret(context.settings, environment, &secret, copy)))
}

/// Applies an object, and returns it as it is now.
pub(in crate::environment) async fn apply(
    client: &Client,
    rbac: Rbac,
    object: &DynamicObject,
) -> Result<DynamicObject, Failure> {
    let types = object.types.clone().unwrap_or_default();
    let resource = match kube::core::GroupVersionKind::try_from(&types) {
        Ok(gvk) => ApiResource::from_gvk(&gvk),
        Err(e) => return Err(Failure::permanent(FailureType::ManifestInvalid, e.to_string())),
    };
    let api: Api<DynamicObject> =
        Api::namespaced_with(client.clone(), &object.namespace().unwrap_or_default(), &resource);
    let (name, params) = (object.name_any(), PatchParams::apply(labels::FIELD_MANAGER).force());
    let patch = Patch::Apply(object);
    let applied = rbac.request(|| api.patch(&name, &params, &patch)).await;
    applied.map_err(|e| Failure::applying(&format!("{}/{name}", types.kind), e))
}
