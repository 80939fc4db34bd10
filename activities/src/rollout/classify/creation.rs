//! Pods that are refused by quota, policy or admission, so that none exists.
//!
//! A Deployment's refusals are in a condition of its `ReplicaSet`. Other kinds have only events.
//!
//! The condition stays until pods are created, and a refused controller pauses for up to a quarter of an hour. So a
//! refusal from before this rollout may be outdated, and only an event shows that it was repeated.

use std::time::Duration;

use berth_workflows::contract::{apply::Workload, verdict::FailureType};
use kube::ResourceExt;

use super::{Bounds, Cause, Due, PASSING, SECOND_LOOK};
use crate::rollout::snapshot::{Snapshot, event_ms, unix_ms};

/// The largest difference between clocks of nodes and workers, in milliseconds.
const CLOCK_SKEW_MS: u64 = 5_000;

/// Returns the cause if the workload's pods are refused.
pub(super) fn cause(snapshot: &Snapshot, workload: &Workload, bounds: Bounds) -> Option<Cause> {
    if workload.kind == "Deployment" {
        return replica_failure(snapshot, workload, bounds);
    }
    Some(refused(workload, failed_create_event(snapshot, &uid(snapshot, workload)?, bounds)?))
}

fn refused(workload: &Workload, message: String) -> Cause {
    let (failure, due) = refusal(&message);
    let brief = format!("pods are refused ({})", failure.name());
    Cause::new(failure, workload, message, due).briefly(brief)
}

fn replica_failure(snapshot: &Snapshot, workload: &Workload, bounds: Bounds) -> Option<Cause> {
    let deployment = snapshot.deployments.get(&workload.name)?;
    let set = snapshot.new_replica_set(deployment)?;
    let conditions = set.status.as_ref()?.conditions.iter().flatten();
    let failure = conditions.into_iter().find(|c| c.type_ == "ReplicaFailure" && c.status == "True")?;
    let message = failure.message.clone().unwrap_or_default();
    if failure.reason.as_deref() != Some("FailedCreate") {
        return None;
    }
    let since_ms = failure.last_transition_time.as_ref().map_or(u64::MAX, unix_ms);
    if since_ms.saturating_add(CLOCK_SKEW_MS) >= bounds.start_ms {
        return Some(refused(workload, message));
    }
    if let Some(again) = failed_create_event(snapshot, &set.uid()?, bounds) {
        return Some(refused(workload, again));
    }
    let mut cause = refused(workload, message);
    cause.brief = format!("pods were refused before ({})", cause.failure.name());
    cause.due = Due::After(PASSING);
    cause.from_earlier_rollout = true;
    Some(cause)
}

fn uid(snapshot: &Snapshot, workload: &Workload) -> Option<String> {
    let name = workload.name.as_str();
    match workload.kind.as_str() {
        "StatefulSet" => snapshot.stateful_sets.get(name)?.uid(),
        "DaemonSet" => snapshot.daemon_sets.get(name)?.uid(),
        "Job" => snapshot.jobs.get(name)?.uid(),
        _ => None,
    }
}

fn failed_create_event(snapshot: &Snapshot, uid: &str, bounds: Bounds) -> Option<String> {
    snapshot
        .events_about(Some(uid))
        .filter(|event| event.reason.as_deref() == Some("FailedCreate"))
        .filter(|event| event_ms(event) + CLOCK_SKEW_MS >= bounds.start_ms)
        .max_by_key(|event| event_ms(event))
        .and_then(|event| event.message.as_deref())
        .map(|message| message.strip_prefix("Error creating: ").unwrap_or(message).to_owned())
}

/// Returns the meaning of the API server's refusal of a pod, and the time that it gets to pass.
fn refusal(message: &str) -> (FailureType, Due) {
    use FailureType::{AdmissionDenied, ConfigMissing, ManifestInvalid, NotReady, PolicyDenied, QuotaExceeded};
    let has = |sign: &str| message.contains(sign);
    let after = |failure, patience: Duration| (failure, Due::After(patience));
    if has("status unknown for quota") {
        after(QuotaExceeded, PASSING) // a fresh namespace, until its quota has been counted
    } else if has("exceeded quota") {
        (QuotaExceeded, Due::AfterQuotaSettles(SECOND_LOOK))
    } else if has("failed quota") {
        after(QuotaExceeded, SECOND_LOOK)
    } else if has("violates PodSecurity") {
        after(PolicyDenied, SECOND_LOOK)
    } else if has("failed calling webhook") {
        after(AdmissionDenied, PASSING)
    } else if has("admission webhook") || has("ValidatingAdmissionPolicy") {
        after(AdmissionDenied, SECOND_LOOK)
    } else if has("error looking up service account") {
        after(ConfigMissing, PASSING) // a fresh namespace has no `default` account for a moment
    } else if has("forbidden") {
        after(PolicyDenied, SECOND_LOOK)
    } else if has(" is invalid: ") {
        after(ManifestInvalid, SECOND_LOOK)
    } else {
        after(NotReady, PASSING)
    }
}
