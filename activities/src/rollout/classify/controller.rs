//! Workloads whose controller does nothing, because it is told so, or because it waits for pods that do not go.

use berth_workflows::contract::{apply::Workload, verdict::FailureType};
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::ResourceExt;

use super::{Cause, Due, SECOND_LOOK};
use crate::rollout::snapshot::{Snapshot, unix_ms};

/// The label by which Kueue holds a Job until it has room for it.
const QUEUE: &str = "kueue.x-k8s.io/queue-name";

/// Returns the cause of a workload that is told to do nothing. It will never end by itself, unless another controller has the
/// workload in hand.
pub(super) fn stopped(snapshot: &Snapshot, workload: &Workload) -> Option<Cause> {
    match workload.kind.as_str() {
        "Deployment" => paused(snapshot, workload),
        "Job" => suspended(workload, snapshot.jobs.get(&workload.name)?),
        _ => None,
    }
}

/// Returns whether a Deployment is paused and has no pods of the new revision. A paused one whose template is unchanged is
/// scaled all the same.
fn is_paused(snapshot: &Snapshot, workload: &Workload) -> bool {
    let Some(deployment) = snapshot.deployments.get(&workload.name).filter(|_| workload.kind == "Deployment") else {
        return false;
    };
    let spec = deployment.spec.as_ref();
    let wanted = spec.and_then(|spec| spec.replicas).unwrap_or(1);
    let updated = deployment.status.as_ref().and_then(|status| status.updated_replicas).unwrap_or_default();
    spec.and_then(|spec| spec.paused).unwrap_or_default() && updated == 0 && wanted > 0
}

fn paused(snapshot: &Snapshot, workload: &Workload) -> Option<Cause> {
    let what = "its rollout is paused (spec.paused)";
    is_paused(snapshot, workload).then(|| {
        Cause::new(FailureType::NotReady, workload, what, Due::After(SECOND_LOOK)).briefly(what).advise(
            "Remove `paused: true` from the manifest; a paused Deployment makes no pods of a new release. If nobody wrote it there, \
             somebody ran `kubectl rollout pause`.",
        )
    })
}

fn suspended(workload: &Workload, job: &Job) -> Option<Cause> {
    let spec = job.spec.as_ref()?;
    spec.suspend.filter(|suspended| *suspended)?;
    let manager = spec.managed_by.as_deref().filter(|manager| *manager != "kubernetes.io/job-controller");
    let manager = manager.or_else(|| job.labels().get(QUEUE).map(|_| "Kueue"));
    let (message, due) = match manager {
        Some(manager) => (format!("it is suspended until {manager} starts it (spec.suspend)"), Due::Deadline),
        None => ("it is suspended (spec.suspend)".to_owned(), Due::After(SECOND_LOOK)),
    };
    let cause = Cause::new(FailureType::NotReady, workload, message, due).briefly("it is suspended");
    Some(
        cause.advise(
            "Remove `suspend: true` from the manifest, or the Job from the release: a release waits for its Jobs.",
        ),
    )
}

/// Returns the cause of a workload that waits for old pods to go.
pub(super) fn leaving(snapshot: &Snapshot, workload: &Workload) -> Option<Cause> {
    let ending = snapshot.pods.iter().filter(|pod| snapshot.is_of(pod, workload));
    let ending = ending.filter_map(|pod| Some((pod, pod.metadata.deletion_timestamp.as_ref().map(unix_ms)?)));
    let (pod, _) = ending.min_by_key(|(_, due_ms)| *due_ms)?;
    let held_by = finalizers(pod);
    let name = pod.name_any();
    let (message, advice) = if held_by.is_empty() {
        let seconds = pod.metadata.deletion_grace_period_seconds.unwrap_or_default();
        (
            format!("pod {name} is still ending (it has {seconds} s to end)"),
            "A container that ignores SIGTERM ends only after its terminationGracePeriodSeconds. Let it end at once, or shorten \
             that time. A pod of a lost node ends when the node is back or is removed.",
        )
    } else {
        (
            format!("pod {name} is still ending: its finalizer {held_by} holds it"),
            "The controller of the finalizer must remove it. Check that it runs.",
        )
    };
    Some(Cause::state(workload, message).of_pod(pod).advise(advice))
}

fn finalizers(pod: &Pod) -> String {
    pod.metadata.finalizers.iter().flatten().cloned().collect::<Vec<_>>().join(", ")
}
