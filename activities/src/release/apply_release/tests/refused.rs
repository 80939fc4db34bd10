//! Releases that the API server refuses: in the dry run, or half way.

use super::*;

/// Three objects of one stage. `refused` is one of their names.
fn stage(value: &str) -> Vec<Value> {
    ["first", "middle", "last"].map(|name| config(name, value)).into()
}

fn real(name: &str) -> String {
    format!("PATCH {CONFIGS}/{name}")
}

const IMMUTABLE: &str = "spec: Forbidden: field is immutable";

#[tokio::test]
async fn release_refused_in_the_dry_run_changes_nothing() {
    let serving = release("a", stage("1"));
    for name in ["first", "middle", "last"] {
        let cluster = cluster_with(&serving).await;
        cluster.refuse_with(&format!("DRY-RUN {}", real(name)), 422, IMMUTABLE);
        let versions = || cluster.below(CONFIGS).iter().map(|path| cluster.get(path)).collect::<Vec<_>>();
        let before = versions();
        for _attempt in 0..2 {
            let verdict = Apply::first(&cluster, 2).over(&serving).verdict(&release("b", stage("2"))).await;
            assert_eq!((verdict.failure, verdict.mixed.len()), (FailureType::FieldImmutable, 0));
            assert!(verdict.message.contains(&format!("ConfigMap/{name}")), "{}", verdict.message);
            assert!(verdict.message.ends_with("; nothing of the release was applied"), "{}", verdict.message);
            assert_eq!(versions(), before, "{name}");
        }
    }
}

#[tokio::test]
async fn verdict_has_the_refusals_of_all_objects() {
    let serving = release("a", app("v1"));
    let cluster = cluster_with(&serving).await;
    let objects = vec![config("web", "other"), service(), deployment("v2"), ingress()];
    for path in [CONFIGS, DEPLOYMENTS] {
        cluster.refuse_with(&format!("DRY-RUN PATCH {path}/web"), 422, IMMUTABLE);
    }
    let verdict = Apply::first(&cluster, 2).over(&serving).verdict(&release("b", objects)).await;
    assert!(
        ["ConfigMap/web", "Deployment/web"].iter().all(|name| verdict.message.contains(name)),
        "{}",
        verdict.message
    );
}

#[tokio::test]
async fn host_that_a_dropped_ingress_still_has_is_named_with_the_ingress() {
    let old = |name: &str| json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": name}, "spec": {}});
    let webhook = "admission webhook \"validate.nginx.ingress.kubernetes.io\" denied the request: host \"a.example.com\" \
                   and path \"/\" is already defined in ingress pr-1/old";
    // Refused in the dry run, or only in earnest.
    for request in ["DRY-RUN PATCH", "PATCH"] {
        let serving = release("a", vec![old("old")]);
        let cluster = cluster_with(&serving).await;
        cluster.refuse_with(&format!("{request} {INGRESSES}/new"), 403, webhook);
        let verdict = Apply::first(&cluster, 2).over(&serving).verdict(&release("b", vec![old("new")])).await;
        assert!(
            verdict.advice.contains("kubectl delete ingress old -n pr-1; then push again"),
            "{request}: {verdict:?}"
        );
    }
}

#[tokio::test]
async fn unanswered_dry_run_is_repeated_and_applies_nothing() {
    let serving = release("a", stage("1"));
    let cluster = cluster_with(&serving).await;
    let before = contents(&cluster);
    cluster.refuse_times(&format!("DRY-RUN {}", real("middle")), 503, 1);
    let next = release("b", stage("2"));
    let apply = Apply::first(&cluster, 2).over(&serving);
    let failed = apply.run(&next).await;
    assert!(matches!(failed, Err(Failure::Transient { .. })), "{failed:?}");
    assert_eq!(contents(&cluster), before);
    apply.run(&next).await.unwrap();
}

#[tokio::test]
async fn object_that_cannot_be_dry_run_is_applied_with_a_note() {
    let serving = release("a", stage("1"));
    let cluster = cluster_with(&serving).await;
    let webhook = "admission webhook \"a.example.com\" does not support dry run";
    cluster.refuse_with(&format!("DRY-RUN {}", real("middle")), 400, webhook);
    let applied = Apply::first(&cluster, 2).over(&serving).run(&release("b", stage("2"))).await.unwrap();
    assert_eq!(applied.plan.notes, [format!("ConfigMap/middle was not checked before the apply: {webhook}")]);
    assert_eq!(cluster.get(&format!("{CONFIGS}/middle")).unwrap()["data"]["VALUE"], "2");
}

/// A release with a changed, an unchanged and a new object in each place of a stage, and then a Deployment.
fn half(value: &str) -> Vec<Value> {
    vec![config("changed", value), config("same", "same"), deployment(value)]
}

