//! The level of production's namespace against a fake API server.

use berth_workflows::contract::verdict::FailureType;

use super::*;
use crate::{context::TestContext, examples, fake_api_server::FakeApiServer};

const NAMESPACE: &str = "/api/v1/namespaces/web";
const FENCE: u64 = 5;

fn environment() -> Environment {
    Environment { kind: EnvironmentKind::Production, namespace: "web".into(), ..examples::environment() }
}

/// Production's namespace with a person's level.
fn cluster(level: Option<&str>) -> FakeApiServer {
    let cluster = FakeApiServer::default();
    let mut labels = json!({"team": "web"});
    level.into_iter().for_each(|level| labels[labels::POD_SECURITY] = json!(level));
    cluster.put("/api/v1/namespaces", &json!({"metadata": {"name": "web", "labels": labels}}));
    cluster
}

async fn set(cluster: &FakeApiServer, level: Option<PodSecurity>) -> Result<Option<String>, Failure> {
    super::set(TestContext::new(cluster.client()).context(), &environment(), Fence::new(FENCE), level).await
}

/// The label and the annotation.
fn found(cluster: &FakeApiServer) -> (Option<String>, Option<String>) {
    let found: Namespace = serde_json::from_value(cluster.get(NAMESPACE).unwrap()).unwrap();
    assert_eq!(found.labels().get("team").map(String::as_str), Some("web"), "other labels stay");
    (level_of(&found).map(str::to_owned), level_before(&found).map(str::to_owned))
}

fn pair(label: Option<&str>, annotation: Option<&str>) -> (Option<String>, Option<String>) {
    (label.map(str::to_owned), annotation.map(str::to_owned))
}

#[tokio::test]
async fn level_of_a_release_replaces_the_persons_until_one_without_comes() {
    for before in [None, Some("privileged"), Some("baseline")] {
        let cluster = cluster(before);
        let restricted = set(&cluster, Some(PodSecurity::Restricted)).await.unwrap();
        let from = before.unwrap_or("none");
        assert_eq!(restricted, Some(format!("Namespace/web: Pod Security level {from} → restricted")));
        assert_eq!(found(&cluster), pair(Some("restricted"), Some(before.unwrap_or(""))));
        set(&cluster, Some(PodSecurity::Baseline)).await.unwrap();
        assert_eq!(found(&cluster), pair(Some("baseline"), Some(before.unwrap_or(""))), "the first value is kept");
        set(&cluster, None).await.unwrap();
        assert_eq!(found(&cluster), pair(before, None));
    }
}

#[tokio::test]
async fn second_run_writes_nothing() {
    let cluster = cluster(None);
    for (level, writes) in [(Some(PodSecurity::Baseline), 1), (None, 2)] {
        for _ in 0..2 {
            set(&cluster, level).await.unwrap();
            assert_eq!(cluster.writes().len(), writes);
        }
    }
}

#[tokio::test]
async fn level_without_isolation_is_never_touched() {
    for level in [None, Some("privileged"), Some("restricted")] {
        let cluster = cluster(level);
        assert_eq!(set(&cluster, None).await.unwrap(), None);
        assert_eq!((cluster.writes(), found(&cluster)), (Vec::new(), pair(level, None)));
    }
    // The same level of a person's stays theirs.
    let cluster = cluster(Some("baseline"));
    set(&cluster, Some(PodSecurity::Baseline)).await.unwrap();
    assert_eq!((cluster.writes(), found(&cluster)), (Vec::new(), pair(Some("baseline"), None)));
}

#[tokio::test]
async fn level_of_a_preview_costs_no_request() {
    let cluster = FakeApiServer::default();
    let test = TestContext::new(cluster.client());
    let level = super::set(test.context(), &examples::environment(), Fence::new(FENCE), None).await.unwrap();
    assert_eq!((level, cluster.requests()), (None, Vec::new()));
}

#[tokio::test]
async fn overtaken_rollout_changes_no_level() {
    let (cluster, environment) = (cluster(None), environment());
    let test = TestContext::new(cluster.client());
    applyset::claim(test.context(), &environment, Fence::new(FENCE + 1), None, &["Service".to_owned()].into())
        .await
        .unwrap();
    let result = set(&cluster, Some(PodSecurity::Baseline)).await;
    assert!(matches!(&result, Err(Failure::Permanent(v)) if v.failure == FailureType::Overtaken), "{result:?}");
    assert_eq!(found(&cluster), pair(None, None));
}

