//! Refusals that need no request: berth itself sees that an object must not be applied.

use kube::ResourceExt;

use berth_workflows::contract::{
    environment::EnvironmentKind,
    verdict::{FailureType, Verdict},
};

use super::{Scope, replacement::step, step::Step, target::Target};
use crate::{kubernetes::labels, release::rendering::cluster_object};

/// Returns the reason why the object must not be applied.
pub(super) fn refusal(scope: Scope<'_>, target: &Target) -> Option<Verdict> {
    if !target.kind.namespaced {
        return foreign(scope, target);
    }
    match step(scope, target) {
        Step::Refuse(verdict) => Some(*verdict),
        Step::Apply | Step::Replace => None,
    }
}

/// Checks the owner of a cluster-scoped object. It must belong to the environment, or be new and recorded, so that the
/// teardown knows of it. Production has no teardown.
fn foreign(scope: Scope<'_>, target: &Target) -> Option<Verdict> {
    let (name, environment) = (target.name(), scope.environment);
    if let Some(live) = &target.live {
        if labels::belongs_to(live.labels(), environment, &scope.context.settings.installation) {
            return None;
        }
        let message = format!("{name} is cluster-scoped, exists already, and does not belong to this environment");
        let verdict = Verdict::new(FailureType::PolicyDenied, message);
        return Some(verdict.advise("give it a name that contains $KUBE_APP"));
    }
    let is_recorded =
        cluster_object(&target.object).is_some_and(|object| environment.cluster_objects.contains(&object));
    if is_recorded || environment.kind == EnvironmentKind::Production {
        return None;
    }
    let message = format!("{name} is cluster-scoped and was not recorded when the rollout began");
    Some(
        Verdict::new(FailureType::ManifestInvalid, message).advise(
            "the manifests were edited meanwhile, or its name comes from a secret; push again, or signal redeploy",
        ),
    )
}
