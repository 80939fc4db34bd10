//! Jobs with a fixed name, in releases and rollbacks.

use super::*;

const JOBS: &str = "/apis/batch/v1/namespaces/pr-1/jobs";
const MIGRATE: &str = "/apis/batch/v1/namespaces/pr-1/jobs/migrate";

fn job(image: &str) -> Value {
    json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "migrate"},
        "spec": {"backoffLimit": 3, "template": {"image": image}}})
}

fn with_job(image: &str) -> Vec<Value> {
    vec![config("web", image), job(image)]
}

/// A cluster in which a release with a Job serves. The Job has this condition, or runs.
async fn cluster_with_job(serving: &StoredRelease, condition: Option<&str>) -> FakeApiServer {
    let cluster = cluster_with(serving).await;
    set_condition(&cluster, condition);
    cluster
}

fn set_condition(cluster: &FakeApiServer, condition: Option<&str>) {
    let conditions: Vec<_> = condition.iter().map(|type_| json!({"type": type_, "status": "True"})).collect();
    let mut job = cluster.get(MIGRATE).unwrap();
    job["status"] = json!({"conditions": conditions});
    cluster.put(JOBS, &job);
}

fn uid(cluster: &FakeApiServer) -> Value {
    cluster.get(MIGRATE).unwrap()["metadata"]["uid"].clone()
}

/// Removes the Job once it is marked, as the garbage collector does. Returns whether it was marked before `apply` ended.
async fn collecting<T>(cluster: &FakeApiServer, apply: impl Future<Output = T>) -> (T, bool) {
    let collector = async {
        while cluster.get(MIGRATE).is_none_or(|job| job["metadata"]["deletionTimestamp"].is_null()) {
            tokio::task::yield_now().await;
        }
        cluster.remove(MIGRATE);
        std::future::pending::<()>().await;
    };
    tokio::select! {
        result = apply => {
            let deleted = cluster.writes().contains(&format!("DELETE {MIGRATE}"));
            (result, deleted)
        }
        () = collector => unreachable!(),
    }
}

#[tokio::test]
async fn job_that_has_ended_is_replaced_if_it_failed_or_differs() {
    let serving = release("a", with_job("v1"));
    for (condition, image, replaced) in [
        ("Complete", "v1", false),
        ("SuccessCriteriaMet", "v1", false),
        ("Complete", "v2", true),
        ("Failed", "v1", true),
        ("Failed", "v2", true),
        ("FailureTarget", "v2", true),
    ] {
        let cluster = cluster_with_job(&serving, Some(condition)).await;
        let before = uid(&cluster);
        let (apply, next) = (Apply::first(&cluster, 2).over(&serving), release("b", with_job(image)));
        let (applied, deleted) = collecting(&cluster, apply.run(&next)).await;
        let applied = applied.unwrap();
        assert_eq!((deleted, uid(&cluster) != before), (replaced, replaced), "{condition}, {image}");
        assert_eq!(cluster.get(MIGRATE).unwrap()["spec"]["template"]["image"], image);
        assert_eq!(applied.plan.created.contains(&"Job/migrate".to_owned()), replaced);
        assert!(applied.workloads.iter().any(|workload| workload.name == "migrate"));
    }
}

#[tokio::test]
async fn running_job_is_left_alone_if_it_is_the_same() {
    let serving = release("a", with_job("v1"));
    let cluster = cluster_with_job(&serving, None).await;
    let before = uid(&cluster);
    let mut objects = vec![config("web", "v2"), job("v1")];
    objects[1]["spec"]["backoffLimit"] = json!(5);
    Apply::first(&cluster, 2).over(&serving).run(&release("b", objects)).await.unwrap();
    assert_eq!((uid(&cluster), &cluster.get(MIGRATE).unwrap()["spec"]["backoffLimit"]), (before, &json!(5)));
}

#[tokio::test]
async fn running_job_with_another_template_refuses_the_release() {
    let serving = release("a", with_job("v1"));
    for serves in [Some(&serving), None] {
        let cluster = cluster_with_job(&serving, None).await;
        let before = contents(&cluster);
        let apply = Apply { serving: serves, ..Apply::first(&cluster, 2) };
        let verdict = apply.verdict(&release("b", with_job("v2"))).await;
        assert_eq!((verdict.failure, verdict.workload.as_deref()), (FailureType::FieldImmutable, Some("Job/migrate")));
        assert!(verdict.advice.contains("kubectl delete job migrate -n pr-1"), "{}", verdict.advice);
        assert_eq!(verdict.message.matches("has not ended").count(), 1, "{}", verdict.message);
        assert_eq!(contents(&cluster), before);
    }
}

