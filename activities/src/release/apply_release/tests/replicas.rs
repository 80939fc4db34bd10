//! Replicas of workloads that an autoscaler targets.

use super::*;

const AUTOSCALERS: &str = "/apis/autoscaling/v2/namespaces/pr-1/horizontalpodautoscalers";

fn scaled(replicas: Option<u64>) -> Value {
    let mut deployment = deployment("v1");
    deployment["spec"]["replicas"] = json!(replicas);
    if replicas.is_none() {
        deployment["spec"].as_object_mut().unwrap().remove("replicas");
    }
    deployment
}

fn autoscaler(least: Value, most: u64) -> Value {
    let target = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"});
    json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"},
        "spec": {"scaleTargetRef": target, "minReplicas": least, "maxReplicas": most}})
}

/// Scales the Deployment, as an autoscaler or a person does.
fn scale(cluster: &FakeApiServer, replicas: u64) {
    let mut live = cluster.get(&format!("{DEPLOYMENTS}/web")).unwrap();
    live["spec"]["replicas"] = json!(replicas);
    cluster.put(DEPLOYMENTS, &live);
}

fn replicas(cluster: &FakeApiServer) -> Value {
    cluster.get(&format!("{DEPLOYMENTS}/web")).unwrap()["spec"]["replicas"].clone()
}

#[tokio::test]
async fn live_number_is_applied_between_an_autoscalers_bounds_only() {
    for (least, most, live, expected) in [
        (json!(2), 6, 4, 4),
        (json!(2), 6, 2, 2),
        (json!(2), 6, 6, 6),
        (json!(null), 6, 1, 1),
        (json!(2), 6, 7, 3),
        (json!(2), 6, 1, 3),
        // Asleep: a wake by a push starts it.
        (json!(0), 6, 0, 3),
    ] {
        let serving = release("a", vec![scaled(Some(3)), autoscaler(least.clone(), most)]);
        let cluster = cluster_with(&serving).await;
        scale(&cluster, live);
        let applied = Apply::first(&cluster, 2).over(&serving).run(&serving).await.unwrap();
        assert_eq!(replicas(&cluster), expected, "{least} to {most}, live {live}");
        assert_eq!(applied.plan.changed.is_empty(), live == expected, "{:?}", applied.plan);
    }
}

#[tokio::test]
async fn autoscaler_of_somebody_else_counts_unlike_one_that_the_release_drops() {
    for (is_own, expected) in [(false, 5), (true, 3)] {
        let mut serving = vec![scaled(Some(3))];
        serving.extend(is_own.then(|| autoscaler(json!(1), 6)));
        let serving = release("a", serving);
        let cluster = cluster_with(&serving).await;
        if !is_own {
            cluster.put(AUTOSCALERS, &autoscaler(json!(1), 6));
        }
        scale(&cluster, 5);
        Apply::first(&cluster, 2).over(&serving).run(&release("b", vec![scaled(Some(3))])).await.unwrap();
        assert_eq!(replicas(&cluster), expected, "own: {is_own}");
    }
}

#[tokio::test]
async fn number_that_the_manifest_drops_stays_the_autoscalers() {
    let serving = release("a", vec![scaled(Some(3)), autoscaler(json!(1), 6)]);
    let cluster = cluster_with(&serving).await;
    scale(&cluster, 5);
    let mut live = cluster.get(&format!("{DEPLOYMENTS}/web")).unwrap();
    live["metadata"]["managedFields"] =
        json!([{"manager": "berth", "operation": "Apply", "fieldsV1": {"f:spec": {"f:replicas": {}}}}]);
    cluster.put(DEPLOYMENTS, &live);
    let next = release("b", vec![scaled(None), autoscaler(json!(1), 6)]);
    Apply::first(&cluster, 2).over(&serving).run(&next).await.unwrap();
    assert_eq!(replicas(&cluster), 5);
}

#[tokio::test]
async fn number_without_an_autoscaler_is_the_manifests() {
    let serving = release("a", vec![scaled(Some(3))]);
    let cluster = cluster_with(&serving).await;
    scale(&cluster, 5);
    Apply::first(&cluster, 2).over(&serving).run(&serving).await.unwrap();
    assert_eq!(replicas(&cluster), 3);
    // An unchanged number asks nobody for autoscalers.
    let before = cluster.requests().len();
    Apply::first(&cluster, 3).over(&serving).run(&serving).await.unwrap();
    assert!(!since(&cluster, before).contains(&format!("GET {AUTOSCALERS}")));
}

#[tokio::test]
async fn put_back_release_keeps_the_autoscalers_number() {
    let serving = release("a", vec![config("web", "1"), scaled(Some(3)), autoscaler(json!(1), 6)]);
    let cluster = cluster_with(&serving).await;
    scale(&cluster, 5);
    cluster.refuse(&format!("PATCH {INGRESSES}/web"), 422);
    let next = release("b", vec![config("web", "2"), scaled(Some(3)), autoscaler(json!(1), 6), ingress()]);
    let verdict = Apply::first(&cluster, 2).over(&serving).verdict(&next).await;
    assert_eq!((verdict.mixed.len(), replicas(&cluster)), (0, json!(5)), "{verdict:?}");
}
