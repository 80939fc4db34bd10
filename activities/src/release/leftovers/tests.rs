//! Sweeps against a fake API server.

use berth_workflows::contract::environment::ClusterObject;
use serde_json::json;

use super::*;
use crate::{context::TestContext, examples::environment, fake_api_server::FakeApiServer};

const SECRETS: &str = "/api/v1/namespaces/pr-1/secrets";
const CLASSES: &str = "/apis/scheduling.k8s.io/v1/priorityclasses";
const PODS: &str = "/api/v1/namespaces/pr-1/pods";

/// A content-named Secret that was made in 2020.
fn secret(name: &str, content: &str, annotations: Value) -> Value {
    let labels = labels::content_labels(&environment(), "berth", content);
    json!({"metadata": {"name": name, "labels": labels, "annotations": annotations,
        "creationTimestamp": "2020-01-01T00:00:00Z"}})
}

/// What the failed rollout of that number leaves: a stored release in two parts, its Secret and its class.
fn put_failed(cluster: &FakeApiServer, number: u64) {
    let release = format!("berth-release-{number}");
    cluster.put(
        SECRETS,
        &secret(&release, labels::RELEASE, json!({labels::SECRET_OF_RELEASE: format!("values-{number}")})),
    );
    cluster.put(SECRETS, &secret(&format!("{release}-1"), labels::RELEASE_PART, json!({labels::PART_OF: release})));
    cluster.put(SECRETS, &secret(&format!("values-{number}"), labels::SECRETS, json!({})));
    let labels = labels::owner_labels(&environment(), "berth");
    cluster.put(CLASSES, &json!({"metadata": {"name": format!("web-pr-1-{number}"), "labels": labels}}));
}

fn pod(secret: &str, class: &str) -> Value {
    let container = json!({"name": "web", "envFrom": [{"secretRef": {"name": secret}}]});
    json!({"metadata": {"name": secret}, "spec": {"containers": [container], "priorityClassName": class}})
}