#[tokio::test]
async fn job_that_is_being_deleted_is_awaited_and_then_created() {
    let serving = release("a", with_job("v1"));
    for image in ["v1", "v2"] {
        let cluster = cluster_with_job(&serving, None).await;
        let (before, mut deleting) = (uid(&cluster), cluster.get(MIGRATE).unwrap());
        deleting["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        cluster.put(JOBS, &deleting);
        let (apply, next) = (Apply::first(&cluster, 2).over(&serving), release("b", with_job(image)));
        let (applied, deleted) = collecting(&cluster, apply.run(&next)).await;
        applied.unwrap();
        assert!(!deleted && uid(&cluster) != before, "{image}");
    }
}

#[tokio::test(start_paused = true)]
async fn job_that_does_not_go_stops_the_apply_before_its_first_write() {
    let serving = release("a", with_job("v1"));
    let cluster = cluster_with_job(&serving, Some("Failed")).await;
    let before = contents(&cluster);
    let applied = Apply::first(&cluster, 2).over(&serving).run(&release("b", with_job("v2"))).await.unwrap();
    assert_eq!(applied.waits_for.as_deref(), Some("the old Job/migrate to be gone"));
    assert_eq!(contents(&cluster), before);
}

#[tokio::test]
async fn second_attempt_does_not_run_a_failed_job_again() {
    let serving = release("a", with_job("v1"));
    let cluster = cluster_with_job(&serving, Some("Complete")).await;
    let (apply, next) = (Apply::first(&cluster, 2).over(&serving), release("b", with_job("v2")));
    collecting(&cluster, apply.run(&next)).await.0.unwrap();
    let before = uid(&cluster);
    // It fails at once, and the worker dies before the activity has ended.
    set_condition(&cluster, Some("Failed"));
    apply.run(&next).await.unwrap();
    assert_eq!(uid(&cluster), before);
    // The next push runs it again.
    let again = Apply::first(&cluster, 3).over(&serving);
    collecting(&cluster, again.run(&next)).await.0.unwrap();
    assert_ne!(uid(&cluster), before);
}

#[tokio::test]
async fn dry_run_of_a_replaced_job_creates_a_copy_under_another_name() {
    let serving = release("a", with_job("v1"));
    let cluster = cluster_with_job(&serving, Some("Complete")).await;
    let next = release("b", with_job("v2"));
    let apply = Apply::first(&cluster, 2).over(&serving);
    let (applied, _) = collecting(&cluster, apply.run(&next)).await;
    applied.unwrap();
    let copies: Vec<_> =
        cluster.requests().into_iter().filter(|request| request.contains("/jobs/berth-dry-run-")).collect();
    assert!(copies.len() == 1 && copies[0].starts_with("DRY-RUN PATCH"), "{copies:?}");
    assert_eq!(cluster.below(JOBS), [MIGRATE]);

    // A refused copy keeps the old Job.
    let cluster = cluster_with_job(&serving, Some("Complete")).await;
    let before = uid(&cluster);
    cluster.refuse(&copies[0], 422);
    let verdict = Apply::first(&cluster, 2).over(&serving).verdict(&next).await;
    assert!(verdict.message.contains("Job/migrate"), "{}", verdict.message);
    assert_eq!(uid(&cluster), before);
}

#[tokio::test]
async fn job_of_another_owner_is_not_deleted() {
    let serving = release("a", vec![config("web", "v1")]);
    let cluster = cluster_with(&serving).await;
    let mut theirs = job("v1");
    theirs["status"] = json!({"conditions": [{"type": "Complete", "status": "True"}]});
    cluster.put(JOBS, &theirs);
    Apply::first(&cluster, 2).over(&serving).run(&release("b", with_job("v2"))).await.unwrap();
    assert!(!cluster.writes().iter().any(|write| write.starts_with("DELETE")));
}

#[tokio::test]
async fn rollback_applies_and_deletes_no_job_but_cron_jobs() {
    let cron = json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "nightly"}, "spec": {}});
    let objects = |image: &str| [with_job(image), vec![cron.clone()]].concat();
    let (before, serving) = (release("a", objects("v1")), release("b", objects("v2")));
    for condition in [None, Some("Failed"), Some("Complete")] {
        let cluster = cluster_with_job(&serving, condition).await;
        let job = cluster.get(MIGRATE).unwrap();
        let applied = Apply::first(&cluster, 2).over(&serving).rollback().run(&before).await.unwrap();
        assert_eq!(cluster.get(MIGRATE).unwrap(), job, "{condition:?}");
        assert_eq!(applied.plan.notes, ["Job/migrate is left out: a rollback runs no Job"]);
        assert!(applied.workloads.iter().all(|workload| workload.kind != "Job"), "it is not awaited");
        let nightly = cluster.get("/apis/batch/v1/namespaces/pr-1/cronjobs/nightly").unwrap();
        assert_eq!(nightly["metadata"]["labels"][labels::DEPLOY_ID], "2");
    }
}

#[tokio::test]
async fn put_back_leaves_jobs_as_they_are() {
    let serving = release("a", with_job("v1"));
    let cluster = cluster_with_job(&serving, Some("Complete")).await;
    let objects = [with_job("v2"), vec![ingress()]].concat();
    cluster.refuse(&format!("PATCH {INGRESSES}/web"), 422);
    let (apply, next) = (Apply::first(&cluster, 2).over(&serving), release("b", objects));
    let (result, _) = collecting(&cluster, apply.run(&next)).await;
    let Err(Failure::Permanent(verdict)) = result else { panic!("should be refused: {result:?}") };
    assert!(verdict.message.ends_with("left as they are: Job/migrate"), "{}", verdict.message);
    assert!(verdict.mixed.is_empty());
    assert_eq!(cluster.get(MIGRATE).unwrap()["spec"]["template"]["image"], "v2");
    assert_eq!(cluster.get(&format!("{CONFIGS}/web")).unwrap()["data"]["VALUE"], "v1");
}
