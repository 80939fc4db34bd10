//! Jobs of a release. Most of a Job's spec cannot be changed, and a Job that has ended does not run again. So berth replaces
//! its own Job if it failed, or if another template is to run.

use kube::{ResourceExt, api::DynamicObject};
use serde_json::Value;

use berth_workflows::contract::verdict::{FailureType, Verdict};

use super::{Scope, marks::template_hash, step::Step, target::Target};
use crate::kubernetes::labels;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Running,
    Succeeded,
    Failed,
}

/// Returns the way for a Job of berth's in the cluster.
pub(super) fn step(scope: Scope<'_>, target: &Target, live: &DynamicObject) -> Step {
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
