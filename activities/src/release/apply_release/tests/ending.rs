//! Objects that are being deleted, and classes that are replaced.

use super::*;

const WEB: &str = "/api/v1/namespaces/pr-1/configmaps/web";
const CLASSES: &str = "/apis/scheduling.k8s.io/v1/priorityclasses";

/// Marks the object, as a delete does that a finalizer holds up.
fn mark_ending(cluster: &FakeApiServer, collection: &str, path: &str) {
    let mut object = cluster.get(path).unwrap();
    object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    object["metadata"]["finalizers"] = json!(["example.com/hold"]);
    cluster.put(collection, &object);
}

#[tokio::test(start_paused = true)]
async fn object_that_is_being_deleted_is_reported_before_any_write() {
    let serving = release("a", vec![config("web", "1"), deployment("v1")]);
    for serves in [Some(&serving), None] {
        let cluster = cluster_with(&serving).await;
        mark_ending(&cluster, CONFIGS, WEB);
        let before = contents(&cluster);
        let apply = Apply { serving: serves, ..Apply::first(&cluster, 2) };
        let applied = apply.run(&release("b", vec![config("web", "2"), deployment("v2")])).await.unwrap();
        let expected = "the old ConfigMap/web (finalizer example.com/hold) to be gone";
        assert_eq!(applied.waits_for.as_deref(), Some(expected));
        assert_eq!((applied.workloads.len(), contents(&cluster)), (0, before));
    }
}

#[tokio::test(start_paused = true)]
async fn wait_that_is_reported_lasts_longer() {
    let serving = release("a", vec![config("web", "1")]);
    let cluster = cluster_with(&serving).await;
    mark_ending(&cluster, CONFIGS, WEB);
    let first = Apply::first(&cluster, 2).over(&serving);
    let begun = tokio::time::Instant::now();
    let reported = first.run(&serving).await.unwrap().waits_for;
    assert_eq!(begun.elapsed().as_secs(), 2);
    let again = Apply { reported: reported.as_deref(), ..first };
    assert_eq!(again.run(&serving).await.unwrap().waits_for, reported);
    assert_eq!(begun.elapsed().as_secs(), 47);
}

#[tokio::test]
async fn object_is_created_once_the_old_one_is_gone() {
    let serving = release("a", vec![config("web", "1")]);
    let cluster = cluster_with(&serving).await;
    mark_ending(&cluster, CONFIGS, WEB);
    let collector = async {
        while !cluster.is_watched(CONFIGS) {
            tokio::task::yield_now().await;
        }
        cluster.remove(WEB);
        std::future::pending::<()>().await;
    };
    let apply = Apply::first(&cluster, 2).over(&serving);
    let next = release("b", vec![config("web", "2")]);
    let applied = tokio::select! { applied = apply.run(&next) => applied.unwrap(), () = collector => unreachable!() };
    assert_eq!((applied.plan.created, applied.waits_for), (vec!["ConfigMap/web".to_owned()], None));
    assert_eq!(cluster.get(WEB).unwrap()["data"]["VALUE"], "2");
}

#[tokio::test]
async fn object_that_somebody_deletes_during_the_apply_is_tried_again() {
    let serving = release("a", vec![config("web", "1")]);
    let cluster = cluster_with(&serving).await;
    let mut ending = cluster.get(WEB).unwrap();
    ending["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    cluster.put_before(&format!("PATCH {WEB}"), CONFIGS, &ending);
    let next = release("b", vec![config("web", "2")]);
    let result = Apply::first(&cluster, 2).over(&serving).run(&next).await;
    let expected = "ConfigMap/web was deleted by others";
    assert!(matches!(&result, Err(Failure::Transient { message, .. }) if message.contains(expected)), "{result:?}");
}

fn class(value: u64, more: Value) -> Value {
    let mut class = json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "web-pr-1"},
        "value": value});
    class.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    class
}

#[tokio::test]
async fn class_is_replaced_if_a_field_differs_that_cannot_change() {
    let never = json!({"preemptionPolicy": "Never"});
    for (next, replaced) in [
        (class(1, json!({"description": "other"})), false),
        (class(1, json!({"preemptionPolicy": "PreemptLowerPriority"})), false),
        (class(1, never.clone()), true),
        (class(2, json!({})), true),
    ] {
        let serving = release("a", vec![class(1, json!({}))]);
        let cluster = FakeApiServer::default();
        let mut environment = environment();
        environment.record_cluster_objects([berth_workflows::contract::environment::ClusterObject {
            api_version: "scheduling.k8s.io/v1".into(),
            kind: "PriorityClass".into(),
            name: "web-pr-1".into(),
        }]);
        let test = TestContext::new(cluster.client());
        let next = release("b", vec![next]);
        for (deploy_id, release, serving) in [(1, &serving, None), (2, &next, Some(&serving))] {
            let apply = ReleaseApply {
                environment: &environment,
                release,
                store: None,
                serving,
                deploy_id,
                mode: Mode::Release,
                reported: None,
                kept: None,
            };
            assert_eq!(apply_release(test.context(), &apply).await.unwrap().waits_for, None);
        }
        let deleted = cluster.writes().contains(&format!("DELETE {CLASSES}/web-pr-1"));
        assert_eq!(deleted, replaced, "{:?}", next.objects);
        let live = cluster.get(&format!("{CLASSES}/web-pr-1")).unwrap();
        assert_eq!(live["value"], next.objects[0]["value"]);
    }
}
