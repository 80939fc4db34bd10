//! Pods that do not come into being: quota, policy and admission refuse them, so no pod tells.
//!
//! A Deployment's refusals stand in a condition of its `ReplicaSet`; the other kinds have only events for it.

use std::time::Duration;

use berth_workflows::{activity_definitions::Workload, verdict::FailureType};
use kube::ResourceExt;

use super::{Bounds, Cause, Due, PASSING, SECOND_LOOK};
use crate::rollout::snapshot::{Snapshot, event_ms};

/// Clocks of nodes and workers differ by so much, in milliseconds.
const CLOCK_SKEW_MS: u64 = 5_000;

/// Why the workload's pods are refused, if they are.
pub(super) fn cause(snapshot: &Snapshot, workload: &Workload, bounds: Bounds) -> Option<Cause> {
    let message = match workload.kind.as_str() {
        "Deployment" => replica_failure(snapshot, workload),
        _ => failed_create_event(snapshot, workload, bounds),
    }?;
    let (failure, due) = refusal(&message);
    let brief = format!("pods are refused: {message}");
    Some(Cause::new(failure, workload, message, due).briefly(brief))
}

fn replica_failure(snapshot: &Snapshot, workload: &Workload) -> Option<String> {
    let deployment = snapshot.deployments.get(&workload.name)?;
    let status = snapshot.new_replica_set(deployment)?.status.as_ref()?;
    let failure = status.conditions.iter().flatten().find(|c| c.type_ == "ReplicaFailure" && c.status == "True")?;
    (failure.reason.as_deref() == Some("FailedCreate")).then(|| failure.message.clone().unwrap_or_default())
}

fn failed_create_event(snapshot: &Snapshot, workload: &Workload, bounds: Bounds) -> Option<String> {
    let name = workload.name.as_str();
    let uid = match workload.kind.as_str() {
        "StatefulSet" => snapshot.stateful_sets.get(name)?.uid(),
        "DaemonSet" => snapshot.daemon_sets.get(name)?.uid(),
        "Job" => snapshot.jobs.get(name)?.uid(),
        _ => None,
    };
    snapshot
        .events_about(uid.as_deref())
        .filter(|event| event.reason.as_deref() == Some("FailedCreate"))
        .filter(|event| event_ms(event) + CLOCK_SKEW_MS >= bounds.start_ms)
        .max_by_key(|event| event_ms(event))
        .and_then(|event| event.message.clone())
}

/// What the API server's refusal of a pod means, and how long it is given to change its mind.
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
