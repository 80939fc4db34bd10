//! Workloads that another rollout writes during the wait.

use super::*;

/// Puts the Deployment as rollout `id` has written it.
fn put_as(server: &FakeApiServer, id: &str, status: Value) {
    let mut deployment = deployment(status);
    deployment["metadata"]["labels"] = json!({"berth.dev/deploy-id": id});
    server.put(DEPLOYMENTS, &deployment);
}

async fn run_as(server: &FakeApiServer, deploy_id: u64) -> Outcome {
    let wait = AwaitInput { deploy_id, ..wait() };
    await_rollout(TestContext::new(server.client()).context(), wait).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_ready_workload_of_a_newer_rollout_is_not_this_releases() {
    for status in [rolled_out(), rolling()] {
        let server = FakeApiServer::default();
        put_as(&server, "6", status);
        let Outcome::Failed { verdict } = run_as(&server, 5).await else { panic!("should be overtaken") };
        assert_eq!((verdict.failure, verdict.met_deploy_id), (FailureType::Overtaken, Some(6)));
        assert!(verdict.message.starts_with("Deployment/web carries"), "{}", verdict.message);
    }
}

#[tokio::test(start_paused = true)]
async fn a_ready_workload_of_an_older_rollout_is_waited_for() {
    let server = FakeApiServer::default();
    put_as(&server, "4", rolled_out());
    let clock = Clock::start();
    let later = async {
        tokio::time::sleep(Duration::from_secs(7)).await;
        put_as(&server, "5", rolled_out());
    };
    let (outcome, ()) = tokio::join!(run_as(&server, 5), later);
    assert_eq!((outcome, clock.elapsed()), (Outcome::Complete, Duration::from_secs(7)));
}

#[tokio::test(start_paused = true)]
async fn a_broken_workload_of_an_older_rollout_is_not_blamed_on_this_one() {
    let server = server_in("crash_loop");
    put_as(&server, "4", rolling());
    let Outcome::Failed { verdict } = run_as(&server, 5).await else { panic!("should have failed") };
    assert_eq!(verdict.failure, FailureType::NotReady, "not CrashLoop");
    assert!(verdict.message.starts_with(crate::rollout::fenced::OLDER), "{}", verdict.message);
}

#[tokio::test(start_paused = true)]
async fn a_workload_without_a_deploy_id_is_judged_as_it_is() {
    for (id, awaited) in [("", 5), ("not-a-number", 5), ("4", 0), ("9", 0)] {
        let server = FakeApiServer::default();
        put_as(&server, id, rolled_out());
        assert_eq!(run_as(&server, awaited).await, Outcome::Complete, "{id:?}");
    }
}