/// Returns the numbers of which something of a kind is left.
fn left(cluster: &FakeApiServer, path: &str) -> Vec<u64> {
    let mut numbers: Vec<u64> = cluster
        .below(path)
        .iter()
        .filter_map(|path| {
            let name = path.rsplit('/').next()?.trim_start_matches("berth-release-").trim_end_matches("-1");
            name.rsplit('-').next()?.parse().ok()
        })
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

async fn run(cluster: &FakeApiServer, environment: &Environment, kept: &[u64], objects: &[Value]) {
    let class = ClusterObject {
        api_version: "scheduling.k8s.io/v1".into(),
        kind: "PriorityClass".into(),
        name: "web-pr-1-1".into(),
    };
    let environment = Environment { cluster_objects: vec![class], ..environment.clone() };
    let names = kept.iter().map(|number| format!("berth-release-{number}")).collect();
    let sweep = Sweep {
        environment: &environment,
        kept: Kept { names, proven: 0 },
        objects: objects.iter().collect(),
        secrets: ["values-9", ""],
        fence: Some(Fence::new(9)),
        backlog: &AtomicBool::new(false),
    };
    super::sweep(TestContext::new(cluster.client()).context(), sweep).await;
}

#[tokio::test]
async fn leftovers_go_unless_a_release_or_a_pod_needs_them() {
    let cluster = FakeApiServer::default();
    (1..=9).for_each(|number| put_failed(&cluster, number));
    cluster.put(PODS, &pod("values-4", "web-pr-1-5"));
    let class = json!({"kind": "PriorityClass", "metadata": {"name": "web-pr-1-9"}});
    run(&cluster, &environment(), &[2], &[class]).await;
    // Release 2 is kept with its Secret, 9 is applied, and the pod needs one Secret and one class.
    assert_eq!(left(&cluster, &format!("{SECRETS}/berth-release-")), [2]);
    assert_eq!(left(&cluster, &format!("{SECRETS}/values-")), [2, 4, 9]);
    assert_eq!(left(&cluster, CLASSES), [5, 9]);
    let writes = cluster.writes().len();
    run(&cluster, &environment(), &[2], &[json!({"kind": "PriorityClass", "metadata": {"name": "web-pr-1-9"}})]).await;
    assert_eq!(cluster.writes().len(), writes, "the second time nothing is left");
}

#[tokio::test]
async fn class_of_a_newer_rollout_or_of_somebody_else_stays() {
    let cluster = FakeApiServer::default();
    let labels = labels::owner_labels(&environment(), "berth");
    let class = |name: &str, label: &str, value: &str| {
        let mut labels = labels.clone();
        labels.insert(label.to_owned(), value.to_owned());
        cluster.put(CLASSES, &json!({"metadata": {"name": name, "labels": labels}}));
    };
    class("newer", labels::DEPLOY_ID, "10");
    class("older", labels::DEPLOY_ID, "8");
    class("theirs", labels::WORKFLOW, "preview-web-2");
    run(&cluster, &environment(), &[], &[]).await;
    assert_eq!(cluster.below(CLASSES), [format!("{CLASSES}/newer"), format!("{CLASSES}/theirs")]);
}

#[tokio::test]
async fn production_keeps_what_was_stored_a_moment_ago() {
    let cluster = FakeApiServer::default();
    let production = Environment { kind: EnvironmentKind::Production, ..environment() };
    put_failed(&cluster, 1);
    let mut young = secret("berth-release-2", labels::RELEASE, json!({}));
    young["metadata"]["creationTimestamp"] = json!(Timestamp::now().to_string());
    cluster.put(SECRETS, &young);
    run(&cluster, &production, &[], &[]).await;
    assert_eq!(left(&cluster, SECRETS), [2]);
}

#[tokio::test]
async fn part_goes_with_its_head_and_plan_with_its_release() {
    let cluster = FakeApiServer::default();
    let now = json!(Timestamp::now().to_string());
    let part = |name: &str, head: &str, created: Option<&Value>| {
        let mut part = secret(name, labels::RELEASE_PART, json!({labels::PART_OF: head}));
        created.into_iter().for_each(|at| part["metadata"]["creationTimestamp"] = at.clone());
        cluster.put(SECRETS, &part);
    };
    part("kept-part", "berth-release-2", None);
    part("orphan-part", "berth-release-3", None);
    // Its head may be written next.
    part("young-part", "berth-release-4", Some(&now));
    cluster.put(SECRETS, &secret("berth-release-2", labels::RELEASE, json!({})));
    for (plan, release) in [("kept-plan", 2), ("old-plan", 3)] {
        let of = json!({labels::PLAN_OF: format!("berth-release-{release}")});
        cluster.put(SECRETS, &secret(plan, labels::PLAN, of));
    }
    let kept = Kept { names: ["berth-release-2".to_owned()].into(), proven: 0 };
    let contents = Contents::list(&cluster.client(), "pr-1", &kept).await.unwrap();
    let removed = remove_contents(&cluster.client(), "pr-1", contents).await.unwrap();
    assert_eq!(removed, ["Secret/old-plan", "Secret/orphan-part"]);
}

#[tokio::test]
async fn one_sweep_removes_a_bounded_number_and_the_next_one_goes_on() {
    let cluster = FakeApiServer::default();
    (1..=100).for_each(|number| put_failed(&cluster, number));
    let mut counts = Vec::new();
    for _ in 0..4 {
        run(&cluster, &environment(), &[], &[]).await;
        counts.push(cluster.below(SECRETS).len());
    }
    assert_eq!(counts, [200, 100, 1, 1], "the Secret of rollout 9 is in use");
    assert_eq!(cluster.below(CLASSES).len(), 0);
}

#[tokio::test(start_paused = true)]
async fn nothing_waits_for_a_sweep_without_a_backlog() {
    let cluster = FakeApiServer::default();
    cluster.stall_requests("/secrets");
    let test = TestContext::new(cluster.client());
    let environment = environment();
    for (behind, waited) in [(false, 0), (true, 500)] {
        let backlog = AtomicBool::new(behind);
        let sweep = Sweep {
            environment: &environment,
            kept: Kept::default(),
            objects: Vec::new(),
            secrets: ["", ""],
            fence: None,
            backlog: &backlog,
        };
        let begun = tokio::time::Instant::now();
        let done = beside(std::future::ready(1), super::sweep(test.context(), sweep), &backlog).await;
        assert_eq!((done, begun.elapsed().as_millis()), (1, waited));
    }
}
