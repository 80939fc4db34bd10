//! The apply of a rendered release.
//!
//! The order is: read what is there, check the fence, write.

mod check;
pub(crate) mod difference;
mod marks;
mod object;
pub(super) mod plan;
mod takeover;
mod target;

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Secret;

use berth_manifests::render::Object;
use berth_workflows::contract::{
    apply::{Plan, Workload},
    environment::Environment,
};

use crate::{
    context::Context,
    failure::Failure,
    kubernetes::{
        applyset::{self, Parent},
        content_secret::create_once,
        fence::Fence,
    },
    release::stored_release::StoredRelease,
};
use object::{AppliedObject, apply_object};
use target::Target;

/// Concurrent requests for one environment. Beyond this number the API server's own fairness begins to queue them.
const CONCURRENCY: usize = 16;

/// A release to apply.
#[derive(Clone, Copy)]
pub struct ReleaseApply<'a> {
    pub environment: &'a Environment,
    pub release: &'a StoredRelease,
    /// The Secret of the release, if it is not stored yet. It is stored before the first object is written.
    pub store: Option<&'a Secret>,
    /// The deploy id of the rollout. Every object gets it.
    pub deploy_id: u64,
}

/// The result of an apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedRelease {
    pub plan: Plan,
    /// The workloads to wait for.
    pub workloads: Vec<Workload>,
}

/// The surroundings of an apply.
#[derive(Clone, Copy)]
struct Scope<'a> {
    context: Context<'a>,
    environment: &'a Environment,
    fence: Fence,
}

/// Applies a release.
///
/// Idempotent: another attempt of the same rollout changes nothing that the first one has written.
///
/// # Errors
/// `ManifestInvalid`, `FieldImmutable`, `AdmissionDenied`, `QuotaExceeded` or `PolicyDenied` with the API server's message.
/// `Overtaken`, permanent, if a newer rollout has written an object, with its deploy id.
pub async fn apply_release(context: Context<'_>, apply: &ReleaseApply<'_>) -> Result<AppliedRelease, Failure> {
    let scope = Scope { context, environment: apply.environment, fence: Fence::new(apply.deploy_id) };
    context.progress.report(format!("reading what is in {}", apply.environment.namespace));
    let objects = apply.release.objects.iter().map(|document| Object::new("", 0, document.clone())).collect();
    let parent = applyset::read(context.client, apply.environment);
    let (parent, targets) = futures::try_join!(parent, target::read_all(scope, objects))?;
    let fenced = targets.iter().filter_map(Target::fenced);
    scope.fence.check(parent.iter().map(Parent::fenced).chain(fenced))?;
    if let Some(refusal) = targets.iter().find_map(|target| check::refusal(scope, target)) {
        return Err(refusal.into());
    }
    let kinds = targets.iter().map(|target| target.kind.group_kind()).collect();
    apply.begin(scope, parent.as_ref(), &kinds).await?;
    let mut results = Vec::new();
    for stage in by_stage(targets).into_values() {
        results.extend(apply_stage(scope, stage).await?);
    }
    let plan = plan::plan(&results, []);
    Ok(AppliedRelease { plan, workloads: results.into_iter().filter_map(|applied| applied.workload).collect() })
}

impl ReleaseApply<'_> {
    /// Claims the set, then stores the release.
    async fn begin(&self, scope: Scope<'_>, parent: Option<&Parent>, kinds: &BTreeSet<String>) -> Result<(), Failure> {
        let claim = applyset::claim(scope.context, self.environment, scope.fence, parent, kinds);
        let store = async {
            match self.store {
                Some(secret) => create_once(scope.context.client, secret).await,
                None => Ok(()),
            }
        };
        futures::try_join!(claim, store).map(drop)
    }
}

/// Applies the objects of a stage at once.
async fn apply_stage(scope: Scope<'_>, stage: Vec<Target>) -> Result<Vec<AppliedObject>, Failure> {
    scope.context.progress.report(format!("applying {}", count_kinds(&stage)));
    let applying: Vec<_> = stage.into_iter().map(|target| apply_object(scope, target)).collect();
    stream::iter(applying).buffered(CONCURRENCY).try_collect().await
}

/// Returns the objects by the stage in which they are applied.
fn by_stage(targets: Vec<Target>) -> BTreeMap<usize, Vec<Target>> {
    let mut stages = BTreeMap::<usize, Vec<Target>>::new();
    for target in targets {
        stages.entry(target.kind.stage()).or_default().push(target);
    }
    stages
}

fn count_kinds(targets: &[Target]) -> String {
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    targets.iter().for_each(|target| *count.entry(target.object.kind()).or_default() += 1);
    count.into_iter().map(|(kind, n)| format!("{n} {kind}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
