//! Marks on a `StatefulSet`: the revisions that failed rollouts of production made. A later rollout may replace a broken pod of
//! such a revision.

use std::time::Duration;

use berth_workflows::contract::{checks::AwaitInput, environment::EnvironmentKind};
use k8s_openapi::api::apps::v1::StatefulSet;
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::json;

use super::{
    snapshot::Snapshot,
    workload_state::{WorkloadState, workload_state},
};

/// The annotation: names of revisions, the newest last, separated by commas.
const FAILED_REVISIONS: &str = "berth.dev/failed-revisions";
/// A field manager apart from that of manifests. Otherwise the next apply would remove the annotation.
const FIELD_MANAGER: &str = "berth-rollout";
/// The time for one request. A verdict that is known is not held back for longer.
const PATIENCE: Duration = Duration::from_secs(3);
/// How many revisions are remembered. A `StatefulSet` has pods of two or three at a time.
const KEPT: usize = 5;

/// Returns the revisions that failed rollouts made.
pub(super) fn failed_revisions(set: &StatefulSet) -> impl Iterator<Item = &str> {
    let marked = set.annotations().get(FAILED_REVISIONS).map(String::as_str).unwrap_or_default();
    marked.split(',').filter(|revision| !revision.is_empty())
}

/// Records the revisions of the `StatefulSet`s that a failed rollout of production did not complete.
pub(super) async fn mark_failed(client: &Client, wait: &AwaitInput, snapshot: &Snapshot) {
    if wait.environment.kind != EnvironmentKind::Production {
        return;
    }
    let sets = Api::<StatefulSet>::namespaced(client.clone(), &wait.environment.namespace);
    for (name, marked) in to_mark(wait, snapshot) {
        let patch = json!({"metadata": {"annotations": {FAILED_REVISIONS: marked}}});
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        // Without the mark a broken pod of the revision is named, and not replaced.
        match tokio::time::timeout(PATIENCE, sets.patch(&name, &params, &Patch::Merge(&patch))).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(stateful_set = %name, "Could not mark the revision of {name}: {error}"),
            Err(_) => tracing::warn!(stateful_set = %name, "Could not mark the revision of {name}: no answer"),
        }
    }
}

/// Returns each `StatefulSet` to mark, with the annotation's new value.
fn to_mark(wait: &AwaitInput, snapshot: &Snapshot) -> Vec<(String, String)> {
    let sets = wait.workloads.iter().filter(|workload| workload.kind == "StatefulSet");
    let incomplete = sets.filter(|workload| workload_state(snapshot, workload) != WorkloadState::Complete);
    incomplete
        .filter_map(|workload| {
            let set = snapshot.stateful_sets.get(&workload.name)?;
            let revision = set.status.as_ref()?.update_revision.as_deref()?;
            let mut known: Vec<&str> = failed_revisions(set).collect();
            if known.contains(&revision) {
                return None;
            }
            known.push(revision);
            let from = known.len().saturating_sub(KEPT);
            Some((workload.name.clone(), known[from..].join(",")))
        })
        .collect()
}
