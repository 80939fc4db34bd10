//! `LimitRange`s of a release, beside berth's own.

use super::*;

const RANGES: &str = "/api/v1/namespaces/pr-1/limitranges";

fn range(name: &str, limit: Value) -> Value {
    let mut limits = json!({"type": "Container"});
    limits.as_object_mut().unwrap().extend(limit.as_object().unwrap().clone());
    json!({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": name}, "spec": {"limits": [limits]}})
}

fn default_requests(cluster: &FakeApiServer) -> Value {
    cluster.get(&format!("{RANGES}/berth")).unwrap()["spec"]["limits"][0]["defaultRequest"].clone()
}

#[tokio::test]
async fn berths_default_gives_way_before_the_release_has_one() {
    let serving = release("a", vec![config("web", "1")]);
    let cluster = cluster_with(&serving).await;
    let next = release("b", vec![range("web", json!({"default": {"memory": "48Mi"}})), deployment("v1")]);
    Apply::first(&cluster, 2).over(&serving).run(&next).await.unwrap();
    assert_eq!(default_requests(&cluster), json!({"cpu": "50m"}));
    let writes = cluster.writes();
    let at = |path: String| writes.iter().position(|write| *write == format!("PATCH {path}")).unwrap();
    assert!(at(format!("{RANGES}/berth")) < at(format!("{RANGES}/web")), "{writes:?}");
    // The next release has none. The old one is there until the prune.
    Apply::first(&cluster, 3).over(&next).run(&serving).await.unwrap();
    assert_eq!(default_requests(&cluster), json!({"cpu": "50m"}));
}

#[tokio::test]
async fn berths_default_is_back_if_the_release_is_refused() {
    let serving = release("a", vec![config("web", "1")]);
    let cluster = cluster_with(&serving).await;
    cluster.refuse(&format!("PATCH {INGRESSES}/web"), 422);
    let next = release("b", vec![range("web", json!({"max": {"memory": "48Mi"}})), ingress()]);
    Apply::first(&cluster, 2).over(&serving).verdict(&next).await;
    assert_eq!(default_requests(&cluster), json!({"cpu": "50m", "memory": "64Mi"}));
}
