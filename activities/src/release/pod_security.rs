//! The Pod Security level of production's namespace, as a part of a release.
//!
//! The label is a person's. A release with `production.isolation` replaces its value, and an annotation keeps the value
//! from before. The next release without isolation, or a rollback to one, sets that value again.

mod trial;

use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

use berth_manifests::app::PodSecurity;
use berth_workflows::contract::environment::{Environment, EnvironmentKind};

use crate::{
    context::Context,
    failure::Failure,
    kubernetes::{
        applyset,
        fence::Fence,
        labels,
        versioned::{self, Conflicts},
    },
};
pub(crate) use trial::{Trial, try_out};

/// Sets the level of a release, or the level from before where the release has none. Returns a remark on a change.
///
/// Idempotent. In previews it does nothing: their namespaces are made with their level.
///
/// # Errors
/// `Overtaken`, permanent, if a newer rollout has claimed the environment. The API server's refusal.
pub(crate) async fn set(
    context: Context<'_>,
    environment: &Environment,
    fence: Fence,
    level: Option<PodSecurity>,
) -> Result<Option<String>, Failure> {
    let mut conflicts = Conflicts::new();
    loop {
        let Some(found) = read(context, environment).await? else { return Ok(None) };
        let Some(mut patch) = patch(&found, level) else { return Ok(None) };
        // The set is claimed before its level is changed. A newer rollout that claims it after this check writes the
        // namespace later, or makes this write a conflict.
        let parent = applyset::read(context.client, environment).await?;
        fence.check(parent.iter().map(applyset::Parent::fenced))?;
        patch["metadata"]["resourceVersion"] = json!(found.resource_version());
        match api(context).patch_metadata(&environment.namespace, &params(), &Patch::Merge(&patch)).await {
            Ok(_) => return Ok(Some(remark(&found, &patch))),
            Err(e) if versioned::is_conflict(&e) => conflicts.pause(&name(environment)).await?,
            Err(e) => return Err(Failure::applying(&name(environment), e)),
        }
    }
}

/// Sets the level of the release that serves, if the refused one has set its own.
///
/// # Errors
/// Those of [`set()`].
pub(crate) async fn put_back(
    context: Context<'_>,
    environment: &Environment,
    fence: Fence,
    refused: Option<PodSecurity>,
    serving: Option<PodSecurity>,
) -> Result<(), Failure> {
    if refused == serving {
        return Ok(());
    }
    match read(context, environment).await? {
        Some(found) if is_set(&found, refused) => set(context, environment, fence, serving).await.map(drop),
        _ => Ok(()),
    }
}

/// Returns `Namespace/name`.
pub(crate) fn name(environment: &Environment) -> String {
    format!("Namespace/{}", environment.namespace)
}

/// Reads production's namespace.
async fn read(context: Context<'_>, environment: &Environment) -> Result<Option<Namespace>, Failure> {
    if environment.kind != EnvironmentKind::Production {
        return Ok(None);
    }
    let found = api(context).get_opt(&environment.namespace).await;
    found.map_err(|e| Failure::kubernetes(format!("reading {}", name(environment)), e))
}

fn api(context: Context<'_>) -> Api<Namespace> {
    Api::all(context.client.clone())
}

fn params() -> PatchParams {
    PatchParams { field_manager: Some(labels::FIELD_MANAGER.to_owned()), ..PatchParams::default() }
}

fn level_of(found: &Namespace) -> Option<&str> {
    found.labels().get(labels::POD_SECURITY).map(String::as_str)
}

fn level_before(found: &Namespace) -> Option<&str> {
    found.annotations().get(labels::POD_SECURITY_BEFORE).map(String::as_str)
}

/// Returns whether the namespace has the level of a release.
fn is_set(found: &Namespace, level: Option<PodSecurity>) -> bool {
    match level {
        Some(level) => level_of(found) == Some(level.into()),
        None => level_before(found).is_none(),
    }
}

/// Returns the merge patch that sets the level of a release; `None` if it is set.
///
/// The admission policy of the worker takes exactly these changes: see `manifests/worker/admission-policy.yaml`.
fn patch(found: &Namespace, level: Option<PodSecurity>) -> Option<Value> {
    if is_set(found, level) {
        return None;
    }
    let (label, annotation) = match level {
        Some(level) => {
            let level: &str = level.into();
            let before = level_before(found).or_else(|| level_of(found)).unwrap_or_default();
            (Some(level), Some(before))
        }
        None => (level_before(found).filter(|before| !before.is_empty()), None),
    };
    Some(json!({"metadata": {
        "labels": {labels::POD_SECURITY: label},
        "annotations": {labels::POD_SECURITY_BEFORE: annotation},
    }}))
}

/// Returns the change of a patch in words.
fn remark(found: &Namespace, patch: &Value) -> String {
    let next = patch["metadata"]["labels"][labels::POD_SECURITY].as_str();
    let named = |level: Option<&str>| level.unwrap_or("none").to_owned();
    let (before, after) = (named(level_of(found)), named(next));
    format!("Namespace/{}: Pod Security level {before} → {after}", found.name_any())
}

#[cfg(test)]
mod tests;
