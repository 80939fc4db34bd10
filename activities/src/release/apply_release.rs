//! The apply of a rendered release: the same for a push, a release, a rollback and a restore by hand.
//!
//! The order is: read what is there, check the fence, try a dry run of what differs, write. A release that is refused after
//! something was written is put back to the one that serves.

mod autoscalers;
mod check;
mod compare;
mod desired;
pub(crate) mod difference;
mod dry_run;
mod isolation;
mod jobs;
mod marks;
mod object;
pub(super) mod plan;
mod pull_secrets;
mod put_back;
mod refusal;
mod replacement;
mod replicas;
mod step;
mod taken;
mod takeover;
mod target;
mod targets;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::AtomicBool,
};

use futures::{StreamExt, stream};

use berth_manifests::render::Object;
use berth_workflows::contract::{
    apply::{Applied, Plan, Workload},
    environment::Environment,
    verdict::Verdict,
};

use crate::{
    context::Context,
    environment::default_requests::{self, is_limit_range},
    failure::Failure,
    kubernetes::{
        applyset::{self, Parent},
        fence::Fence,
        rbac_lag::Rbac,
        service_accounts::add_pull_secret,
    },
    release::{
        leftovers::{self, Kept, Sweep, beside},
        stored_release::{ReleaseSecrets, StoredRelease},
    },
};
use object::{AppliedObject, apply_object};
use refusal::{Halt, halt};
use target::Target;

pub use compare::Comparison;
pub(crate) use compare::compare_objects;

/// Concurrent requests for one environment. Beyond this number the API server's own fairness begins to queue them.
const CONCURRENCY: usize = 16;

/// A release to apply.
#[derive(Clone, Copy)]
pub struct ReleaseApply<'a> {
    pub environment: &'a Environment,
    pub release: &'a StoredRelease,
    /// The Secrets of the release, if it is not stored yet. It is stored before the first object is written.
    pub store: Option<&'a ReleaseSecrets>,
    /// The release that serves, if one does.
    pub serving: Option<&'a StoredRelease>,
    /// The deploy id of the rollout. Every object gets it.
    pub deploy_id: u64,
    pub mode: Mode,
    /// What an earlier attempt has waited for, as [`AppliedRelease::waits_for`] of it.
    pub reported: Option<&'a str>,
    /// The stored releases that stay. With them, leftovers of earlier rollouts are removed beside the apply.
    pub kept: Option<&'a Kept>,
}

/// The purpose of an apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Release,
    /// Jobs are left out: one that has run is not undone by another run.
    Rollback,
}

/// The result of an apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedRelease {
    pub plan: Plan,
    /// The workloads to wait for.
    pub workloads: Vec<Workload>,
    /// What keeps the apply waiting: objects that are being deleted, and that the release has. Nothing of the release was
    /// written, and the apply is to be repeated.
    pub waits_for: Option<String>,
}

impl AppliedRelease {
    /// Returns the activity's result for the release that is stored under this name.
    pub(super) fn of_stored(self, stored_release: String) -> Applied {
        let Self { plan, workloads, waits_for } = self;
        Applied { stored_release, plan, workloads, waits_for }
    }
}

/// What the writes came to.
enum Written {
    /// The results of all objects, and remarks.
    All(Vec<AppliedObject>, Vec<String>),
    /// Nothing: it waits for this.
    Nothing(String),
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
/// Idempotent: another attempt of the same rollout changes nothing that the first one has written, and a refused one ends
/// in the same state.
///
/// # Errors
/// All permanent: `ManifestInvalid`, `FieldImmutable`, `AdmissionDenied`, `QuotaExceeded` or `PolicyDenied` with the
/// refusals of all objects, and in [`Verdict::mixed`] the names of those that could not be put back. `Overtaken` if a newer
/// rollout has written an object, with its deploy id, and in `mixed` the names of those that this one wrote before.
pub async fn apply_release(context: Context<'_>, apply: &ReleaseApply<'_>) -> Result<AppliedRelease, Failure> {
    let scope = Scope { context, environment: apply.environment, fence: Fence::new(apply.deploy_id) };
    context.progress.report(format!("reading what is in {}", apply.environment.namespace));
    let (objects, left_out) = apply.objects();
    let parent = applyset::read(context.client, apply.environment);
    let (parent, targets) = futures::try_join!(parent, Box::pin(targets::read_all(scope, objects, apply.release)))?;
    let backlog = AtomicBool::new(false);
    // Boxed: together they would make the future of every caller large.
    let sweep = Box::pin(apply.sweep(scope, parent.as_ref(), &backlog));
    match beside(Box::pin(write(scope, apply, parent.as_ref(), targets)), sweep, &backlog).await {
        Ok(Written::Nothing(waits_for)) => {
            Ok(AppliedRelease { plan: Plan::default(), workloads: Vec::new(), waits_for: Some(waits_for) })
        }
        Ok(Written::All(results, mut notes)) => {
            notes.extend(isolation::remove_policy(scope, apply).await?);
            notes.extend(left_out);
            let plan = plan::plan(&results, notes);
            let workloads = results.into_iter().filter_map(|applied| applied.workload).collect();
            Ok(AppliedRelease { plan, workloads, waits_for: None })
        }
        Err(Halt::Refused(refusals)) => Err(put_back::refuse(scope, apply, refusals).await),
        Err(Halt::Failed(failure)) => Err(put_back::stop(scope, apply, failure).await),
    }
}

/// Tries a release in a dry run, and writes nothing. Without a release that serves, every object is tried.
///
/// Returns remarks on the objects that could not be checked.
///
/// # Errors
/// The refusals of the release, as [`apply_release()`].
pub(crate) async fn try_out(context: Context<'_>, apply: &ReleaseApply<'_>) -> Result<Vec<String>, Failure> {
    let scope = Scope { context, environment: apply.environment, fence: Fence::new(apply.deploy_id) };
    let (objects, _) = apply.objects();
    let targets = Box::pin(targets::read_all(scope, objects, apply.release)).await?;
    let known = targets.iter().filter_map(|target| check::refusal(scope, target));
    let nothing = StoredRelease::empty();
    let checked = dry_run::dry_run(scope, &targets, Some(apply.serving.unwrap_or(&nothing))).await?;
    let refusals: Vec<Verdict> = known.chain(checked.refusals).collect();
    if refusals.is_empty() {
        return Ok(checked.notes);
    }
    let mut verdict = refusal::combine(refusals);
    taken::advise(&mut verdict, apply);
    Err(verdict.into())
}

impl ReleaseApply<'_> {
    /// Returns the objects to apply, and a remark for each that is left out.
    fn objects(&self) -> (Vec<Object>, Vec<String>) {
        let objects = self.release.objects.iter().map(|document| Object::new("", 0, document.clone()));
        let (jobs, others): (Vec<_>, Vec<_>) =
            objects.partition(|object| self.mode == Mode::Rollback && object.kind() == "Job");
        let remark = |job: Object| format!("Job/{} is left out: a rollback runs no Job", job.name());
        (others, jobs.into_iter().map(remark).collect())
    }

