//! Isolation of production as a part of the release that is applied: the namespace's level, and berth's `NetworkPolicy`.

use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::{Api, ResourceExt};

use berth_workflows::contract::{environment::EnvironmentKind, verdict::FailureType};

use super::{
    Mode, ReleaseApply, Scope,
    refusal::{Halt, halt},
};
use crate::{
    failure::Failure,
    kubernetes::{guarded_delete, labels},
    release::pod_security,
};

const POLICY: &str = "NetworkPolicy";

/// Sets the Pod Security level of the release. Returns a remark on a change.
pub(super) async fn set_level(scope: Scope<'_>, apply: &ReleaseApply<'_>) -> Result<Option<String>, Halt> {
    let level = apply.release.pod_security;
    let set = pod_security::set(scope.context, scope.environment, scope.fence, level).await;
    set.or_else(|failure| halt(vec![failure], apply.serving.is_some()).map_or(Ok(None), Err))
}

/// Sets the level of the release that serves again. Returns the namespace's name if that failed.
///
/// # Errors
/// The API server did not answer.
pub(super) async fn put_back_level(scope: Scope<'_>, apply: &ReleaseApply<'_>) -> Result<Option<String>, Failure> {
    let serving = apply.serving.and_then(|serving| serving.pod_security);
    let (context, environment) = (scope.context, scope.environment);
    let back = pod_security::put_back(context, environment, scope.fence, apply.release.pod_security, serving);
    match back.await {
        Ok(()) => Ok(None),
        // The level is the newer rollout's.
        Err(Failure::Permanent(verdict)) if verdict.failure == FailureType::Overtaken => Ok(None),
        Err(Failure::Permanent(_)) => Ok(Some(pod_security::name(environment))),
        Err(failure) => Err(failure),
    }
}

/// Removes berth's `NetworkPolicy` if the environment goes back to a release without it. The prune of a rollback is later
/// than its gates, and a restore by hand has none: until then the policy would refuse the traffic of that release.
pub(super) async fn remove_policy(scope: Scope<'_>, apply: &ReleaseApply<'_>) -> Result<Option<String>, Failure> {
    let environment = scope.environment;
    let has_policy = apply.release.identities().iter().any(|one| one.kind == POLICY && one.name == labels::OWN_OBJECT);
    if apply.mode != Mode::Rollback || environment.kind != EnvironmentKind::Production || has_policy {
        return Ok(None);
    }
    let policies: Api<NetworkPolicy> = Api::namespaced(scope.context.client.clone(), &environment.namespace);
    let name = format!("{POLICY}/{}", labels::OWN_OBJECT);
    let found = policies.get_opt(labels::OWN_OBJECT).await;
    let Some(found) = found.map_err(|e| Failure::kubernetes(format!("reading {name}"), e))? else { return Ok(None) };
    let is_own = labels::belongs_to(found.labels(), environment, &scope.context.settings.installation);
    if !is_own || scope.fence.is_behind(found.labels()) {
        return Ok(None);
    }
    guarded_delete::delete(&policies, &found.metadata, POLICY).await?;
    Ok(Some(format!("{name} is removed: the release has no isolation")))
}
