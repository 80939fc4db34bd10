//! A look at a release after its wait has failed.

use super::*;

async fn look(server: &FakeApiServer) -> (Outcome, Duration) {
    let clock = Clock::start();
    let wait = AwaitInput { deadline_ms: clock.now_ms() - 120_000, ..wait() }.late();
    let outcome = await_rollout(TestContext::new(server.client()).context(), wait).await.unwrap();
    (outcome, clock.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_release_that_serves_by_now_is_complete() {
    let server = FakeApiServer::default();
    put_deployment(&server, rolled_out());
    assert_eq!(look(&server).await, (Outcome::Complete, Duration::ZERO));
    assert!(server.writes().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_release_that_does_not_is_told_at_once_whatever_is_the_matter() {
    for case in ["not_ready", "crash_loop", "image_not_found", "creating"] {
        let server = server_in(case);
        let (outcome, elapsed) = look(&server).await;
        let Outcome::Failed { verdict } = outcome else { panic!("{case}: {outcome:?}") };
        assert_eq!((verdict.failure, elapsed), (FailureType::NotReady, Duration::ZERO), "{case}");
        let requests = server.requests();
        assert!(
            requests.iter().all(|request| request.starts_with("GET ") && !request.ends_with("/log")),
            "{requests:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_does_not_answer_says_nothing() {
    let server = server_in("not_ready");
    server.stall();
    unobserved(look(&server).await.0);
}
