//! Waits in which an API server does not answer, or answers over other connections only.

use berth_workflows::contract::timings::Timings;

use super::*;

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Runs a wait whose deadline is after so many seconds, and meanwhile something else. Returns the outcome and when it came.
async fn run_until(server: &FakeApiServer, deadline: u64, then: impl Future<Output = ()>) -> (Outcome, Duration) {
    let clock = Clock::start();
    let timings = Timings { rollout_seconds: deadline, ..Timings::default() };
    let wait = AwaitInput { deadline_ms: clock.at(seconds(deadline)), timings, ..wait() };
    let context = TestContext::new(server.client());
    let waiting = async {
        let outcome = await_rollout(context.context(), wait).await.unwrap();
        (outcome, clock.elapsed())
    };
    tokio::join!(waiting, then).0
}

async fn after(time: u64, then: impl FnOnce()) {
    tokio::time::sleep(seconds(time)).await;
    then();
}

/// Breaks every connection silently. New ones work.
fn break_connections(server: &FakeApiServer) {
    server.stall();
    server.recover();
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_silent_at_the_deadline_is_no_verdict() {
    let server = server_in("not_ready");
    let (outcome, at) = run_until(&server, 100, after(90, || server.stall())).await;
    let reason = unobserved(outcome);
    assert!(
        reason.contains("the Kubernetes API did not answer") && reason.contains("no answer within 15 s"),
        "{reason}"
    );
    // The lists that the deadline asked for did not come for 30 s.
    assert!((129..=131).contains(&at.as_secs()), "{at:?}");
}

#[tokio::test(start_paused = true)]
async fn a_gap_at_the_deadline_extends_it_by_its_own_time() {
    let server = server_in("not_ready");
    let gap = async {
        after(90, || server.stall()).await;
        after(20, || server.recover()).await;
    };
    let (outcome, at) = run_until(&server, 100, gap).await;
    let Outcome::Failed { verdict } = outcome else { panic!("should have failed") };
    assert_eq!(verdict.failure, FailureType::NotReady);
    // The request of second 100 ends at 115. The deadline is shorter than three minutes, so its own time is added.
    assert!((215..=217).contains(&at.as_secs()), "{at:?}");
}

#[tokio::test(start_paused = true)]
async fn a_release_that_became_ready_in_a_gap_is_complete() {
    let server = server_in("not_ready");
    let gap = async {
        after(90, || server.stall()).await;
        put_deployment(&server, rolled_out());
        after(20, || server.recover()).await;
    };
    let (outcome, at) = run_until(&server, 100, gap).await;
    assert_eq!((outcome, at.as_secs()), (Outcome::Complete, 115));
}

#[tokio::test(start_paused = true)]
async fn a_watch_over_a_broken_connection_is_opened_again_within_a_minute() {
    let server = server_in("creating");
    let broken = after(5, || {
        break_connections(&server);
        put_deployment(&server, rolled_out());
    });
    let (outcome, at) = run_until(&server, 300, broken).await;
    assert_eq!(outcome, Outcome::Complete);
    assert!(at <= seconds(66), "{at:?}");
}

#[tokio::test(start_paused = true)]
async fn a_verdict_is_not_given_on_lists_of_a_broken_connection() {
    let server = server_in("creating");
    let broken = after(5, || {
        break_connections(&server);
        put_deployment(&server, rolled_out());
    });
    let (outcome, at) = run_until(&server, 30, broken).await;
    assert_eq!((outcome, at.as_secs()), (Outcome::Complete, 30));
}

#[tokio::test(start_paused = true)]
async fn a_crash_behind_a_broken_connection_is_seen_before_the_release_is_done() {
    let server = FakeApiServer::default();
    put_deployment(&server, rolled_out());
    server.put(REPLICA_SETS, &replica_set("web-5d8f", "2", &Value::Null));
    let now = || k8s_openapi::jiff::Timestamp::now().to_string();
    let put = |restarts: u32, state: Value| {
        let status = json!({"containerStatuses": [{"name": "web", "image": "", "imageID": "", "ready": true,
            "restartCount": restarts, "state": state}]});
        let mut pod = pod("web-5d8f-abcde", "pod-uid", "web-5d8f", &status);
        pod["spec"] = json!({"containers": [{"name": "web"}]});
        server.put(PODS, &pod);
    };
    put(0, json!({"running": {"startedAt": now()}}));
    let crash = async {
        after(2, || {
            break_connections(&server);
            put(0, json!({"terminated": {"exitCode": 1}}));
        })
        .await;
        after(18, || put(1, json!({"running": {"startedAt": now()}}))).await;
    };
    let (outcome, at) = run_until(&server, 300, crash).await;
    assert_eq!(outcome, Outcome::Complete);
    assert!(at >= seconds(20), "not after the first five seconds: {at:?}");
}

#[tokio::test(start_paused = true)]
async fn a_short_absence_moves_no_deadline() {
    let server = server_in("not_ready");
    let restart = async {
        after(96, || {
            server.answer(PODS, 503, status_object(503, "starting"));
            server.end_watches();
        })
        .await;
        after(1, || server.forget_answer(PODS)).await;
    };
    let (outcome, at) = run_until(&server, 100, restart).await;
    assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}");
    assert!(at <= seconds(103), "{at:?}");
}

