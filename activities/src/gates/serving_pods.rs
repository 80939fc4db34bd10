//! The pods that a workload serves with once its rollout is done: those of the new revision, and those that its update
//! strategy keeps in an older one.

use berth_workflows::contract::apply::Workload;
use k8s_openapi::api::{
    apps::v1::{DaemonSet, StatefulSet},
    core::v1::Pod,
};
use kube::ResourceExt;

use crate::rollout::snapshot::Snapshot;

/// Returns the pods of the new revision. If the strategy has made none, those that it keeps.
pub(super) fn preferred_pods<'s>(snapshot: &'s Snapshot, workload: &Workload) -> Vec<&'s Pod> {
    let new = snapshot.new_pods(workload);
    if new.is_empty() { kept_pods(snapshot, workload).collect() } else { new }
}

/// Returns whether the workload serves with this pod.
pub(super) fn serves_with(snapshot: &Snapshot, workload: &Workload, pod: &Pod) -> bool {
    let is_it = |other: &&Pod| other.metadata.uid == pod.metadata.uid && other.name_any() == pod.name_any();
    snapshot.new_pods(workload).iter().any(is_it) || kept_pods(snapshot, workload).any(|kept| is_it(&kept))
}

fn kept_pods<'s>(snapshot: &'s Snapshot, workload: &Workload) -> impl Iterator<Item = &'s Pod> {
    let set = (workload.kind == "StatefulSet").then(|| snapshot.stateful_sets.get(&workload.name)).flatten();
    let daemons = (workload.kind == "DaemonSet").then(|| snapshot.daemon_sets.get(&workload.name)).flatten();
    let is_kept = move |pod: &&Pod| set.is_some_and(|set| keeps_pod(set, pod)) || daemons.is_some_and(keeps_all);
    let workload = workload.clone();
    let staying = snapshot.pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none());
    staying.filter(is_kept).filter(move |pod| snapshot.is_of(pod, &workload))
}

/// Returns whether the `StatefulSet` leaves the pod in its revision: with `OnDelete` every pod, with a partition those below it.
fn keeps_pod(set: &StatefulSet, pod: &Pod) -> bool {
    let Some(spec) = &set.spec else { return false };
    let Some(strategy) = &spec.update_strategy else { return false };
    if strategy.type_.as_deref() == Some("OnDelete") {
        return true;
    }
    let partition = strategy.rolling_update.as_ref().and_then(|rolling| rolling.partition).unwrap_or_default();
    let start = spec.ordinals.as_ref().and_then(|ordinals| ordinals.start).unwrap_or_default();
    let ordinal = pod.name_any().rsplit_once('-').and_then(|(_, ordinal)| ordinal.parse::<i32>().ok());
    // The controller counts a partition from the first ordinal.
    ordinal.is_some_and(|ordinal| ordinal.saturating_sub(start) < partition)
}

fn keeps_all(daemons: &DaemonSet) -> bool {
    let strategy = daemons.spec.as_ref().and_then(|spec| spec.update_strategy.as_ref());
    strategy.is_some_and(|strategy| strategy.type_.as_deref() == Some("OnDelete"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::rollout::fixtures::{owner, put, workload};

    fn pod(owner: &Value, name: &str, revision: &str) -> Value {
        json!({"kind": "Pod", "metadata": {"name": name, "uid": name, "ownerReferences": [owner],
            "labels": {"controller-revision-hash": revision, "pod-template-generation": revision}}})
    }

    /// A `StatefulSet` of three pods, of which the last is of the new revision.
    fn stateful_set(spec: Value) -> Snapshot {
        let mut snapshot = Snapshot::default();
        let mut set = json!({"kind": "StatefulSet", "metadata": {"name": "db", "uid": "db-uid"},
            "spec": spec, "status": {"replicas": 3, "updateRevision": "new"}});
        set["spec"]["selector"] = json!({});
        set["spec"]["template"] = json!({});
        put(&mut snapshot, &set);
        let owner = owner("StatefulSet", "db", "db-uid");
        for (name, revision) in [("db-0", "old"), ("db-1", "old"), ("db-2", "new")] {
            put(&mut snapshot, &pod(&owner, name, revision));
        }
        snapshot
    }

    fn serving(snapshot: &Snapshot) -> Vec<String> {
        let set = workload("StatefulSet", "db", 1);
        snapshot.pods.iter().filter(|pod| serves_with(snapshot, &set, pod)).map(|pod| pod.name_any()).collect()
    }

    #[test]
    fn pods_kept_by_the_strategy_of_a_stateful_set_serve() {
        let partition = |partition: i32| json!({"updateStrategy": {"rollingUpdate": {"partition": partition}}});
        for (spec, expected) in [
            (json!({}), vec!["db-2"]),
            (partition(0), vec!["db-2"]),
            (partition(1), vec!["db-0", "db-2"]),
            (partition(2), vec!["db-0", "db-1", "db-2"]),
            (json!({"updateStrategy": {"type": "OnDelete"}}), vec!["db-0", "db-1", "db-2"]),
        ] {
            assert_eq!(serving(&stateful_set(spec.clone())), expected, "{spec}");
        }
    }

    #[test]
    fn partition_counts_from_the_first_ordinal() {
        let spec =
            |start: i32| json!({"ordinals": {"start": start}, "updateStrategy": {"rollingUpdate": {"partition": 1}}});
        assert_eq!(serving(&stateful_set(spec(0))), ["db-0", "db-2"]);
        assert_eq!(serving(&stateful_set(spec(1))), ["db-0", "db-1", "db-2"]);
    }

    #[test]
    fn pods_of_a_daemon_set_serve_with_on_delete() {
        let mut snapshot = Snapshot::default();
        let agent = workload("DaemonSet", "agent", 1);
        let old: Pod = serde_json::from_value(pod(&owner("DaemonSet", "agent", "agent-uid"), "agent-x", "1")).unwrap();
        snapshot.pods.put(old.clone());
        for (strategy, expected) in [("RollingUpdate", false), ("OnDelete", true)] {
            let set = json!({"metadata": {"name": "agent", "uid": "agent-uid",
                "annotations": {"deprecated.daemonset.template.generation": "2"}},
                "spec": {"selector": {}, "template": {}, "updateStrategy": {"type": strategy}}});
            snapshot.daemon_sets.put(serde_json::from_value(set).unwrap());
            assert_eq!(serves_with(&snapshot, &agent, &old), expected, "{strategy}");
        }
    }

    #[test]
    fn new_pods_are_preferred_to_kept_ones() {
        let set = workload("StatefulSet", "db", 1);
        let names = |snapshot: &Snapshot| {
            preferred_pods(snapshot, &set).into_iter().map(ResourceExt::name_any).collect::<Vec<_>>()
        };
        let mut snapshot = stateful_set(json!({"updateStrategy": {"type": "OnDelete"}}));
        assert_eq!(names(&snapshot), ["db-2"]);
        put(&mut snapshot, &pod(&owner("StatefulSet", "db", "db-uid"), "db-2", "old"));
        assert_eq!(names(&snapshot), ["db-0", "db-1", "db-2"]);
    }

    #[test]
    fn pod_that_is_ending_does_not_serve() {
        let mut snapshot = stateful_set(json!({"updateStrategy": {"type": "OnDelete"}}));
        let mut ending = pod(&owner("StatefulSet", "db", "db-uid"), "db-0", "old");
        ending["metadata"]["deletionTimestamp"] = json!("2026-11-24T09:00:00Z");
        put(&mut snapshot, &ending);
        assert_eq!(serving(&snapshot), ["db-1", "db-2"]);
    }
}
