//! Pods that their nodes ended: refused at admission, or evicted. Their owner makes others, which may fare the same for ever.

use std::collections::BTreeMap;

use berth_workflows::contract::apply::Workload;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use super::{Bounds, Cause, Due, SECOND_LOOK};
use crate::rollout::snapshot::{Snapshot, unix_ms};

/// The number of pods that ended for the same reason from which it is certain. A controller makes the next one at once.
const ALIKE: usize = 3;
/// Reasons that another node, or the same one later, does not have.
const PASSING_REASONS: [&str; 4] = ["NodeShutdown", "Terminated", "Preempting", "NodeLost"];

/// Returns the cause of a workload whose pods were ended by their nodes during this rollout.
pub(super) fn cause(snapshot: &Snapshot, workload: &Workload, bounds: Bounds) -> Option<Cause> {
    let mut by_reason: BTreeMap<&str, Vec<&Pod>> = BTreeMap::new();
    for pod in snapshot.ended_pods(workload) {
        let created_ms = pod.metadata.creation_timestamp.as_ref().map_or(0, unix_ms);
        let reason = pod.status.as_ref().and_then(|status| status.reason.as_deref());
        if let Some(reason) = reason.filter(|_| created_ms >= bounds.start_ms) {
            by_reason.entry(reason).or_default().push(pod);
        }
    }
    let (reason, pods) = by_reason.into_iter().max_by_key(|(_, pods)| pods.len())?;
    let pod = pods.last()?;
    let said = pod.status.as_ref().and_then(|status| status.message.as_deref()).unwrap_or_default();
    // A node that is short of something evicts whatever it has; a pod above its own limit is evicted everywhere.
    let is_own = (reason != "Evicted" || said.contains("exceeds")) && !PASSING_REASONS.contains(&reason);
    let count = pods.len();
    let times = if count == 1 { "a pod".to_owned() } else { format!("{count} pods") };
    let message = format!("{times} ended at once, the last one {}: {reason}: {said}", pod.name_any());
    let mut cause = Cause::state(workload, message).of_pod(pod).briefly(format!("{times} ended at once: {reason}"));
    if is_own && count >= ALIKE {
        cause.due = Due::After(SECOND_LOOK);
    }
    Some(
        cause.advise("The node ended the pod, as the message says: correct what the pod asks for, or repair the node."),
    )
}
