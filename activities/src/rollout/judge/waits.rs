//! The workloads that are waited for: their description, and what is needed to judge them.

use berth_workflows::contract::{apply::Workload, verdict::FailureType};
use k8s_openapi::api::core::v1::Pod;

use crate::rollout::{
    classify::{self, Cause, name_of},
    snapshot::{Snapshot, is_ready},
};

/// Returns whether the workload's status belongs to the applied spec.
pub(super) fn has_observed(snapshot: &Snapshot, workload: &Workload) -> bool {
    let name = workload.name.as_str();
    let observed = match workload.kind.as_str() {
        "Deployment" => snapshot.deployments.get(name).and_then(|d| d.status.as_ref()?.observed_generation),
        "StatefulSet" => snapshot.stateful_sets.get(name).and_then(|s| s.status.as_ref()?.observed_generation),
        "DaemonSet" => snapshot.daemon_sets.get(name).and_then(|s| s.status.as_ref()?.observed_generation),
        _ => Some(i64::MAX),
    };
    observed.unwrap_or_default() >= workload.generation
}

pub(super) fn refused_before(cause: &Cause) -> Option<String> {
    let name = cause.workload.strip_prefix("Deployment/").filter(|_| cause.from_earlier_rollout)?;
    Some(name.to_owned())
}

/// Returns whether only events can show a cause: a pod with a node is not ready, a controller without a condition creates no
/// pods, or a condition may be of before. No watch is spent on a cluster that is merely slow to find nodes.
pub(super) fn is_troubled(snapshot: &Snapshot, waits: &[(Workload, String)], found: &[Cause]) -> bool {
    found.iter().any(|cause| cause.failure != FailureType::NoCapacity)
        || waits.iter().any(|(workload, _)| {
            let pods = snapshot.new_pods(workload);
            let placed = |pod: &&Pod| classify::scheduled(pod).is_some_and(|condition| condition.status == "True");
            workload.kind != "Deployment" || pods.iter().any(|pod| placed(pod) && !is_ready(pod))
        })
}

/// Describes a wait, for example `web: 1 of 2 pods ready; pod web-xyz: ImagePullBackOff`.
pub(super) fn describe(waits: &[(Workload, String)], found: &[Cause]) -> String {
    let line = |(workload, text): &(Workload, String)| {
        let told = found.iter().filter(|cause| !cause.brief.is_empty());
        let cause = told.into_iter().find(|cause| cause.workload == name_of(workload));
        let trouble = match cause {
            Some(Cause { pod: Some(pod), brief, .. }) => format!("; pod {pod}: {brief}"),
            Some(Cause { brief, .. }) => format!("; {brief}"),
            None => String::new(),
        };
        format!("{}: {text}{trouble}", workload.name)
    };
    let mut text = waits.iter().map(line).collect::<Vec<_>>().join(", ");
    berth_workflows::contract::verdict::truncate(&mut text, 300);
    text
}
