//! The wait against a fake API server.

mod fenced;
mod gaps;
mod late;
mod replaced;

use berth_workflows::contract::verdict::FailureType;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::*;
use crate::{
    context::TestContext,
    fake_api_server::{FakeApiServer, status_object},
    rollout::fixtures::{self, case, deployment, pod, replica_set, rolled_out, rolling},
};

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/pr-1/deployments";
const REPLICA_SETS: &str = "/apis/apps/v1/namespaces/pr-1/replicasets";
const PODS: &str = "/api/v1/namespaces/pr-1/pods";
const EVENTS: &str = "/api/v1/namespaces/pr-1/events";
const JOBS: &str = "/apis/batch/v1/namespaces/pr-1/jobs";
const SECRETS: &str = "/api/v1/namespaces/pr-1/secrets";

/// A wait that begins now.
fn wait() -> AwaitInput {
    AwaitInput { deadline_ms: Clock::start().now_ms() + 300_000, ..fixtures::wait() }
}

fn put_deployment(server: &FakeApiServer, status: Value) {
    server.put(DEPLOYMENTS, &deployment(status));
}

fn put_pod(server: &FakeApiServer, case: &Value) {
    server.put(REPLICA_SETS, &replica_set("web-5d8f", "2", &case["replicaSetStatus"]));
    if !case["pod"].is_null() {
        server.put(PODS, &pod("web-5d8f-abcde", "pod-uid", "web-5d8f", &case["pod"]));
    }
    for event in case["events"].as_array().into_iter().flatten() {
        server.put(EVENTS, event);
    }
}

/// The namespace in the state of a case, with one secret value.
fn server_in(name: &str) -> FakeApiServer {
    let server = FakeApiServer::default();
    put_deployment(&server, rolling());
    put_pod(&server, &case(name));
    let secret = json!({"metadata": {"name": "web-secrets-1"}, "data": {"DATABASE_PASSWORD": "Y29ycmVjdC1ob3JzZQ=="}});
    server.put(SECRETS, &secret);
    server
}

async fn run(server: &FakeApiServer) -> Outcome {
    await_rollout(TestContext::new(server.client()).context(), wait()).await.unwrap()
}

/// Why nothing was seen of the release.
fn unobserved(outcome: Outcome) -> String {
    match outcome {
        Outcome::NotObserved { reason, .. } => reason,
        other => panic!("should not have been observed: {other:?}"),
    }
}

