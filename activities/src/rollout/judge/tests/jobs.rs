//! Jobs of a release, and containers that may wait for what a Job makes.

use super::*;
use crate::rollout::fixtures::case;

const WAIT: fn() -> AwaitInput = || {
    let mut wait = wait();
    wait.workloads.push(workload("Job", "migrate", 1));
    wait
};

fn job(status: &serde_json::Value) -> serde_json::Value {
    json!({"kind": "Job", "metadata": {"name": "migrate", "uid": "migrate-uid"}, "spec": {"template": {}}, "status": status})
}

/// The Deployment in the state of a case, beside a Job.
fn beside(name: &str, job_status: &serde_json::Value) -> Snapshot {
    let mut snapshot = snapshot(name);
    put(&mut snapshot, &job(job_status));
    snapshot
}

fn done_at(time: &str) -> serde_json::Value {
    json!({"completionTime": time, "conditions": [{"type": "Complete", "status": "True"}]})
}

#[test]
fn a_failed_jobs_container_is_named_with_its_exit_code() {
    let mut only = wait();
    only.workloads = vec![workload("Job", "migrate", 1)];
    let mut judge = Judge::new(&only);
    let mut failing = pod("migrate-x", "migrate-0-uid", "none", &case("crash_loop")["pod"]);
    failing["metadata"]["ownerReferences"] = json!([owner("Job", "migrate", "migrate-uid")]);
    let mut snapshot = Snapshot::default();
    put(&mut snapshot, &job(&json!({"active": 1})));
    put(&mut snapshot, &failing);
    let text = assert_waits(&mut judge, &snapshot, 60);
    assert_eq!(
        text,
        "migrate: 0 of 1 completions; pod migrate-x: 3 attempts have failed, the last with exit code 1 (backoffLimit 6)"
    );
    let failed = json!({"failed": 7, "conditions": [{"type": "Failed", "status": "True",
        "reason": "BackoffLimitExceeded", "message": "Job has reached the specified backoff limit"}]});
    put(&mut snapshot, &job(&failed));
    let (cause, _) = verdict_with(&mut judge, &snapshot, 61);
    assert_eq!((cause.failure, cause.exit_code), (FailureType::JobFailed, Some(1)));
    assert_eq!((cause.pod.as_deref(), cause.container.as_deref()), (Some("migrate-x"), Some("web")));
}

#[test]
fn a_crash_loop_is_not_due_while_a_job_of_the_release_runs() {
    for crash in ["crash_loop", "liveness_kill", "sidecar_crashing"] {
        let running = beside(crash, &json!({"active": 1}));
        let mut judge = Judge::new(&WAIT());
        for second in 30..299 {
            assert_waits(&mut judge, &running, second);
        }
        let (cause, _) = verdict_with(&mut judge, &running, 299);
        assert!(cause.message.contains("Job/migrate: 0 of 1 completions"), "{}", cause.message);
        assert!(cause.message.contains("restarted"), "the crash is told as well: {}", cause.message);
    }
}

#[test]
fn an_instance_from_before_the_end_of_the_job_does_not_count() {
    // The last instance began at 09:00:19.
    let before = beside("crash_loop", &done_at("2026-11-24T09:00:25Z"));
    let mut judge = Judge::new(&WAIT());
    for second in 30..299 {
        assert_waits(&mut judge, &before, second);
    }
    let (cause, _) = verdict_with(&mut judge, &before, 299);
    assert_eq!((cause.failure, cause.exit_code), (FailureType::CrashLoop, Some(1)), "at the deadline it is the cause");
    let after = beside("crash_loop", &done_at("2026-11-24T09:00:10Z"));
    assert_eq!(verdict_with(&mut Judge::new(&WAIT()), &after, 30).1, 0);
}

#[test]
fn other_causes_are_due_while_a_job_runs() {
    for (name, within) in [("image_not_found", 2), ("command_missing", 2), ("out_of_memory", 0), ("secret_missing", 10)]
    {
        let (_, second) = verdict_with(&mut Judge::new(&WAIT()), &beside(name, &json!({"active": 1})), 30);
        assert_eq!(second, within, "{name}");
    }
}

#[test]
fn a_job_with_the_default_backoff_limit_is_blamed_at_the_deadline() {
    let tries = case("job_tries_again");
    let (cause, second) = verdict_with(&mut Judge::new(&fixtures::wait_of(&tries)), &fixtures::snapshot_of(&tries), 30);
    assert_eq!((cause.failure, second), (FailureType::JobFailed, 270));
    assert_eq!((cause.exit_code, cause.container.as_deref(), cause.log), (Some(3), Some("migrate"), Log::Current));
    assert_eq!(cause.pod.as_deref(), Some("migrate-2"), "the newest attempt");
}
