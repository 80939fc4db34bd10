//! Deadlines of workloads, and what is known at them.

use super::*;

/// A wait for 300 s, or longer for a Deployment that writes a deadline.
fn wait_with(written: Option<u64>) -> AwaitInput {
    let mut wait = wait();
    wait.workloads[0].deadline_seconds = written;
    wait
}

#[test]
fn a_written_deadline_counts_if_it_is_longer() {
    for (written, expected) in [(None, 300), (Some(60), 300), (Some(500), 500)] {
        let (cause, second) = verdict_with(&mut Judge::new(&wait_with(written)), &snapshot("not_ready"), 30);
        assert_eq!((cause.failure, second + 30), (FailureType::NotReady, expected), "{written:?}");
    }
}

#[test]
fn a_written_deadline_of_a_workload_that_is_done_does_not_count() {
    let mut wait = wait();
    wait.workloads.push(Workload { deadline_seconds: Some(900), ..workload("Job", "migrate", 1) });
    let mut snapshot = snapshot("not_ready");
    let status = json!({"conditions": [{"type": "Complete", "status": "True"}]});
    put(&mut snapshot, &json!({"kind": "Job", "metadata": {"name": "migrate"}, "status": status}));
    assert_eq!(verdict_with(&mut Judge::new(&wait), &snapshot, 30).1, 270);
}

#[test]
fn a_longer_wait_for_missing_objects_ends_at_the_deadline_with_their_name() {
    for (missing, expected) in [(10, 10), (90, 90), (3600, 270)] {
        let mut wait = wait();
        wait.timings.missing_seconds = missing;
        let (cause, second) = verdict_with(&mut Judge::new(&wait), &snapshot("secret_missing"), 30);
        assert_eq!((cause.failure, second), (FailureType::ConfigMissing, expected));
        let (_, key) = verdict_with(&mut Judge::new(&wait), &snapshot("key_of_doppler_missing"), 30);
        assert_eq!(key, 2, "nobody adds a key to a Secret of Doppler's values");
    }
}

#[test]
fn all_incomplete_workloads_are_told_and_the_known_cause_is_blamed() {
    let mut wait = wait();
    wait.workloads.push(workload("StatefulSet", "db", 2));
    let mut snapshot = snapshot("not_ready");
    let waiting = crate::rollout::fixtures::case("stateful_set_waits_for_a_running_pod");
    waiting["objects"].as_array().unwrap().iter().for_each(|object| put(&mut snapshot, object));
    let (cause, second) = verdict_with(&mut Judge::new(&wait), &snapshot, 30);
    assert_eq!((cause.failure, second), (FailureType::NotReady, 270));
    for words in ["Deployment/web: 0 of 1 pods ready; container web", "StatefulSet/db: 0 of 1 pods ready; pod db-0"] {
        assert!(cause.message.contains(words), "{words:?} should be in {}", cause.message);
    }
}

#[test]
fn a_paused_deployment_that_is_only_scaled_is_waited_for() {
    let scaled = |updated: i32, paused: bool| {
        let mut case = crate::rollout::fixtures::case("not_ready");
        case["deployment"] = json!({"spec": {"paused": paused, "replicas": 2}, "status": {"observedGeneration": 2,
            "replicas": updated, "updatedReplicas": updated}});
        fixtures::snapshot_of(&case)
    };
    assert_eq!(verdict_with(&mut Judge::new(&wait()), &scaled(0, true), 30).1, 2);
    assert_eq!(verdict_with(&mut Judge::new(&wait()), &scaled(1, true), 30).1, 270, "its pods are looked at");
    assert_eq!(verdict_with(&mut Judge::new(&wait()), &scaled(0, false), 30).1, 270);
}