async fn verdict(server: &FakeApiServer) -> berth_workflows::contract::verdict::Verdict {
    match run(server).await {
        Outcome::Failed { verdict } => verdict,
        other => panic!("should have failed: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_serving_release_is_done_at_once_with_three_watches() {
    let server = FakeApiServer::default();
    put_deployment(&server, rolled_out());
    let clock = Clock::start();
    assert_eq!(run(&server).await, Outcome::Complete);
    assert_eq!(clock.elapsed(), Duration::ZERO);
    let requests = server.requests_with_queries();
    assert!(requests.len() <= 3 && requests.iter().all(|request| request.contains("watch=true")), "{requests:?}");
}

#[tokio::test(start_paused = true)]
async fn a_release_is_done_as_soon_as_its_status_is() {
    let server = server_in("creating");
    let clock = Clock::start();
    let later = async {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        put_deployment(&server, rolled_out());
    };
    let (outcome, ()) = tokio::join!(run(&server), later);
    assert_eq!((outcome, clock.elapsed()), (Outcome::Complete, Duration::from_millis(1500)));
    assert!(!server.requests().iter().any(|request| request.contains(EVENTS)), "events were not needed");
}

#[tokio::test(start_paused = true)]
async fn a_missing_image_is_the_same_verdict_on_every_run() {
    let server = server_in("image_not_found");
    let clock = Clock::start();
    let first = verdict(&server).await;
    assert!(clock.elapsed() <= Duration::from_secs(3), "{:?}", clock.elapsed());
    assert_eq!(first.failure, FailureType::ImageUnavailable);
    assert_eq!((first.workload.as_deref(), first.container.as_deref()), (Some("Deployment/web"), Some("web")));
    assert!(first.message.contains("not found") && first.advice.contains("digest"), "{first:?}");
    assert_eq!(verdict(&server).await, first);
    assert!(server.requests().iter().all(|request| request.starts_with("GET ")), "a wait only reads");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_timed_out_adds_advice_about_networks() {
    let server = server_in("liveness_kill");
    server.answer(&format!("{PODS}/web-5d8f-abcde/log"), 200, "dial tcp 10.20.0.5:5432: i/o timeout\n");
    let verdict = verdict(&server).await;
    assert!(verdict.advice.contains("`isolation.egress_allow`"), "{}", verdict.advice);
    assert!(verdict.advice.ends_with("run the image locally."), "{}", verdict.advice);
}

#[tokio::test(start_paused = true)]
async fn a_crash_loops_verdict_has_the_redacted_log_of_the_crash() {
    let server = server_in("liveness_kill");
    server.answer(
        &format!("{PODS}/web-5d8f-abcde/log"),
        200,
        "connecting with correct-horse\nAuthorization: Basic YTpjb3JyZWN0LWhvcnNl\nbye\n",
    );
    let verdict = verdict(&server).await;
    assert_eq!((verdict.failure, verdict.exit_code), (FailureType::CrashLoop, Some(137)));
    assert_eq!(verdict.log_tail, ["connecting with ***", "Authorization: Basic YTp***", "bye"]);
    assert!(verdict.events.iter().any(|event| event.contains("Liveness probe failed") && event.contains("9 times")));
    assert!(
        server
            .requests_with_queries()
            .iter()
            .any(|request| request.contains("/log?") && request.contains("previous=true"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_verdict_shows_no_output_if_its_secrets_cannot_be_read() {
    let server = server_in("crash_loop");
    server.answer(&format!("{PODS}/web-5d8f-abcde/log"), 200, "correct-horse");
    server.answer(&format!("{SECRETS}/web-secrets-1"), 403, status_object(403, "no"));
    let verdict = verdict(&server).await;
    assert_eq!((verdict.failure, verdict.exit_code), (FailureType::CrashLoop, Some(1)));
    assert!(
        verdict.log_tail.is_empty() && verdict.events.is_empty() && verdict.message.contains("details are omitted")
    );
}

#[tokio::test(start_paused = true)]
async fn a_missing_secret_of_a_volume_is_found_in_events() {
    let server = server_in("secret_volume_missing");
    let clock = Clock::start();
    let verdict = verdict(&server).await;
    assert_eq!(verdict.failure, FailureType::ConfigMissing);
    assert!(clock.elapsed() <= Duration::from_secs(11), "{:?}", clock.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_the_condition_hides_is_found_in_events() {
    let server = server_in("creating");
    let mut hidden = case("condition_of_a_first_refusal");
    hidden["replicaSetStatus"]["conditions"][0]["lastTransitionTime"] = json!("2100-01-01T00:00:00Z");
    hidden["events"][0]["lastTimestamp"] = json!("2100-01-01T00:00:00Z");
    server.remove(&format!("{PODS}/web-5d8f-abcde"));
    put_pod(&server, &hidden);
    let clock = Clock::start();
    let verdict = verdict(&server).await;
    assert_eq!(verdict.failure, FailureType::PolicyDenied, "not QuotaExceeded");
    assert!(clock.elapsed() <= Duration::from_secs(5), "{:?}", clock.elapsed());
}

#[tokio::test(start_paused = true)]
async fn watches_survive_restarts_and_servers_without_streaming_lists() {
    let server = server_in("creating").without_streaming_lists();
    let later = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        server.answer(DEPLOYMENTS, 503, status_object(503, "starting"));
        server.end_watches();
        tokio::time::sleep(Duration::from_secs(5)).await;
        put_deployment(&server, rolled_out());
        server.forget_answer(DEPLOYMENTS);
        Instant::now()
    };
    let ((outcome, done), up) = tokio::join!(async { (run(&server).await, Instant::now()) }, later);
    assert_eq!(outcome, Outcome::Complete);
    assert!(done.saturating_duration_since(up) <= Duration::from_millis(2_100), "as soon as the server is back");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_retried_and_not_observed_after_half_a_minute() {
    let server = server_in("ready");
    server.answer(PODS, 403, status_object(403, "pods is forbidden: User \"berth\" cannot watch"));
    let clock = Clock::start();
    let reason = unobserved(run(&server).await);
    assert!(reason.contains("watching pods in namespace pr-1: pods is forbidden"), "{reason}");
    assert!((30..=33).contains(&clock.elapsed().as_secs()));
}

#[tokio::test(start_paused = true)]
async fn a_wait_resumed_after_its_deadline_sees_a_serving_release() {
    let server = FakeApiServer::default();
    put_deployment(&server, rolled_out());
    let wait = AwaitInput { deadline_ms: Clock::start().now_ms() - 1, ..wait() };
    let outcome = await_rollout(TestContext::new(server.client()).context(), wait).await.unwrap();
    assert_eq!(outcome, Outcome::Complete);
}

#[tokio::test(start_paused = true)]
async fn a_wait_resumed_after_its_deadline_looks_for_three_minutes() {
    let server = server_in("not_ready");
    let wait = AwaitInput { deadline_ms: Clock::start().now_ms() - 1, ..wait() };
    let clock = Clock::start();
    let outcome = await_rollout(TestContext::new(server.client()).context(), wait).await.unwrap();
    let Outcome::Failed { verdict } = outcome else { panic!("should have failed") };
    assert_eq!(verdict.failure, FailureType::NotReady);
    assert!((180..=183).contains(&clock.elapsed().as_secs()), "{:?}", clock.elapsed());
}

/// Runs the wait for a release that serves and whose Job does not exist.
async fn run_without_its_job(server: &FakeApiServer) -> Outcome {
    put_deployment(server, rolled_out());
    let mut wait = wait();
    wait.workloads.push(fixtures::workload("Job", "migrate", 1));
    await_rollout(TestContext::new(server.client()).context(), wait).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_job_cleaned_up_before_the_first_look_is_judged_by_its_events() {
    let event = |reason: &str| {
        json!({"metadata": {"name": "migrate.1"}, "reason": reason, "message": "words", "involvedObject": {"name": "migrate"},
            "lastTimestamp": "2026-11-24T09:00:03Z"})
    };
    let server = FakeApiServer::default();
    server.put(EVENTS, &event("Completed"));
    let clock = Clock::start();
    assert_eq!(run_without_its_job(&server).await, Outcome::Complete);
    assert_eq!(clock.elapsed(), Duration::ZERO);

    server.put(EVENTS, &event("BackoffLimitExceeded"));
    let Outcome::Failed { verdict } = run_without_its_job(&server).await else { panic!("should have failed") };
    assert_eq!(verdict.failure, FailureType::JobFailed);
}

#[tokio::test(start_paused = true)]
async fn a_job_without_events_is_missing_unless_the_server_has_it() {
    let server = FakeApiServer::default();
    server.put(SECRETS, &json!({"metadata": {"name": "web-secrets-1"}}));
    let Outcome::Failed { verdict } = run_without_its_job(&server).await else { panic!("should have failed") };
    assert_eq!((verdict.failure, verdict.message.as_str()), (FailureType::NotReady, "does not exist"));

    let mut job = json!({"metadata": {"name": "migrate"}, "status": {"active": 1}});
    server.answer(&format!("{JOBS}/migrate"), 200, &job);
    let later = async {
        tokio::time::sleep(Duration::from_secs(7)).await;
        job["status"] = json!({"conditions": [{"type": "Complete", "status": "True"}]});
        server.put(JOBS, &job);
    };
    let clock = Clock::start();
    let (outcome, ()) = tokio::join!(run_without_its_job(&server), later);
    assert_eq!((outcome, clock.elapsed()), (Outcome::Complete, Duration::from_secs(7)));
}