#[tokio::test]
async fn release_refused_half_way_is_put_back() {
    let serving = release("a", half("1"));
    let mut objects = half("2");
    objects.insert(0, config("a-new", "2"));
    objects.insert(3, config("z-new", "2"));
    let next = release("b", objects);
    // The refused object is the first, one in the middle and the last of its stage, and one of a later stage.
    for (refused, mode) in [
        (real("a-new"), "created"),
        (real("changed"), "changed"),
        (real("same"), "unchanged"),
        (real("z-new"), "created"),
        (format!("PATCH {DEPLOYMENTS}/web"), "of another stage"),
    ] {
        let cluster = cluster_with(&serving).await;
        let before = contents(&cluster);
        cluster.refuse_times(&refused, 422, 1);
        let verdict = Apply::first(&cluster, 2).over(&serving).verdict(&next).await;
        assert_eq!(contents(&cluster), before, "{refused}, {mode}");
        assert_eq!((verdict.failure, verdict.mixed), (FailureType::ManifestInvalid, Vec::<String>::new()));
        assert!(verdict.message.contains("what the release had changed is put back"), "{}", verdict.message);
        let commit = |name: &str| cluster.get(&format!("{CONFIGS}/{name}")).unwrap()["metadata"]["annotations"].clone();
        assert_eq!([commit("changed"), commit("same")].map(|a| a[labels::COMMIT].clone()), ["a", "a"]);
    }
}

#[tokio::test]
async fn used_up_quota_half_way_is_put_back_where_a_release_serves() {
    let serving = release("a", half("1"));
    let (cluster, empty) = (cluster_with(&serving).await, FakeApiServer::default());
    let message = "forbidden: exceeded quota: q, requested: count/deployments.apps=1";
    for cluster in [&cluster, &empty] {
        cluster.refuse_with(&format!("PATCH {DEPLOYMENTS}/web"), 403, message);
    }
    let before: Vec<_> = contents(&cluster).into_iter().filter(|(path, _)| path.starts_with(CONFIGS)).collect();
    let verdict = Apply::first(&cluster, 2).over(&serving).verdict(&release("b", half("2"))).await;
    assert_eq!(verdict.failure, FailureType::QuotaExceeded);
    let after: Vec<_> = contents(&cluster).into_iter().filter(|(path, _)| path.starts_with(CONFIGS)).collect();
    assert_eq!(after, before);
    // A new environment's quota may lack its status for a moment.
    let result = Apply::first(&empty, 2).run(&release("b", half("2"))).await;
    assert!(matches!(result, Err(Failure::Transient { failure: FailureType::QuotaExceeded, .. })), "{result:?}");
}

#[tokio::test]
async fn refused_put_back_names_the_mixed_objects() {
    let serving = release("a", half("1"));
    let cluster = cluster_with(&serving).await;
    let deployment = format!("PATCH {DEPLOYMENTS}/web");
    // The Deployment is refused, and then the old ConfigMap, too.
    cluster.refuse(&deployment, 422);
    let path = format!("{CONFIGS}/changed");
    let apply = Apply::first(&cluster, 2).over(&serving);
    let next = release("b", half("2"));
    let refuse = async {
        while cluster.get(&path).unwrap()["data"]["VALUE"] != "2" {
            tokio::task::yield_now().await;
        }
        cluster.refuse(&real("changed"), 422);
        cluster.refuse(&real("same"), 422);
    };
    let (verdict, ()) = tokio::join!(apply.verdict(&next), refuse);
    assert_eq!(verdict.mixed, ["ConfigMap/changed"], "the other one is the same in both releases");
    assert!(
        verdict.message.contains("could not be put back to the serving release: ConfigMap/changed"),
        "{}",
        verdict.message
    );
}

#[tokio::test]
async fn unanswered_put_back_is_finished_by_the_next_attempt() {
    let serving = release("a", half("1"));
    let cluster = cluster_with(&serving).await;
    let before = contents(&cluster);
    cluster.refuse(&format!("PATCH {DEPLOYMENTS}/web"), 422);
    let path = format!("{CONFIGS}/changed");
    let apply = Apply::first(&cluster, 2).over(&serving);
    let next = release("b", half("2"));
    let refuse = async {
        while cluster.get(&path).unwrap()["data"]["VALUE"] != "2" {
            tokio::task::yield_now().await;
        }
        cluster.refuse(&real("changed"), 409);
    };
    let (failed, ()) = tokio::join!(apply.run(&next), refuse);
    assert!(matches!(failed, Err(Failure::Transient { .. })), "{failed:?}");
    assert_ne!(contents(&cluster), before);
    cluster.refuse_times(&real("changed"), 409, 0);
    let verdict = apply.verdict(&next).await;
    assert_eq!((contents(&cluster), verdict.mixed), (before, Vec::<String>::new()));
}

