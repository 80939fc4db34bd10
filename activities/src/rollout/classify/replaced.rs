//! Broken pods of an earlier revision that a `StatefulSet` waits for. Its controller replaces one pod after the other, and only
//! while the others are ready: a pod that an earlier release broke holds every later one, for ever.
//!
//! Such a pod is replaced only if all of this holds; otherwise it is named, with the command.
//! - Its revision is not the new one, and it is not ready.
//! - No container of it runs: nothing is lost that it might be doing.
//! - Its cause is certain: a crash loop, a missing image, a missing Secret, `ConfigMap` or claim.
//! - Neither `OnDelete` nor a partition keeps it.
//! - In production: a rollout of berth's that failed has made its revision.

use std::collections::BTreeSet;

use berth_workflows::contract::{apply::Workload, verdict::FailureType};
use k8s_openapi::api::{apps::v1::StatefulSet, core::v1::Pod};
use kube::ResourceExt;

use super::{Bounds, BrokenPod, Cause, Due, container, scheduling, waiting};
use crate::rollout::{
    container_status::statuses,
    exits::Exits,
    marks::failed_revisions,
    snapshot::{REVISION_OF_POD, Snapshot, is_ready},
};

/// Returns the causes of a `StatefulSet` that waits for broken pods of an earlier revision.
pub(super) fn causes(snapshot: &Snapshot, workload: &Workload, exits: &Exits, bounds: Bounds) -> Vec<Cause> {
    let Some(set) = snapshot.stateful_sets.get(&workload.name).filter(|_| workload.kind == "StatefulSet") else {
        return Vec::new();
    };
    let old = snapshot.old_pods(set).into_iter().filter(|pod| !is_ready(pod));
    old.filter_map(|pod| {
        let why = scheduling::cause(snapshot, workload, pod, bounds)
            .or_else(|| container::causes(snapshot, workload, pod, exits, bounds).into_iter().next())
            .or_else(|| waiting::cause(snapshot, workload, pod))?;
        Some(judged(Old { set, pod, kept: keeper(set, pod) }, why, bounds))
    })
    .collect()
}

/// A pod of an earlier revision.
struct Old<'a> {
    set: &'a StatefulSet,
    pod: &'a Pod,
    /// What keeps the pod at its revision, if anything does.
    kept: Option<&'static str>,
}

/// Turns the cause of the old pod into that of its `StatefulSet`.
fn judged(old: Old<'_>, why: Cause, bounds: Bounds) -> Cause {
    let name = old.pod.name_any();
    let is_certain = matches!(why.due, Due::After(_)) && is_replaceable(why.failure);
    let runs = statuses(old.pod).any(|(status, _)| status.state.as_ref().is_some_and(|state| state.running.is_some()));
    let is_ours = !bounds.is_production || is_of_failed_rollout(old.set, old.pod);
    let spared = match (is_certain, old.kept, runs, is_ours) {
        (false, ..) => "it may still become ready",
        (_, Some(kept), ..) => kept,
        (_, _, true, _) => "a container of it runs",
        (.., false) => "no failed rollout of berth's is known to have made its revision",
        _ => "",
    };
    let brief = format!("it is of an earlier revision and not ready, and the StatefulSet waits for it: {}", why.brief);
    let message =
        format!("pod {name} of an earlier revision is not ready, and the StatefulSet waits for it: {}", why.message);
    let namespace = old.pod.namespace().unwrap_or_default();
    let advice = format!(
        "Remove it: `kubectl delete pod {name} -n {namespace}`. The StatefulSet then makes it of the new release. berth leaves it \
         alone: {}.",
        if spared.is_empty() { "it could not be deleted" } else { spared }
    );
    let replaces =
        spared.is_empty().then(|| Box::new(BrokenPod { metadata: old.pod.metadata.clone(), brief: why.brief.clone() }));
    // A crashing container runs for an instant after each restart.
    let due = if is_certain && old.kept.is_none() && runs { Due::Deadline } else { why.due.clone() };
    Cause { failure: FailureType::NotReady, message, brief, due, replaces, ..why }.advise(advice)
}

fn is_replaceable(failure: FailureType) -> bool {
    use FailureType::{ConfigMissing, CrashLoop, ImageUnavailable, InitFailed, OutOfMemory};
    matches!(failure, CrashLoop | OutOfMemory | InitFailed | ImageUnavailable | ConfigMissing)
}

fn is_of_failed_rollout(set: &StatefulSet, pod: &Pod) -> bool {
    let revision = pod.labels().get(REVISION_OF_POD);
    let failed: BTreeSet<_> = failed_revisions(set).collect();
    revision.is_some_and(|revision| failed.contains(revision.as_str()))
}

/// Returns what keeps the pod at its revision, if anything does.
fn keeper(set: &StatefulSet, pod: &Pod) -> Option<&'static str> {
    let spec = set.spec.as_ref()?;
    let strategy = spec.update_strategy.as_ref();
    if strategy.and_then(|strategy| strategy.type_.as_deref()) == Some("OnDelete") {
        return Some("the strategy OnDelete leaves it to you");
    }
    let first = spec.ordinals.as_ref().and_then(|ordinals| ordinals.start).unwrap_or_default();
    let partition = strategy.and_then(|strategy| strategy.rolling_update.as_ref()?.partition).unwrap_or_default();
    let ordinal = pod.name_any().rsplit_once('-').and_then(|(_, ordinal)| ordinal.parse::<i32>().ok());
    match ordinal {
        Some(ordinal) if ordinal - first >= partition => None,
        _ => Some("the partition of its strategy keeps its revision"),
    }
}
