//! Time limits of each cause. Real clusters' reports of each are in `recorded`, and every state is in `states`.

mod deadlines;
mod jobs;
mod stateful_sets;

use serde_json::json;

use super::*;
use crate::{
    kubernetes::log_tail::Log,
    rollout::fixtures::{
        self, START_MS, deployment, owner, pod, put, replica_set, rolled_out, snapshot, wait, workload,
    },
};

/// Looks every second for ten minutes at an unchanged cluster. Returns the verdict and its second.
fn verdict_of(snapshot: &Snapshot) -> (Cause, u64) {
    verdict_with(&mut Judge::new(&wait()), snapshot, 30)
}

fn verdict_with(judge: &mut Judge, snapshot: &Snapshot, from: u64) -> (Cause, u64) {
    for second in 0..1200 {
        match judge.look(snapshot, START_MS + (from + second) * 1000) {
            Look::Failed(cause) => return (*cause, second),
            Look::Waiting { .. } => {}
            Look::Complete => panic!("is complete after {second} s"),
        }
    }
    panic!("no verdict in 20 minutes");
}

fn assert_verdict(case: &str, failure: FailureType, words: &str, within_seconds: u64) -> Cause {
    let (cause, second) = verdict_of(&snapshot(case));
    assert_eq!(cause.failure, failure, "{case}: {cause:?}");
    assert!(cause.message.contains(words), "{case}: {}", cause.message);
    assert!(second <= within_seconds, "{case}: only after {second} s");
    assert_eq!(cause.workload, "Deployment/web");
    cause
}

fn assert_waits(judge: &mut Judge, snapshot: &Snapshot, at_second: u64) -> String {
    match judge.look(snapshot, START_MS + at_second * 1000) {
        Look::Waiting { text, .. } => text,
        other => panic!("should wait, but {other:?}"),
    }
}

#[test]
fn a_missing_image_is_final_at_the_second_look() {
    for case in ["image_not_found", "image_not_found_backing_off", "image_back_off_of_an_older_kubelet"] {
        let cause = assert_verdict(case, FailureType::ImageUnavailable, "not found", 2);
        assert_eq!(cause.container.as_deref(), Some("web"));
        assert_eq!(cause.log, Log::None);
    }
}

#[test]
fn a_cause_of_filling_caches_is_no_verdict_at_the_first_look() {
    let text = assert_waits(&mut Judge::new(&wait()), &snapshot("image_not_found"), 5);
    assert_eq!(text, "web: 0 of 1 pods ready; pod web-5d8f-abcde: ErrImagePull");
}

#[test]
fn an_unreachable_registry_gets_a_minute() {
    let (cause, second) = verdict_of(&snapshot("registry_unreachable"));
    assert_eq!((cause.failure, second), (FailureType::ImageUnavailable, 60));
    assert!(cause.message.contains("no such host"));
}

#[test]
fn a_cause_that_returns_starts_its_time_anew() {
    let mut judge = Judge::new(&wait());
    assert_waits(&mut judge, &snapshot("image_not_found"), 5);
    assert_waits(&mut judge, &snapshot("creating"), 6);
    assert_waits(&mut judge, &snapshot("image_not_found"), 20);
}

#[test]
fn a_fresh_namespaces_missing_root_certificate_is_no_cause() {
    assert_waits(&mut Judge::new(&wait()), &snapshot("creating"), 5);
    let (cause, second) = verdict_of(&snapshot("creating"));
    assert_eq!((cause.failure, second), (FailureType::NotReady, 270));
}

#[test]
fn an_image_that_may_not_run_as_root_is_denied_by_policy() {
    assert_verdict("runs_as_root", FailureType::PolicyDenied, "image will run as root", 2);
}

#[test]
fn three_similar_restarts_make_a_crash_loop() {
    assert_waits(&mut Judge::new(&wait()), &snapshot("crash_loop_second_restart"), 30);
    let cause =
        assert_verdict("crash_loop", FailureType::CrashLoop, "exited with code 1 (Error), restarted 3 times", 0);
    assert_eq!((cause.exit_code, cause.log), (Some(1), Log::Previous));
}

