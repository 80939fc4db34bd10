//! Gates while the API server does not answer, or answers over other connections only.

use super::*;

async fn after(seconds: u64, then: impl FnOnce()) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    then();
}

/// Checks the gates, and does something else meanwhile. Returns the result and the second in which it came.
async fn checked_while(
    server: &FakeApiServer,
    gates: &[Gate],
    stability: u64,
    then: impl Future<Output = ()>,
) -> (GatesChecked, u64) {
    let begun = Instant::now();
    let checking = async {
        let checked = checked(server, gates, stability).await.unwrap();
        (checked, begun.elapsed().as_secs())
    };
    tokio::join!(checking, then).0
}

/// Breaks every connection silently. New ones work.
fn break_connections(server: &FakeApiServer) {
    server.stall();
    server.recover();
}

fn restarted(server: &FakeApiServer) {
    let mut status = case("ready")["pod"].clone();
    status["containerStatuses"][0]["restartCount"] = json!(1);
    status["containerStatuses"][0]["lastState"] = json!({"terminated": {"exitCode": 2}});
    put_pod(server, &status);
}

#[tokio::test(start_paused = true)]
async fn port_forwards_that_do_not_open_are_no_verdict() {
    let server = live();
    server.stall_requests("/portforward");
    let (checked, second) = checked_while(&server, &[gate()], 0, async {}).await;
    let reason = unobserved(checked);
    assert!(
        reason.starts_with("GET / on port 8080 of web: the port-forward to pod web-5d8f-abcde was not open"),
        "{reason}"
    );
    assert!((30..=45).contains(&second), "the gate's own deadline is 10 s: {second}");
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_does_not_answer_after_a_gap_is_a_verdict() {
    let server = live();
    server.stall_requests("/portforward");
    server.answer(&format!("{POD}/portforward"), 500, "no");
    let (checked, second) = checked_while(&server, &[gate()], 0, after(12, || server.recover())).await;
    assert_eq!(verdict(checked).failure, FailureType::GateFailed);
    assert!((20..=27).contains(&second), "its whole deadline begins after the gap: {second}");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_the_api_server_cannot_reach_is_no_verdict() {
    let server = live();
    let message = "error dialing backend: dial tcp 10.0.0.7:10250: connect: no route to host";
    server.answer(&format!("{POD}/portforward"), 500, status_object(500, message));
    let reason = unobserved(checked(&server, &[gate()], 0).await.unwrap());
    assert!(reason.contains("no route to host"), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn endpoints_of_a_silent_server_are_not_judged() {
    let server = live();
    put_endpoints(&server, false);
    let (checked, second) = checked_while(&server, &[], 0, after(30, || server.stall())).await;
    let reason = unobserved(checked);
    assert!(reason.contains("the Kubernetes API did not answer"), "{reason}");
    assert_eq!(second, 90, "30 s after the gate's deadline");
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_fails_just_after_a_gap_is_not_judged() {
    let server = live();
    put_endpoints(&server, false);
    let gap = async {
        after(50, || server.stall()).await;
        after(20, || server.recover()).await;
    };
    let (checked, second) = checked_while(&server, &[], 0, gap).await;
    let reason = unobserved(checked);
    assert!(reason.starts_with("gate endpoints: ") && reason.contains("no answer within 15 s"), "{reason}");
    assert_eq!(second, 75);
}

#[tokio::test(start_paused = true)]
async fn endpoints_behind_a_broken_connection_are_seen_before_the_verdict() {
    let server = live();
    put_endpoints(&server, false);
    let broken = after(5, || {
        break_connections(&server);
        put_endpoints(&server, true);
    });
    let (checked, second) = checked_while(&server, &[], 0, broken).await;
    assert_eq!((checked.outcome, second), (Outcome::Complete, 60));
}

#[tokio::test(start_paused = true)]
async fn a_gate_whose_pods_changed_behind_a_broken_connection_is_not_judged() {
    let server = live();
    server.answer(&format!("{POD}/portforward"), 404, status_object(404, "pods \"web-5d8f-abcde\" not found"));
    let broken = after(5, || {
        break_connections(&server);
        server.remove(POD);
    });
    let (checked, _) = checked_while(&server, &[gate()], 0, broken).await;
    let reason = unobserved(checked);
    assert!(reason.contains("the watches were behind"), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn a_restart_behind_a_broken_connection_fails_the_stability_window() {
    let server = live();
    let broken = after(4, || {
        break_connections(&server);
        restarted(&server);
    });
    let (checked, second) = checked_while(&server, &[], 10, broken).await;
    let verdict = verdict(checked);
    assert!(verdict.message.starts_with("gate stability: container web of pod"), "{}", verdict.message);
    assert_eq!(second, 10);
}

#[tokio::test(start_paused = true)]
async fn a_gap_moves_the_end_of_the_stability_window() {
    let server = live();
    let gap = async {
        after(4, || server.stall()).await;
        after(16, || server.recover()).await;
    };
    let (checked, second) = checked_while(&server, &[], 10, gap).await;
    assert_eq!(checked.outcome, Outcome::Complete);
    // The lists that its end asked for came at 25 s.
    assert_eq!(second, 35);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_judged_before_the_namespace_is_listed() {
    let server = live();
    server.stall();
    let (checked, second) = checked_while(&server, &[], 0, after(10, || server.recover())).await;
    assert_eq!((checked.outcome, checked.gates[0].ms), (Outcome::Complete, 0));
    assert!((10..=17).contains(&second), "{second}");
}

#[tokio::test(start_paused = true)]
async fn gates_long_after_the_attempt_before_are_not_checked() {
    let server = live();
    let context = TestContext::seen_before(server.client(), Duration::from_secs(900));
    let result = check(context.context(), input(), &release(&[gate()])).await.unwrap();
    assert_eq!(unobserved(result), "no worker looked at it");
    assert!(server.requests().is_empty(), "{:?}", server.requests());
}