#[tokio::test]
async fn level_is_read_again_after_a_conflict() {
    let cluster = cluster(None);
    let mut changed = cluster.get(NAMESPACE).unwrap();
    changed["metadata"]["labels"][labels::POD_SECURITY] = json!("privileged");
    cluster.put_before(&format!("PATCH {NAMESPACE}"), "/api/v1/namespaces", &changed);
    set(&cluster, Some(PodSecurity::Baseline)).await.unwrap();
    assert_eq!(found(&cluster), pair(Some("baseline"), Some("privileged")));
}

#[tokio::test(start_paused = true)]
async fn conflicts_of_some_seconds_only_repeat_the_write() {
    let cluster = cluster(None);
    cluster.refuse_times(&format!("PATCH {NAMESPACE}"), 409, 9);
    set(&cluster, Some(PodSecurity::Baseline)).await.unwrap();
    assert_eq!(found(&cluster), pair(Some("baseline"), Some("")));
}

#[tokio::test]
async fn refused_release_puts_back_only_a_level_that_it_has_set() {
    use PodSecurity::{Baseline, Restricted};
    for (live, refused, serving, after) in [
        (Some(Restricted), Some(Restricted), Some(Baseline), pair(Some("baseline"), Some(""))),
        (Some(Restricted), Some(Restricted), None, pair(None, None)),
        // The refused release has not got so far.
        (Some(Baseline), Some(Restricted), None, pair(Some("baseline"), Some(""))),
        (Some(Baseline), None, Some(Restricted), pair(Some("baseline"), Some(""))),
        // It has taken the level away.
        (None, None, Some(Restricted), pair(Some("restricted"), Some(""))),
    ] {
        let (cluster, environment) = (cluster(None), environment());
        set(&cluster, live).await.unwrap();
        let test = TestContext::new(cluster.client());
        put_back(test.context(), &environment, Fence::new(FENCE), refused, serving).await.unwrap();
        assert_eq!(found(&cluster), after, "{live:?} {refused:?} {serving:?}");
    }
}

#[tokio::test]
async fn trial_names_violating_pods_and_writes_nothing() {
    let cluster = cluster(None);
    let (test, environment) = (TestContext::new(cluster.client()), environment());
    let pods =
        ["existing pods in namespace \"web\" violate the new PodSecurity enforce level", "web-1: host namespaces"];
    cluster.warn(&format!("DRY-RUN PATCH {NAMESPACE}"), &pods);
    let trial = try_out(test.context(), &environment, Some(PodSecurity::Baseline)).await.unwrap();
    assert_eq!(trial.notes, ["Namespace/web: Pod Security level none → baseline", pods[0], pods[1]]);
    assert_eq!((trial.not_checked, cluster.writes(), found(&cluster)), (None, Vec::new(), pair(None, None)));
    // A level that is set already is not tried.
    set(&cluster, Some(PodSecurity::Baseline)).await.unwrap();
    assert_eq!(try_out(test.context(), &environment, Some(PodSecurity::Baseline)).await.unwrap(), Trial::default());
}

#[tokio::test]
async fn trial_without_dry_run_is_not_checked_and_a_refusal_is_final() {
    let (cluster, environment) = (cluster(None), environment());
    let test = TestContext::new(cluster.client());
    let request = format!("DRY-RUN PATCH {NAMESPACE}");
    cluster.refuse_with(&request, 400, "admission webhook \"a.example.com\" does not support dry run");
    let trial = try_out(test.context(), &environment, Some(PodSecurity::Baseline)).await.unwrap();
    assert!(trial.not_checked.unwrap().contains("a.example.com"));
    cluster.refuse_with(&request, 403, "ValidatingAdmissionPolicy 'x' with binding 'x' denied request: no");
    let refused = try_out(test.context(), &environment, Some(PodSecurity::Baseline)).await;
    assert!(matches!(&refused, Err(Failure::Permanent(v)) if v.failure == FailureType::AdmissionDenied), "{refused:?}");
}