#[test]
fn restarts_count_while_the_container_runs_between_crashes() {
    let cause = assert_verdict("crash_loop_running_again", FailureType::CrashLoop, "restarted 3 times", 10);
    assert_eq!(cause.container.as_deref(), Some("web"));
}

#[test]
fn restarts_with_different_exit_codes_are_not_similar() {
    let with_exit = |code: i32, restarts: i32| {
        let mut snapshot = snapshot("crash_loop");
        let mut case = crate::rollout::fixtures::case("crash_loop");
        case["pod"]["containerStatuses"][0]["restartCount"] = json!(restarts);
        case["pod"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] = json!(code);
        put(&mut snapshot, &pod("web-5d8f-abcde", "pod-uid", "web-5d8f", &case["pod"]));
        snapshot
    };
    let mut judge = Judge::new(&wait());
    assert_waits(&mut judge, &with_exit(1, 1), 10);
    assert_waits(&mut judge, &with_exit(1, 2), 20);
    assert_waits(&mut judge, &with_exit(2, 3), 30);
    assert_waits(&mut judge, &with_exit(2, 4), 40);
    assert!(matches!(judge.look(&with_exit(2, 5), START_MS + 50_000), Look::Failed(_)));
}

#[test]
fn a_restart_before_the_rollout_is_no_cause() {
    assert_waits(&mut Judge::new(&wait()), &snapshot("crash_long_ago"), 30);
    assert_eq!(verdict_of(&snapshot("crash_long_ago")).0.failure, FailureType::NotReady);
}

#[test]
fn a_container_that_keeps_exiting_with_zero_is_a_crash_loop() {
    assert_verdict("ends_with_zero", FailureType::CrashLoop, "exited with code 0 (Completed)", 0);
}

#[test]
fn a_sidecar_is_no_init_container() {
    assert_verdict("sidecar_crashing", FailureType::CrashLoop, "exited with code 3", 0);
}

#[test]
fn refused_pods_are_found_by_the_replica_sets_condition() {
    assert_verdict("quota_exceeded", FailureType::QuotaExceeded, "exceeded quota: q", 2);
    assert_verdict("quota_needs_limits", FailureType::QuotaExceeded, "must specify limits.memory", 2);
    assert_verdict("webhook_denies", FailureType::AdmissionDenied, "no latest tags", 2);
    for passing in ["quota_not_counted_yet", "webhook_unreachable"] {
        assert_eq!(verdict_of(&snapshot(passing)).1, 60, "{passing} may pass");
    }
}

#[test]
fn quota_held_by_ending_pods_is_waited_for() {
    let mut judge = Judge::new(&wait());
    let mut ending = snapshot("quota_exceeded");
    let mut old = pod("web-4c7e-fghij", "old-uid", "web-4c7e", &json!({"phase": "Running"}));
    old["metadata"]["deletionTimestamp"] = json!("2026-11-24T09:00:30Z");
    put(&mut ending, &old);
    for second in 5..=35 {
        assert_waits(&mut judge, &ending, second);
    }
    let (cause, second) = verdict_with(&mut judge, &snapshot("quota_exceeded"), 36);
    assert_eq!((cause.failure, second + 36), (FailureType::QuotaExceeded, 35 + 30 + 2));
}

#[test]
fn no_room_has_its_own_deadline() {
    let mut judge = Judge::new(&wait());
    let text = assert_waits(&mut judge, &snapshot("no_room"), 30);
    assert!(text.ends_with("no node has room: Insufficient cpu"), "{text}");
    assert_waits(&mut judge, &snapshot("no_room"), 301);
    let (cause, second) = verdict_with(&mut judge, &snapshot("no_room"), 800);
    assert_eq!((cause.failure, second + 800), (FailureType::NoCapacity, 901));
}

#[test]
fn a_late_look_observes_for_minutes_before_a_deadline_counts() {
    let mut late = Judge::new(&wait());
    assert_waits(&mut late, &snapshot("not_ready"), 400);
    let (cause, second) = verdict_with(&mut late, &snapshot("not_ready"), 401);
    assert_eq!((cause.failure, second + 401), (FailureType::NotReady, 580));

    let mut late = Judge::new(&wait());
    assert_waits(&mut late, &snapshot("no_room"), 1000);
    let (cause, second) = verdict_with(&mut late, &snapshot("no_room"), 1001);
    assert_eq!((cause.failure, second + 1001), (FailureType::NoCapacity, 1180));
}

