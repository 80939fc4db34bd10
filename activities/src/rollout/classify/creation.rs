//! Pods that are refused by quota, policy or admission, so that none exists.
//!
//! A Deployment's refusals are in a condition of its `ReplicaSet`. Other kinds have only events.
//!
//! The condition stays until pods are created, and a refused controller pauses for up to a quarter of an hour. So a
//! refusal from before this rollout may be outdated, and only an event shows that it was repeated.

use std::time::Duration;

use berth_workflows::contract::{apply::Workload, verdict::FailureType};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Event};
use kube::ResourceExt;

use super::{Bounds, Cause, Due, PASSING, SECOND_LOOK};
use crate::{
    failure::advice,
    rollout::snapshot::{Snapshot, event_ms, unix_ms},
};

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
    let Refusal { failure, due, advice } = refusal(&message);
    let brief = format!("pods are refused ({})", failure.name());
    let cause = Cause::new(failure, workload, message, due).briefly(brief);
    match advice {
        Some(advice) => cause.advise(advice),
        None => cause,
    }
}

fn replica_failure(snapshot: &Snapshot, workload: &Workload, bounds: Bounds) -> Option<Cause> {
    let deployment = snapshot.deployments.get(&workload.name)?;
    if let Some(message) = no_replica_set(deployment) {
        return Some(refused(workload, message));
    }
    let set = snapshot.new_replica_set(deployment)?;
    let conditions = set.status.as_ref()?.conditions.iter().flatten();
    let failure = conditions.into_iter().find(|c| c.type_ == "ReplicaFailure" && c.status == "True")?;
    let message = failure.message.clone().unwrap_or_default();
    if failure.reason.as_deref() != Some("FailedCreate") {
        return None;
    }
    // The condition keeps the message of the first refusal, whatever came after it.
    if let Some(newest) = failed_create_event(snapshot, &set.uid()?, bounds) {
        return Some(refused(workload, newest));
    }
    let since_ms = failure.last_transition_time.as_ref().map_or(u64::MAX, unix_ms);
    if since_ms.saturating_add(CLOCK_SKEW_MS) >= bounds.start_ms {
        return Some(refused(workload, message));
    }
    let mut cause = refused(workload, message);
    cause.brief = format!("pods were refused before ({})", cause.failure.name());
    cause.due = Due::After(PASSING);
    cause.from_earlier_rollout = true;
    Some(cause)
}

/// Returns the message if the `ReplicaSet` itself is refused.
fn no_replica_set(deployment: &Deployment) -> Option<String> {
    let conditions = deployment.status.as_ref()?.conditions.as_deref()?;
    let progressing = conditions.iter().find(|condition| condition.type_ == "Progressing")?;
    let refused = progressing.status == "False" && progressing.reason.as_deref() == Some("ReplicaSetCreateError");
    refused.then(|| progressing.message.clone().unwrap_or_default())
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
        .max_by_key(|event| (event_ms(event), version(event)))
        .and_then(|event| event.message.as_deref())
        .map(|message| message.strip_prefix("(combined from similar events): ").unwrap_or(message))
        .map(|message| message.strip_prefix("Error creating: ").unwrap_or(message).to_owned())
}

/// Returns the order of two events of one second: their times are whole seconds.
fn version(event: &Event) -> u64 {
    event.metadata.resource_version.as_deref().and_then(|version| version.parse().ok()).unwrap_or_default()
}

/// The meaning of the API server's refusal of a pod.
struct Refusal {
    failure: FailureType,
    /// The time that it gets to pass.
    due: Due,
    /// The advice, if it is not the one of its type.
    advice: Option<&'static str>,
}

fn refusal(message: &str) -> Refusal {
    use FailureType::{AdmissionDenied, ConfigMissing, ManifestInvalid, NotReady, PolicyDenied, QuotaExceeded};
    let has = |sign: &str| message.contains(sign);
    let after = |failure, patience: Duration| Refusal { failure, due: Due::After(patience), advice: None };
    let advised = |failure, patience: Duration, advice| Refusal { advice: Some(advice), ..after(failure, patience) };
    if has("status unknown for quota") {
        after(QuotaExceeded, PASSING) // a fresh namespace, until its quota has been counted
    } else if has("exceeded quota") {
        Refusal { due: Due::AfterQuotaSettles(SECOND_LOOK), ..after(QuotaExceeded, SECOND_LOOK) }
    } else if has("failed quota") || has("insufficient quota to match these scopes") {
        after(QuotaExceeded, SECOND_LOOK)
    } else if has("violates PodSecurity") {
        after(PolicyDenied, SECOND_LOOK)
    } else if has("failed calling webhook") {
        after(AdmissionDenied, PASSING)
    } else if has("admission webhook") || has("ValidatingAdmissionPolicy") {
        after(AdmissionDenied, SECOND_LOOK)
    } else if has("error looking up service account") {
        after(ConfigMissing, PASSING) // a fresh namespace has no `default` account for a moment
    } else if has("no PriorityClass with name") || (has("RuntimeClass") && has("not found")) {
        advised(ConfigMissing, SECOND_LOOK, advice::CLASS)
    } else if has("because it is being terminated") {
        after(NotReady, PASSING) // the namespace
    } else if is_of_limit_range(message) {
        advised(QuotaExceeded, SECOND_LOOK, advice::LIMIT_RANGE)
    } else if has("forbidden") {
        after(PolicyDenied, SECOND_LOOK)
    } else if has(" is invalid: ") {
        after(ManifestInvalid, SECOND_LOOK)
    } else {
        after(NotReady, PASSING)
    }
}

/// Returns whether a `LimitRange` refuses: `maximum memory usage per Container is 1Gi, but limit is 2Gi`.
fn is_of_limit_range(message: &str) -> bool {
    let bound = message.contains("minimum ") || message.contains("maximum ");
    (bound && message.contains(" usage per ")) || message.contains("max limit to request ratio per ")
}
