//! Pods of an earlier revision that the wait replaces, and revisions that it marks.

use berth_workflows::contract::environment::EnvironmentKind;

use super::*;

const SETS: &str = "/apis/apps/v1/namespaces/pr-1/statefulsets";
const POD: &str = "/api/v1/namespaces/pr-1/pods/db-0";

fn wait_for_set() -> AwaitInput {
    AwaitInput { workloads: vec![fixtures::workload("StatefulSet", "db", 2)], ..wait() }
}

/// A `StatefulSet` whose pod `db-0` of an earlier revision crashes.
fn server_with_old_pod() -> FakeApiServer {
    let server = FakeApiServer::default();
    let objects = case("stateful_set_waits_for_a_kept_pod")["objects"].clone();
    let mut set = objects[0].clone();
    set["spec"]["updateStrategy"] = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}});
    server.put(SETS, &set);
    server.put(PODS, &objects[1]);
    server.put(SECRETS, &json!({"metadata": {"name": "web-secrets-1"}}));
    server
}

fn set_done(server: &FakeApiServer) {
    let mut set = server.get(&format!("{SETS}/db")).unwrap();
    set["status"] = json!({"observedGeneration": 2, "replicas": 1, "readyReplicas": 1, "updatedReplicas": 1,
        "currentRevision": "db-2", "updateRevision": "db-2"});
    server.put(SETS, &set);
}

#[tokio::test(start_paused = true)]
async fn a_broken_pod_is_replaced_and_the_release_goes_live_with_a_note() {
    let server = server_with_old_pod();
    let context = TestContext::new(server.client());
    let controller = async {
        while server.get(POD).is_some() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        set_done(&server);
    };
    let (outcome, ()) = tokio::join!(await_rollout(context.context(), wait_for_set()), controller);
    assert_eq!(outcome.unwrap(), Outcome::Complete);
    assert_eq!(server.writes(), [format!("DELETE {POD}")]);
    let notes = context.context().progress.notes();
    assert!(notes.len() == 1 && notes[0].starts_with("pod db-0 of an earlier revision was replaced"), "{notes:?}");
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_changes_before_its_delete_is_judged_again() {
    let server = server_with_old_pod();
    let mut running = server.get(POD).unwrap();
    running["status"]["containerStatuses"][0]["state"] = json!({"running": {"startedAt": "2026-11-24T09:00:50Z"}});
    server.put_before(&format!("DELETE {POD}"), PODS, &running);
    let Outcome::Failed { verdict } =
        await_rollout(TestContext::new(server.client()).context(), wait_for_set()).await.unwrap()
    else {
        panic!("should have failed")
    };
    assert_eq!(verdict.failure, FailureType::NotReady);
    assert!(verdict.advice.contains("kubectl delete pod db-0 -n pr-1"), "{}", verdict.advice);
    assert!(server.get(POD).is_some(), "its container runs now");
}

#[tokio::test(start_paused = true)]
async fn a_failed_rollout_of_production_marks_its_revision_once() {
    let server = server_with_old_pod();
    let mut pod = server.get(POD).unwrap();
    pod["metadata"]["labels"] = json!({"controller-revision-hash": "db-2"});
    server.put(PODS, &pod);
    let mut wait = wait_for_set();
    for (kind, marked) in
        [(EnvironmentKind::Preview { pr: 1 }, Value::Null), (EnvironmentKind::Production, json!("db-2"))]
    {
        wait.environment.kind = kind;
        for _ in 0..2 {
            let outcome = await_rollout(TestContext::new(server.client()).context(), wait.clone()).await.unwrap();
            assert!(matches!(outcome, Outcome::Failed { verdict } if verdict.failure == FailureType::CrashLoop));
        }
        let set = server.get(&format!("{SETS}/db")).unwrap();
        assert_eq!(set["metadata"]["annotations"]["berth.dev/failed-revisions"], marked);
    }
    assert_eq!(server.writes(), [format!("PATCH {SETS}/db")]);
}