#[test]
fn a_gap_extends_the_deadline_to_three_minutes_after_it() {
    let mut judge = Judge::new(&wait());
    assert_waits(&mut judge, &snapshot("not_ready"), 5);
    judge.resume();
    assert_waits(&mut judge, &snapshot("not_ready"), 290);
    let (cause, second) = verdict_with(&mut judge, &snapshot("not_ready"), 291);
    assert_eq!((cause.failure, second + 291), (FailureType::NotReady, 470));
    judge.resume();
    assert!(matches!(judge.look(&snapshot("image_not_found"), START_MS + 900_000), Look::Waiting { .. }));
    assert!(matches!(judge.look(&snapshot("image_not_found"), START_MS + 902_000), Look::Failed(_)), "no deadline");
}

#[test]
fn a_deadline_shorter_than_three_minutes_counts_after_its_own_time() {
    let mut short = wait();
    short.timings.rollout_seconds = 5;
    let mut late = Judge::new(&short);
    assert_waits(&mut late, &snapshot("not_ready"), 400);
    assert_waits(&mut late, &snapshot("not_ready"), 404);
    assert!(matches!(late.look(&snapshot("not_ready"), START_MS + 405_000), Look::Failed(_)));
}

#[test]
fn time_spent_waiting_for_a_node_extends_the_deadline() {
    let mut late = snapshot("not_ready");
    let mut case = crate::rollout::fixtures::case("not_ready");
    let conditions = case["pod"]["conditions"].as_array_mut().unwrap();
    conditions.last_mut().unwrap()["lastTransitionTime"] = json!("2026-11-24T09:04:01Z");
    put(&mut late, &pod("web-5d8f-abcde", "pod-uid", "web-5d8f", &case["pod"]));
    let (cause, second) = verdict_of(&late);
    assert_eq!((cause.failure, second + 30), (FailureType::NotReady, 300 + 240));
}

#[test]
fn the_failing_probe_is_named_at_the_deadline() {
    let (cause, second) = verdict_of(&snapshot("not_ready"));
    assert_eq!((cause.failure, second, cause.log), (FailureType::NotReady, 270, Log::Current));
    let words = "0 of 1 pods ready; container web of pod web-5d8f-abcde runs, but its readiness probe has not passed \
                 (Readiness probe failed: HTTP probe failed with statuscode: 503)";
    assert_eq!(cause.message, words);
}

#[test]
fn old_and_ending_pods_are_ignored() {
    let crashed = crate::rollout::fixtures::case("crash_loop");
    let mut snapshot = snapshot("ready");
    put(&mut snapshot, &replica_set("web-4c7e", "1", &json!(null)));
    put(&mut snapshot, &pod("web-4c7e-fghij", "old-uid", "web-4c7e", &crashed["pod"]));
    let mut leaving = pod("web-5d8f-klmno", "leaving-uid", "web-5d8f", &crashed["pod"]);
    leaving["metadata"]["deletionTimestamp"] = json!("2026-11-24T09:00:30Z");
    put(&mut snapshot, &leaving);
    let mut evicted = pod("web-5d8f-pqrst", "evicted-uid", "web-5d8f", &crashed["pod"]);
    evicted["status"]["phase"] = json!("Failed");
    put(&mut snapshot, &evicted);
    let mut judge = Judge::new(&wait());
    for second in 0..30 {
        assert_eq!(assert_waits(&mut judge, &snapshot, second), "web: 0 of 1 pods ready");
    }
}

