//! Production's namespace: a person makes and labels it. berth adds its own `RoleBinding`.

use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::json;

use berth_workflows::contract::{
    environment::Environment,
    preparation::NamespaceReady,
    verdict::{FailureType, Verdict},
};

use super::{
    apply::apply,
    objects,
    ownership::{foreign_production, missing_production},
};
use crate::{
    context::Context,
    failure::Failure,
    kubernetes::{labels, rbac_lag::Rbac, recorded_names, terminating_namespace::deletion_message},
};

/// Finds the namespace, records the environment's names on it, and applies berth's objects.
///
/// # Errors
/// As for [`super::ensure_namespace()`].
pub(super) async fn ensure(context: Context<'_>, environment: &Environment) -> Result<NamespaceReady, Failure> {
    let namespace = find(context, environment).await?;
    context.progress.report(format!("preparing namespace {}", environment.namespace));
    record_names(context, environment, &namespace).await?;
    let binding = objects::role_binding(context.settings, environment);
    apply(context.client, Rbac::InForce, &binding).await?;
    Ok(NamespaceReady { uid: namespace.uid().unwrap_or_default(), created: false, terminating: None })
}

async fn find(context: Context<'_>, environment: &Environment) -> Result<Namespace, Failure> {
    let namespaces: Api<Namespace> = Api::all(context.client.clone());
    let name = environment.namespace.as_str();
    let found = namespaces.get_opt(name).await.map_err(|e| Failure::kubernetes(format!("namespace {name}"), e))?;
    let Some(found) = found else { return Err(missing_production(context.settings, environment)) };
    if !labels::belongs_to(found.labels(), environment, &context.settings.installation) {
        return Err(foreign_production(context.settings, environment, &found));
    }
    if found.metadata.deletion_timestamp.is_some() {
        let message = format!("production's namespace {name} is being deleted: {}", deletion_message(&found));
        return Err(Verdict::new(FailureType::KubernetesDenied, message)
            .advise("find out who deleted it; berth neither waits for it nor makes another")
            .into());
    }
    Ok(found)
}

/// Records the names, unless they are recorded. A merge patch never creates the namespace.
async fn record_names(context: Context<'_>, environment: &Environment, found: &Namespace) -> Result<(), Failure> {
    if recorded_names::are_recorded(found.annotations(), environment) {
        return Ok(());
    }
    let namespaces: Api<Namespace> = Api::all(context.client.clone());
    let params = PatchParams { field_manager: Some(labels::FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let patch = Patch::Merge(json!({"metadata": {"annotations": recorded_names::annotations(environment)}}));
    let patched = namespaces.patch_metadata(&environment.namespace, &params, &patch).await;
    patched
        .map(drop)
        .map_err(|e| Failure::kubernetes(format!("recording the names on namespace {}", environment.namespace), e))
}

#[cfg(test)]
mod tests;