#[tokio::test]
async fn attempt_after_a_failure_puts_back_what_the_first_one_wrote() {
    let serving = release("a", half("1"));
    let cluster = cluster_with(&serving).await;
    let before = contents(&cluster);
    let mut objects = half("2");
    objects.insert(0, config("a-new", "2"));
    let (apply, next) = (Apply::first(&cluster, 2).over(&serving), release("b", objects));
    // The worker dies after the first stage.
    cluster.refuse_times(&format!("PATCH {DEPLOYMENTS}/web"), 503, 1);
    assert!(matches!(apply.run(&next).await, Err(Failure::Transient { .. })));
    assert_ne!(contents(&cluster), before);
    cluster.refuse_with(&format!("DRY-RUN PATCH {DEPLOYMENTS}/web"), 422, IMMUTABLE);
    let verdict = apply.verdict(&next).await;
    assert_eq!(contents(&cluster), before);
    assert!(verdict.message.contains("is put back"), "{}", verdict.message);
}

#[tokio::test]
async fn foreign_object_that_was_taken_over_is_mixed_and_stays() {
    let serving = release("a", half("1"));
    let cluster = cluster_with(&serving).await;
    // Somebody has made it by hand, and the next release has it, too.
    cluster.put(CONFIGS, &config("by-hand", "theirs"));
    let mut objects = half("2");
    objects.insert(0, config("by-hand", "ours"));
    cluster.refuse(&format!("PATCH {DEPLOYMENTS}/web"), 422);
    let verdict = Apply::first(&cluster, 2).over(&serving).verdict(&release("b", objects)).await;
    assert_eq!(verdict.mixed, ["ConfigMap/by-hand"]);
    assert!(cluster.get(&format!("{CONFIGS}/by-hand")).is_some());
}

#[tokio::test]
async fn created_claim_stays_when_its_release_is_put_back() {
    let serving = release("a", half("1"));
    let cluster = cluster_with(&serving).await;
    let mut objects = half("2");
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": {}});
    objects.insert(0, claim);
    cluster.refuse(&format!("PATCH {DEPLOYMENTS}/web"), 422);
    let verdict = Apply::first(&cluster, 2).over(&serving).verdict(&release("b", objects)).await;
    assert!(verdict.message.ends_with("left as they are: PersistentVolumeClaim/data"), "{}", verdict.message);
    assert!(verdict.mixed.is_empty());
    assert!(cluster.get("/api/v1/namespaces/pr-1/persistentvolumeclaims/data").is_some());
}

#[tokio::test]
async fn put_back_stops_where_a_newer_rollout_has_written() {
    let serving = release("a", half("1"));
    let cluster = cluster_with(&serving).await;
    let path = format!("{CONFIGS}/changed");
    cluster.refuse(&format!("PATCH {DEPLOYMENTS}/web"), 422);
    let newer = {
        let mut newer = cluster.get(&path).unwrap();
        newer["metadata"]["labels"][labels::DEPLOY_ID] = json!("9");
        newer["data"]["VALUE"] = json!("newer");
        newer
    };
    let (apply, next) = (Apply::first(&cluster, 2).over(&serving), release("b", half("2")));
    let overtake = async {
        while cluster.get(&path).unwrap()["data"]["VALUE"] != "2" {
            tokio::task::yield_now().await;
        }
        cluster.put_before(&real("changed"), CONFIGS, &newer);
    };
    let (verdict, ()) = tokio::join!(apply.verdict(&next), overtake);
    assert_eq!((verdict.failure, verdict.mixed.len()), (FailureType::ManifestInvalid, 0));
    assert_eq!(cluster.get(&path).unwrap()["data"]["VALUE"], "newer");
}

#[tokio::test]
async fn first_release_that_is_refused_half_way_has_nothing_to_go_back_to() {
    let cluster = FakeApiServer::default();
    cluster.refuse(&format!("PATCH {DEPLOYMENTS}/web"), 422);
    let verdict = Apply::first(&cluster, 2).verdict(&release("b", half("2"))).await;
    assert_eq!((verdict.failure, verdict.mixed.len()), (FailureType::ManifestInvalid, 0));
    assert!(cluster.get(&format!("{CONFIGS}/changed")).is_some());
}

#[tokio::test]
async fn foreign_cluster_scoped_object_is_refused_before_the_first_write() {
    let serving = release("a", half("1"));
    let cluster = cluster_with(&serving).await;
    let class = json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "theirs"}});
    let classes = "/apis/scheduling.k8s.io/v1/priorityclasses";
    cluster.put(classes, &class);
    let before = contents(&cluster);
    let mut objects = half("2");
    objects.insert(0, class);
    let verdict = Apply::first(&cluster, 2).over(&serving).verdict(&release("b", objects)).await;
    assert_eq!(verdict.failure, FailureType::PolicyDenied);
    assert!(verdict.message.contains("PriorityClass/theirs"), "{}", verdict.message);
    assert_eq!(contents(&cluster), before);
}
