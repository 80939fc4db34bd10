//! Broken pods of an earlier revision that a `StatefulSet` waits for.

use berth_workflows::contract::environment::EnvironmentKind;
use serde_json::Value;

use super::*;
use crate::rollout::{classify::BrokenPod, fixtures::case};

fn set() -> Value {
    case("stateful_set_waits_for_a_running_pod")["objects"][0].clone()
}

/// The pod `db-0` of an earlier revision, in the state of that case's container.
fn old(name: &str) -> Value {
    let state = case(name)["pod"].clone();
    let mut pod = pod("db-0", "db-0-uid", "none", &state);
    pod["metadata"]["ownerReferences"] = json!([owner("StatefulSet", "db", "db-uid")]);
    pod["metadata"]["labels"] = json!({"controller-revision-hash": "db-1"});
    pod
}

fn wait_for_set() -> AwaitInput {
    AwaitInput { workloads: vec![workload("StatefulSet", "db", 2)], ..wait() }
}

fn in_production() -> AwaitInput {
    let mut wait = wait_for_set();
    wait.environment.kind = EnvironmentKind::Production;
    wait
}

/// Looks every second until pods are to be replaced, or until the verdict. Returns them, or the cause, and the second.
fn end(wait: &AwaitInput, objects: &[Value]) -> (Result<Vec<BrokenPod>, Cause>, u64) {
    let mut snapshot = Snapshot::default();
    objects.iter().for_each(|object| put(&mut snapshot, object));
    let mut judge = Judge::new(wait);
    for second in 0..1200 {
        match judge.look(&snapshot, START_MS + (30 + second) * 1000) {
            Look::Waiting { broken, .. } if !broken.is_empty() => return (Ok(broken), second),
            Look::Waiting { .. } => {}
            Look::Failed(cause) => return (Err(*cause), second),
            Look::Complete => panic!("is complete"),
        }
    }
    panic!("no end in 20 minutes");
}

fn replaced(wait: &AwaitInput, objects: &[Value]) -> u64 {
    let (broken, second) = end(wait, objects);
    let broken = broken.unwrap_or_else(|cause| panic!("{}", cause.message));
    let metadata = &broken[0].metadata;
    assert_eq!(
        (broken.len(), metadata.uid.as_deref(), metadata.resource_version.as_deref()),
        (1, Some("db-0-uid"), Some("1"))
    );
    second
}

/// Asserts that the pod is named with its command, and why it is left alone. Returns the second.
fn spared(wait: &AwaitInput, objects: &[Value], why: &str) -> u64 {
    let (end, second) = end(wait, objects);
    let cause = end.unwrap_err();
    assert_eq!((cause.failure, cause.workload.as_str()), (FailureType::NotReady, "StatefulSet/db"));
    assert!(cause.message.contains("pod db-0 of an earlier revision"), "{}", cause.message);
    let advice = cause.advice.unwrap();
    assert!(advice.contains("`kubectl delete pod db-0 -n pr-1`") && advice.contains(why), "{advice}");
    second
}

#[test]
fn a_broken_pod_of_an_earlier_revision_is_replaced() {
    for (name, within) in [
        ("crash_loop", 0),
        ("out_of_memory", 0),
        ("image_not_found", 2),
        ("secret_missing", 10),
        ("key_missing", 10),
        ("claim_missing", 10),
        ("command_missing", 2),
    ] {
        assert_eq!(replaced(&wait_for_set(), &[set(), old(name)]), within, "{name}");
    }
}

#[test]
fn a_pod_that_may_become_ready_is_left_alone_and_named() {
    for (name, why) in [("not_ready", "may still become ready"), ("creating", "may still become ready")] {
        assert_eq!(spared(&wait_for_set(), &[set(), old(name)], why), 270, "{name}");
    }
}

#[test]
fn a_pod_with_a_running_container_is_left_alone_and_named() {
    let mut pod = old("image_not_found");
    let beside = json!({"name": "proxy", "image": "", "imageID": "", "ready": true, "restartCount": 0,
        "state": {"running": {"startedAt": "2026-11-24T09:00:03Z"}}});
    pod["status"]["containerStatuses"].as_array_mut().unwrap().push(beside);
    spared(&wait_for_set(), &[set(), pod], "a container of it runs");
}

#[test]
fn a_pod_that_its_strategy_keeps_is_named_within_seconds() {
    let on_delete = json!({"type": "OnDelete"});
    let partition = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 1}});
    for (strategy, why) in [(on_delete, "OnDelete leaves it to you"), (partition, "the partition of its strategy")] {
        let mut set = set();
        set["spec"]["updateStrategy"] = strategy;
        set["spec"]["replicas"] = json!(2);
        assert!(spared(&wait_for_set(), &[set, old("crash_loop")], why) <= 2);
    }
}

#[test]
fn ordinals_that_begin_elsewhere_are_counted_from_there() {
    let mut set = set();
    set["spec"]["ordinals"] = json!({"start": 5});
    set["spec"]["updateStrategy"] = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 1}});
    let mut pod = old("crash_loop");
    pod["metadata"]["name"] = json!("db-6");
    assert_eq!(replaced(&wait_for_set(), &[set, pod]), 0);
}

#[test]
fn in_production_only_a_revision_of_a_failed_rollout_is_replaced() {
    let marked = |revisions: &str| {
        let mut set = set();
        set["metadata"]["annotations"] = json!({"berth.dev/failed-revisions": revisions});
        set
    };
    for unknown in [set(), marked(""), marked("db-0,db-11")] {
        assert!(spared(&in_production(), &[unknown, old("crash_loop")], "no failed rollout of berth's") <= 2);
    }
    assert_eq!(replaced(&in_production(), &[marked("db-0,db-1"), old("crash_loop")]), 0);
}

#[test]
fn ready_ending_and_new_pods_are_none_of_them() {
    let mut ready = old("crash_loop");
    ready["status"]["conditions"] = json!([{"type": "Ready", "status": "True"}]);
    let mut ending = old("crash_loop");
    ending["metadata"]["deletionTimestamp"] = json!("2026-11-24T09:00:30Z");
    let mut new = old("crash_loop");
    new["metadata"]["labels"] = json!({"controller-revision-hash": "db-2"});
    for (pod, failure) in
        [(ready, FailureType::NotReady), (ending, FailureType::NotReady), (new, FailureType::CrashLoop)]
    {
        let (end, _) = end(&wait_for_set(), &[set(), pod]);
        let cause = end.unwrap_err();
        assert_eq!(cause.failure, failure);
        assert!(!cause.message.contains("earlier revision"), "{}", cause.message);
    }
}

#[test]
fn a_pod_that_could_not_be_replaced_is_named_at_the_deadline() {
    let mut snapshot = Snapshot::default();
    [set(), old("crash_loop")].iter().for_each(|object| put(&mut snapshot, object));
    let (cause, second) = verdict_with(&mut Judge::new(&wait_for_set()), &snapshot, 30);
    assert_eq!((cause.failure, second), (FailureType::NotReady, 270));
    assert!(cause.advice.unwrap().contains("it could not be deleted"));
}
