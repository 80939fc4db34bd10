//! Jobs of a release. Most of a Job's spec cannot be changed, and a Job that has ended does not run again. So berth replaces
//! its own Job if it failed, or if another template is to run.

use std::time::Duration;

use futures::{StreamExt, future::try_join_all};
use kube::{
    ResourceExt,
    api::{DynamicObject, PropagationPolicy},
    runtime::{WatchStreamExt, watcher::watch_object},
};
use serde_json::Value;

use berth_workflows::contract::verdict::{FailureType, Verdict};

use super::{Scope, marks::template_hash, target::Target};
use crate::{
    failure::Failure,
    kubernetes::{guarded_delete, labels},
};

/// The time in which a deleted Job and its pods go. Longer than a pod's default grace period, and within one attempt of
/// the activity. The next attempt goes on waiting.
const GONE_WITHIN: Duration = Duration::from_secs(45);

/// The way in which an object gets to its new state. Always `Apply` for an object that is not a Job.
pub(super) enum Step {
    Apply,
    /// It is deleted, awaited gone and created.
    Replace,
    Refuse(Box<Verdict>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Running,
    Succeeded,
    Failed,
}

/// Returns the way for an object. A Job that somebody else made is applied: berth does not delete it.
pub(super) fn step(scope: Scope<'_>, target: &Target) -> Step {
    let Some(live) = target.live.as_ref().filter(|_| target.object.kind() == "Job") else { return Step::Apply };
    if live.metadata.deletion_timestamp.is_some() {
        return Step::Replace;
    }
    if !labels::belongs_to(live.labels(), scope.environment, &scope.context.settings.installation) {
        return Step::Apply;
    }
    let hash = template_hash(&target.object.document);
    let is_same = live.annotations().get(labels::TEMPLATE).is_some_and(|found| *found == hash);
    match end(live) {
        End::Running if !is_same => Step::Refuse(Box::new(still_runs(scope, target))),
        // This rollout has run it already: an earlier attempt of the activity. Its wait reports the failure.
        End::Failed if is_same && scope.fence.is_own(live.labels()) => Step::Apply,
        End::Failed => Step::Replace,
        End::Succeeded if !is_same => Step::Replace,
        End::Running | End::Succeeded => Step::Apply,
    }
}

/// Returns how a Job has ended. `FailureTarget` and `SuccessCriteriaMet` come first: the end is decided, and pods are still
/// ending.
fn end(job: &DynamicObject) -> End {
    let conditions = job.data.pointer("/status/conditions").and_then(Value::as_array);
    let has = |types: [&str; 2]| {
        conditions.into_iter().flatten().any(|condition| {
            let type_ = condition["type"].as_str().unwrap_or_default();
            condition["status"] == "True" && types.contains(&type_)
        })
    };
    if has(["Failed", "FailureTarget"]) {
        End::Failed
    } else if has(["Complete", "SuccessCriteriaMet"]) {
        End::Succeeded
    } else {
        End::Running
    }
}

fn still_runs(scope: Scope<'_>, target: &Target) -> Verdict {
    let job = target.object.name();
    let message = format!("Job/{job} has not ended yet, and the new release has another template for it");
    let mut verdict = Verdict::new(FailureType::FieldImmutable, message);
    verdict.workload = Some(target.name());
    let namespace = &scope.environment.namespace;
    verdict.advise(format!(
        "wait until the Job has ended, or stop it: kubectl delete job {job} -n {namespace}; then push again, or signal redeploy"
    ))
}

/// Returns a copy of a Job under a name that no Job has, for a dry run of its creation.
pub(super) fn renamed(mut job: Value) -> Value {
    let name = format!("berth-dry-run-{}", labels::short_hash(job.to_string().as_bytes()));
    job["metadata"]["name"] = Value::from(name);
    job
}

/// Deletes the Jobs that are to be replaced, and waits until they are gone. Nothing else is written before: a Job that
/// cannot go changes nothing of what serves.
///
/// Idempotent: a Job that is being deleted is only awaited, and a new one is not to be replaced.
pub(super) async fn remove_replaced(scope: Scope<'_>, targets: &mut [Target]) -> Result<(), Failure> {
    let replaced = targets.iter_mut().filter(|target| matches!(step(scope, target), Step::Replace));
    try_join_all(replaced.map(|target| remove(scope, target))).await.map(drop)
}

async fn remove(scope: Scope<'_>, target: &mut Target) -> Result<(), Failure> {
    let Some(live) = &target.live else { return Ok(()) };
    let name = target.name();
    scope.context.progress.report(format!("waiting for the old {name} to be gone"));
    if live.metadata.deletion_timestamp.is_none() {
        // Its pods go first: an old and a new one must not run at once.
        guarded_delete::delete_with(&target.api, &live.metadata, "Job", PropagationPolicy::Foreground).await?;
    }
    let gone = tokio::time::timeout(GONE_WITHIN, await_gone(target, live.uid())).await;
    if gone.is_err() {
        let (seconds, job) = (GONE_WITHIN.as_secs(), target.object.name());
        let message = format!("{name} is still being deleted after {seconds} s; see kubectl get job {job} -o yaml");
        return Err(Failure::transient(FailureType::NotObserved, message));
    }
    target.live = None;
    Ok(())
}

async fn await_gone(target: &Target, uid: Option<String>) {
    // The watch restarts by itself, with a backoff. Its errors are dropped.
    let changes = watch_object(target.api.clone(), target.object.name()).default_backoff();
    futures::pin_mut!(changes);
    while let Some(change) = changes.next().await {
        let Ok(found) = change else { continue };
        if found.is_none_or(|found| found.uid() != uid) {
            return;
        }
    }
}
