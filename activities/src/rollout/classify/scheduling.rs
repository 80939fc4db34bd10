//! Pods without a node.

use std::collections::BTreeSet;

use berth_workflows::contract::{apply::Workload, verdict::FailureType};
use k8s_openapi::api::core::v1::{Pod, PodCondition};

use super::{Bounds, Cause, Due, SECOND_LOOK};
use crate::{
    failure::advice,
    rollout::snapshot::{Snapshot, unix_ms},
};

/// Returns why the pod has no node, if it has none.
pub(super) fn cause(snapshot: &Snapshot, workload: &Workload, pod: &Pod, bounds: Bounds) -> Option<Cause> {
    let condition = scheduled(pod).filter(|condition| condition.status == "False")?;
    let message = condition.message.as_deref().unwrap_or("the scheduler gives no reason");
    let cause = match condition.reason.as_deref().unwrap_or_default() {
        "SchedulingGated" => gated(workload, pod),
        reason if is_missing_class(message) => missing_class(workload, message, reason),
        "Unschedulable" => unschedulable(snapshot, workload, pod, condition, message, bounds),
        reason => Cause::state(workload, format!("the scheduler cannot place the pod ({reason}): {message}"))
            .briefly("the scheduler cannot place it")
            .advise(advice::CLUSTER),
    };
    Some(cause.of_pod(pod))
}

/// Returns the condition that reports whether the pod has a node.
pub(crate) fn scheduled(pod: &Pod) -> Option<&PodCondition> {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    conditions.iter().find(|condition| condition.type_ == "PodScheduled")
}

/// Returns whether no node fits the pod now. That time does not count against the release.
pub(crate) fn waits_for_node(pod: &Pod) -> bool {
    let fits_none =
        |condition: &&PodCondition| condition.status == "False" && condition.reason.as_deref() == Some("Unschedulable");
    scheduled(pod).filter(fits_none).is_some()
}

fn gated(workload: &Workload, pod: &Pod) -> Cause {
    let gates = pod.spec.iter().flat_map(|spec| spec.scheduling_gates.iter().flatten());
    let gates = gates.map(|gate| gate.name.as_str()).collect::<Vec<_>>().join(", ");
    let what = format!("its scheduling gate {gates} holds it");
    Cause::state(workload, format!("the scheduler does not look at the pod: {what}")).briefly(what).advise(
        "A controller outside of the release must remove the gate. Check that it runs, or remove spec.schedulingGates.",
    )
}

fn is_missing_class(message: &str) -> bool {
    message.contains("storageclass") && message.contains("not found")
}

fn missing_class(workload: &Workload, message: &str, place: &str) -> Cause {
    Cause::new(FailureType::ConfigMissing, workload, message, Due::After(SECOND_LOOK))
        .briefly(format!("a StorageClass does not exist ({place})"))
        .advise(advice::CLASS)
}

fn unschedulable(
    snapshot: &Snapshot,
    workload: &Workload,
    pod: &Pod,
    condition: &PodCondition,
    message: &str,
    bounds: Bounds,
) -> Cause {
    // A pod of an earlier attempt at the same release starts its wait anew.
    let since = condition.last_transition_time.as_ref().map_or(bounds.start_ms, unix_ms).max(bounds.start_ms);
    let due = Due::At(since + bounds.capacity_ms);
    if message.contains("persistentvolumeclaim") && message.contains("not found") {
        return Cause::new(FailureType::ConfigMissing, workload, message, Due::After(bounds.missing))
            .briefly("a PersistentVolumeClaim does not exist");
    }
    if message.contains("unbound immediate PersistentVolumeClaims") {
        return unbound(snapshot, workload, pod, message, due);
    }
    let short_of = short_of(message);
    if short_of.is_empty() && !message.contains("Too many pods") {
        let cause = Cause::new(FailureType::NoCapacity, workload, format!("no node fits the pod: {message}"), due);
        return cause.briefly("no node fits it").advise(
            "No node has what the pod asks for: correct its node selector, affinity or tolerations in the manifests, or add such \
             nodes. An app file's `variables` can differ between environments.",
        );
    }
    let message = format!("no node has room: {message}");
    Cause::new(FailureType::NoCapacity, workload, message, due).briefly(format!("no node has room{short_of}"))
}

/// The cause of a pod whose claims have no volume. Only an event of the claim says why.
fn unbound(snapshot: &Snapshot, workload: &Workload, pod: &Pod, message: &str, due: Due) -> Cause {
    let volumes = pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
    let claims: Vec<_> =
        volumes.filter_map(|volume| Some(volume.persistent_volume_claim.as_ref()?.claim_name.as_str())).collect();
    let failed = snapshot.events.iter().filter(|event| event.reason.as_deref() == Some("ProvisioningFailed"));
    let said = failed.filter(|event| event.involved_object.kind.as_deref() == Some("PersistentVolumeClaim"));
    let said = said.filter(|event| event.involved_object.name.as_deref().is_some_and(|name| claims.contains(&name)));
    let why = said.filter_map(|event| event.message.as_deref()).next().unwrap_or(message);
    let claims = claims.join(", ");
    let message = format!("the volume claim {claims} is not bound: {why}");
    if is_missing_class(why) {
        return missing_class(workload, &message, &claims);
    }
    Cause { due, ..Cause::state(workload, message) }
        .briefly(format!("the volume claim {claims} is not bound"))
        .advise("Nothing has made a volume for the claim: check its class and size, and the cluster's provisioner.")
}

/// Returns the resources that nodes lack, from the scheduler's message: `: Insufficient cpu, memory`.
fn short_of(message: &str) -> String {
    let words: Vec<_> = message.split_whitespace().map(|word| word.trim_end_matches(['.', ',', ';'])).collect();
    let resources = words.windows(2).filter(|pair| pair[0] == "Insufficient").map(|pair| pair[1]);
    let resources: BTreeSet<_> = resources.collect();
    if resources.is_empty() {
        return String::new();
    }
    format!(": Insufficient {}", resources.into_iter().collect::<Vec<_>>().join(", "))
}