    /// Removes leftovers of earlier rollouts.
    async fn sweep(&self, scope: Scope<'_>, parent: Option<&Parent>, backlog: &AtomicBool) {
        let Some(kept) = self.kept.filter(|_| scope.fence.check(parent.map(Parent::fenced)).is_ok()) else { return };
        let mut kept = kept.clone();
        kept.names.extend(self.store.map(ReleaseSecrets::name));
        let objects = self.release.objects.iter().chain(self.serving.iter().flat_map(|serving| &serving.objects));
        let serving = self.serving.map_or("", |serving| &serving.secret);
        let sweep = Sweep {
            environment: self.environment,
            kept,
            objects: objects.collect(),
            secrets: [&self.release.secret, serving],
            fence: Some(scope.fence),
            backlog,
        };
        leftovers::sweep(scope.context, sweep).await;
    }

    fn has_limit_range(&self) -> bool {
        self.release.objects.iter().any(is_limit_range)
    }

    /// Claims the set, then stores the release.
    async fn begin(&self, scope: Scope<'_>, parent: Option<&Parent>, kinds: &BTreeSet<String>) -> Result<(), Failure> {
        let claim = applyset::claim(scope.context, self.environment, scope.fence, parent, kinds);
        let store = async {
            match self.store {
                Some(secrets) => secrets.create(scope.context.client).await,
                None => Ok(()),
            }
        };
        futures::try_join!(claim, store).map(drop)
    }
}

/// Checks all objects, then writes them.
async fn write(
    scope: Scope<'_>,
    apply: &ReleaseApply<'_>,
    parent: Option<&Parent>,
    mut targets: Vec<Target>,
) -> Result<Written, Halt> {
    let fenced = targets.iter().filter_map(Target::fenced);
    scope.fence.check(parent.into_iter().map(Parent::fenced).chain(fenced))?;
    let known: Vec<Verdict> = targets.iter().filter_map(|target| check::refusal(scope, target)).collect();
    if apply.serving.is_none() && !known.is_empty() {
        return Err(Halt::Refused(known));
    }
    scope.context.progress.report("asking the API server whether it takes the release");
    let kinds = targets.iter().map(|target| target.kind.group_kind()).collect();
    let dry_run = dry_run::dry_run(scope, &targets, apply.serving);
    let (checked, ()) = futures::try_join!(dry_run, apply.begin(scope, parent, &kinds))?;
    let refusals: Vec<_> = known.into_iter().chain(checked.refusals).collect();
    if !refusals.is_empty() {
        return Err(Halt::Refused(refusals));
    }
    if let Some(waits_for) = replacement::remove_replaced(scope, &mut targets, apply.reported).await? {
        return Ok(Written::Nothing(waits_for));
    }
    if apply.has_limit_range() {
        // Both would give the pods defaults.
        default_requests::adapt(scope.context, scope.environment, &apply.release.objects).await?;
    }
    // Both come before the pods that need them. A preview's account has the pull secret since its namespace was prepared.
    if let Some(secret) = &apply.release.pull_secret {
        let namespace = &scope.environment.namespace;
        add_pull_secret(scope.context.client, Rbac::InForce, namespace, secret).await?;
    }
    let level = isolation::set_level(scope, apply).await?;
    let mut results = Vec::new();
    for stage in by_stage(targets).into_values() {
        results.extend(apply_stage(scope, stage, apply.serving.is_some()).await?);
    }
    Ok(Written::All(results, checked.notes.into_iter().chain(level).collect()))
}

/// Applies the objects of a stage at once. No request is left in flight after a failure: it could still be carried out when
/// the object has been put back.
async fn apply_stage(scope: Scope<'_>, stage: Vec<Target>, serves: bool) -> Result<Vec<AppliedObject>, Halt> {
    scope.context.progress.report(format!("applying {}", count_kinds(&stage)));
    let applying: Vec<_> = stage.into_iter().map(|target| apply_object(scope, target)).collect();
    let (mut results, mut failures) = (Vec::new(), Vec::new());
    let mut answers = stream::iter(applying).buffered(CONCURRENCY);
    while let Some(answer) = answers.next().await {
        match answer {
            Ok(applied) => results.push(applied),
            Err(failure) => failures.push(failure),
        }
    }
    halt(failures, serves).map_or(Ok(results), Err)
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