#[tokio::test(start_paused = true)]
async fn a_repeated_wait_looks_for_minutes_and_waits_longer_for_an_answer() {
    let server = server_in("not_ready");
    server.stall();
    let clock = Clock::start();
    let wait = AwaitInput { deadline_ms: clock.now_ms() - 1000, ..wait() }.again(clock.now_ms());
    let context = TestContext::new(server.client());
    let waiting = async {
        let outcome = await_rollout(context.context(), wait).await.unwrap();
        (outcome, clock.elapsed())
    };
    let ((outcome, at), ()) = tokio::join!(waiting, after(300, || server.recover()));
    assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}");
    assert!((480..=500).contains(&at.as_secs()), "three minutes after the server was back: {at:?}");
}

/// Runs a wait of an attempt that follows one which saw the release for the last time this many seconds ago.
async fn run_after(server: &FakeApiServer, ago: u64) -> (Outcome, TestContext) {
    let context = TestContext::seen_before(server.client(), seconds(ago));
    let outcome = await_rollout(context.context(), wait()).await.unwrap();
    (outcome, context)
}

#[tokio::test(start_paused = true)]
async fn a_wait_long_after_the_attempt_before_has_not_observed() {
    let server = server_in("not_ready");
    let (outcome, context) = run_after(&server, 900).await;
    let Outcome::NotObserved { reason, since_ms } = outcome else { panic!("{outcome:?}") };
    assert_eq!(
        (reason.as_str(), Some(since_ms)),
        ("no worker looked at it", context.context().progress.unseen_since_ms())
    );
    assert!(server.requests().is_empty(), "{:?}", server.requests());
}

#[tokio::test(start_paused = true)]
async fn a_wait_soon_after_the_attempt_before_goes_on() {
    let server = FakeApiServer::default();
    put_deployment(&server, rolled_out());
    let (outcome, context) = run_after(&server, 20).await;
    assert_eq!((outcome, context.context().progress.unseen_since_ms()), (Outcome::Complete, None));
}

#[tokio::test(start_paused = true)]
async fn a_gap_begins_when_the_attempt_before_last_saw_something() {
    let server = server_in("not_ready");
    server.stall();
    let now_ms = Clock::start().now_ms();
    let (outcome, _) = run_after(&server, 20).await;
    let Outcome::NotObserved { since_ms, .. } = outcome else { panic!("{outcome:?}") };
    assert!((19..=21).contains(&((now_ms - since_ms) / 1000)), "{since_ms} {now_ms}");
}
