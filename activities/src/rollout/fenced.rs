//! Workloads that another rollout has written. They may be ready, and yet serve another release.

use std::collections::BTreeMap;

use berth_workflows::contract::{apply::Workload, checks::AwaitInput, verdict::Verdict};
use kube::ResourceExt;

use super::{classify::name_of, snapshot::Snapshot};
use crate::kubernetes::fence::{Fence, deploy_id};

/// The subject of the wait for a workload that an older rollout wrote last.
pub(crate) const OLDER: &str = "an older rollout wrote it last";

/// Returns the verdict if a newer rollout has written a workload: this one's release no longer serves.
pub(crate) fn overtaken(snapshot: &Snapshot, wait: &AwaitInput) -> Option<Verdict> {
    let workloads = wait.workloads.iter().filter(|_| wait.deploy_id > 0);
    let labels = workloads.filter_map(|workload| Some((name_of(workload), labels(snapshot, workload)?)));
    Fence::new(wait.deploy_id).overtaken(labels)
}

/// Returns whether an older rollout wrote the workload last. A workload without a deploy id is not.
pub(crate) fn is_older(snapshot: &Snapshot, workload: &Workload, rollout: u64) -> bool {
    labels(snapshot, workload).and_then(deploy_id).is_some_and(|id| id < rollout)
}

fn labels<'a>(snapshot: &'a Snapshot, workload: &Workload) -> Option<&'a BTreeMap<String, String>> {
    let name = workload.name.as_str();
    match workload.kind.as_str() {
        "Deployment" => snapshot.deployments.get(name).map(ResourceExt::labels),
        "StatefulSet" => snapshot.stateful_sets.get(name).map(ResourceExt::labels),
        "DaemonSet" => snapshot.daemon_sets.get(name).map(ResourceExt::labels),
        "Job" => snapshot.jobs.get(name).map(ResourceExt::labels),
        _ => None,
    }
}
