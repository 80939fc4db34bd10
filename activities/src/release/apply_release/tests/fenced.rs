//! Two rollouts that write to one environment.

use std::time::Duration;

use tokio::time::Instant;

use super::*;

/// A cluster in which an object carries this deploy id.
async fn cluster_carrying(serving: &StoredRelease, id: Option<&str>) -> FakeApiServer {
    let cluster = cluster_with(serving).await;
    let mut web = cluster.get(&format!("{CONFIGS}/web")).unwrap();
    let marks = web["metadata"]["labels"].as_object_mut().unwrap();
    marks.remove(labels::DEPLOY_ID);
    marks.extend(id.map(|id| (labels::DEPLOY_ID.to_owned(), json!(id))));
    cluster.put(CONFIGS, &web);
    cluster
}

#[tokio::test]
async fn object_with_a_lower_or_no_deploy_id_is_applied() {
    let serving = release("a", app("v1"));
    for id in [Some("4"), Some("5"), None, Some("not-a-number"), Some("4000000000")] {
        let cluster = cluster_carrying(&serving, id).await;
        Apply::first(&cluster, 5).over(&serving).run(&release("b", app("v2"))).await.unwrap();
        let web = cluster.get(&format!("{CONFIGS}/web")).unwrap();
        assert_eq!(web["metadata"]["labels"][labels::DEPLOY_ID], "5", "{id:?}");
    }
}

#[tokio::test]
async fn object_with_a_higher_deploy_id_refuses_the_whole_apply() {
    let serving = release("a", app("v1"));
    let cluster = cluster_carrying(&serving, Some("6")).await;
    let (before, writes) = (contents(&cluster), cluster.writes().len());
    let verdict = Apply::first(&cluster, 5).over(&serving).verdict(&release("b", app("v2"))).await;
    assert_eq!((verdict.failure, verdict.met_deploy_id), (FailureType::Overtaken, Some(6)));
    assert!(verdict.message.contains("ConfigMap/web carries the deploy id 6"), "{}", verdict.message);
    assert_eq!(verdict.mixed, [""; 0], "it has written nothing");
    assert_eq!((contents(&cluster), cluster.writes().len()), (before, writes));
    // The rollout goes on if it is the newest that its environment knows.
    Apply::first(&cluster, 7).over(&serving).run(&release("b", app("v2"))).await.unwrap();
}

#[tokio::test]
async fn set_with_a_higher_deploy_id_refuses_an_apply_of_new_objects() {
    let serving = release("a", vec![config("other", "1")]);
    let cluster = FakeApiServer::default();
    Apply::first(&cluster, 6).run(&serving).await.unwrap();
    let verdict = Apply::first(&cluster, 5).run(&release("b", app("v2"))).await;
    let Err(Failure::Permanent(verdict)) = verdict else { panic!("should be overtaken: {verdict:?}") };
    assert_eq!((verdict.failure, verdict.met_deploy_id), (FailureType::Overtaken, Some(6)));
    assert_eq!(cluster.get(&format!("{DEPLOYMENTS}/web")), None);
}

#[tokio::test]
async fn newer_rollout_that_writes_meanwhile_is_not_overwritten() {
    let serving = release("a", app("v1"));
    let cluster = cluster_with(&serving).await;
    let mut newer = cluster.get(&format!("{DEPLOYMENTS}/web")).unwrap();
    newer["metadata"]["labels"][labels::DEPLOY_ID] = json!("9");
    newer["spec"]["image"] = json!("newer");
    cluster.put_before(&format!("PATCH {DEPLOYMENTS}/web"), DEPLOYMENTS, &newer);
    let next = release("b", vec![config("web", "changed"), service(), deployment("v2"), ingress()]);
    let verdict = Apply::first(&cluster, 5).over(&serving).verdict(&next).await;
    assert_eq!((verdict.failure, verdict.met_deploy_id), (FailureType::Overtaken, Some(9)));
    let web = cluster.get(&format!("{DEPLOYMENTS}/web")).unwrap();
    assert_eq!(web["spec"]["image"], "newer");
    assert_eq!(verdict.mixed, ["ConfigMap/web"], "changed before it was overtaken");
    // Another attempt writes nothing, and says the same.
    let again = Apply::first(&cluster, 5).over(&serving).verdict(&next).await;
    assert_eq!((again.failure, again.mixed), (FailureType::Overtaken, verdict.mixed));
}

#[tokio::test]
async fn newer_rollout_that_creates_meanwhile_is_not_overwritten() {
    let cluster = FakeApiServer::default();
    let mut newer = deployment("newer");
    newer["metadata"]["labels"] = json!({labels::DEPLOY_ID: "9"});
    cluster.put_before(&format!("PATCH {DEPLOYMENTS}/web"), DEPLOYMENTS, &newer);
    let verdict = Apply::first(&cluster, 5).verdict(&release("b", app("v2"))).await;
    assert_eq!((verdict.failure, verdict.met_deploy_id), (FailureType::Overtaken, Some(9)));
    let web = cluster.get(&format!("{DEPLOYMENTS}/web")).unwrap();
    assert_eq!(web["spec"]["image"], "newer");
}

#[tokio::test]
async fn controller_that_writes_meanwhile_only_repeats_the_apply() {
    let serving = release("a", app("v1"));
    let cluster = cluster_with(&serving).await;
    let mut scaled = cluster.get(&format!("{DEPLOYMENTS}/web")).unwrap();
    scaled["status"] = json!({"replicas": 2});
    cluster.put_before(&format!("PATCH {DEPLOYMENTS}/web"), DEPLOYMENTS, &scaled);
    let applied = Apply::first(&cluster, 5).over(&serving).run(&release("b", app("v2"))).await.unwrap();
    assert_eq!(applied.plan.changed, ["Deployment/web"]);
    let web = cluster.get(&format!("{DEPLOYMENTS}/web")).unwrap();
    assert_eq!((&web["spec"]["image"], &web["status"]["replicas"]), (&json!("v2"), &json!(2)));
}

#[tokio::test(start_paused = true)]
async fn conflicts_of_some_seconds_only_repeat_the_apply() {
    let serving = release("a", app("v1"));
    let cluster = cluster_with(&serving).await;
    cluster.refuse_times(&format!("PATCH {DEPLOYMENTS}/web"), 409, 9);
    let begun = Instant::now();
    let applied = Apply::first(&cluster, 5).over(&serving).run(&release("b", app("v2"))).await.unwrap();
    assert_eq!(applied.plan.changed, ["Deployment/web"]);
    assert!(begun.elapsed() >= Duration::from_secs(4), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn endless_conflict_is_a_failure_that_may_pass() {
    let serving = release("a", app("v1"));
    let cluster = cluster_with(&serving).await;
    cluster.refuse(&format!("PATCH {DEPLOYMENTS}/web"), 409);
    let result = Apply::first(&cluster, 5).over(&serving).run(&release("b", app("v2"))).await;
    assert!(
        matches!(&result, Err(Failure::Transient { message, .. }) if message.contains("Deployment/web")),
        "{result:?}"
    );
}