#[test]
fn no_pod_is_judged_before_the_controller_observes_the_new_spec() {
    let mut snapshot = snapshot("crash_loop");
    put(
        &mut snapshot,
        &deployment(json!({"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1})),
    );
    assert_waits(&mut Judge::new(&wait()), &snapshot, 30);
}

#[test]
fn a_done_workload_stays_done_despite_earlier_crashes() {
    let mut snapshot = snapshot("crash_loop_running_again");
    put(&mut snapshot, &deployment(rolled_out()));
    assert!(matches!(Judge::new(&wait()).look(&snapshot, START_MS + 30_000), Look::Complete));
}

#[test]
fn a_done_status_waits_for_the_list_of_pods_until_the_deadline() {
    let mut unlisted = Snapshot::default();
    put(&mut unlisted, &deployment(rolled_out()));
    let mut judge = Judge::new(&wait());
    let text = assert_waits(&mut judge, &unlisted, 30);
    assert!(text.contains("not listed yet"), "{text}");
    let mut listed = snapshot("ready");
    put(&mut listed, &deployment(rolled_out()));
    assert!(matches!(judge.look(&listed, START_MS + 31_000), Look::Complete));

    let mut late = Judge::new(&wait());
    assert_waits(&mut late, &unlisted, 400);
    assert!(matches!(late.look(&unlisted, START_MS + 410_000), Look::Complete));
}

#[test]
fn a_release_fails_if_one_of_its_workloads_does() {
    let mut wait = wait();
    wait.workloads.push(workload("StatefulSet", "db", 1));
    let mut snapshot = snapshot("ready");
    put(&mut snapshot, &deployment(rolled_out()));
    let set = json!({
        "kind": "StatefulSet", "metadata": {"name": "db", "uid": "db-uid", "generation": 1},
        "spec": {"replicas": 1, "selector": {}, "template": {}},
        "status": {"observedGeneration": 1, "replicas": 1, "updateRevision": "db-2", "currentRevision": "db-1"},
    });
    put(&mut snapshot, &set);
    let mut judge = Judge::new(&wait);
    assert_eq!(assert_waits(&mut judge, &snapshot, 5), "db: 0 of 1 pods ready");
    let mut failing = pod("db-0", "db-0-uid", "db", &crate::rollout::fixtures::case("secret_missing")["pod"]);
    failing["metadata"]["ownerReferences"] = json!([owner("StatefulSet", "db", "db-uid")]);
    failing["metadata"]["labels"] = json!({"controller-revision-hash": "db-1"});
    put(&mut snapshot, &failing);
    let text = assert_waits(&mut judge, &snapshot, 10);
    assert!(text.contains("pod db-0: it is of an earlier revision and not ready"), "{text}");
    failing["metadata"]["labels"] = json!({"controller-revision-hash": "db-2"});
    put(&mut snapshot, &failing);
    let (cause, _) = verdict_with(&mut judge, &snapshot, 15);
    assert_eq!((cause.failure, cause.workload.as_str()), (FailureType::ConfigMissing, "StatefulSet/db"));
}

#[test]
fn a_stateful_sets_refused_pods_are_found_in_events() {
    let mut wait = wait();
    wait.workloads = vec![workload("StatefulSet", "db", 1)];
    let mut snapshot = Snapshot::default();
    let set = json!({
        "kind": "StatefulSet", "metadata": {"name": "db", "uid": "db-uid", "generation": 1},
        "spec": {"replicas": 1, "selector": {}, "template": {}}, "status": {"observedGeneration": 1, "replicas": 0},
    });
    put(&mut snapshot, &set);
    let event = |at: &str| {
        json!({
            "kind": "Event", "metadata": {"name": "db.1"}, "type": "Warning", "reason": "FailedCreate",
            "involvedObject": {"kind": "StatefulSet", "name": "db", "uid": "db-uid"}, "lastTimestamp": at,
            "message": "create Pod db-0 in StatefulSet db failed error: pods \"db-0\" is forbidden: exceeded quota: q",
        })
    };
    put(&mut snapshot, &event("2026-11-23T09:00:00Z"));
    assert_waits(&mut Judge::new(&wait), &snapshot, 30);
    put(&mut snapshot, &event("2026-11-24T09:00:03Z"));
    let (cause, second) = verdict_with(&mut Judge::new(&wait), &snapshot, 30);
    assert_eq!((cause.failure, second), (FailureType::QuotaExceeded, 2));
}
