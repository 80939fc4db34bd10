//! Prunes against a fake API server.

use berth_workflows::contract::{environment::EnvironmentKind, verdict::FailureType};
use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};

use super::*;
use crate::{context::TestContext, examples::environment, fake_api_server::FakeApiServer};

const SECRETS: &str = "/api/v1/namespaces/pr-1/secrets";
const CONFIGS: &str = "/api/v1/namespaces/pr-1/configmaps";
const CLAIMS: &str = "/api/v1/namespaces/pr-1/persistentvolumeclaims";

fn production() -> Environment {
    Environment { kind: EnvironmentKind::Production, ..environment() }
}

/// A member of the environment's set, written by rollout `deploy_id`.
fn member(kind: &str, name: &str, deploy_id: &str) -> Value {
    let mut own = labels::owner_labels(&environment(), "berth");
    own.insert(labels::APPLYSET_PART_OF.into(), labels::applyset_id("pr-1"));
    own.insert(labels::DEPLOY_ID.into(), deploy_id.into());
    json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "labels": own}})
}

/// A stored release with one `ConfigMap`, `kept`. `number` makes its name different from others'.
fn stored(number: u64) -> Secret {
    let kept = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept"}, "data": {"N": number}});
    let (commit, secret) = (number.to_string(), format!("secrets-{number}"));
    let release = StoredRelease {
        commit,
        version: None,
        secret,
        objects: vec![kept],
        pod_security: None,
        pull_secret: None,
        gates: Vec::new(),
    };
    release.to_secret(&environment(), "berth")
}

/// Stores a release and its Secret, and returns the release's name.
fn put_release(cluster: &FakeApiServer, number: u64, proven_at: Option<&str>) -> String {
    let mut release = stored(number);
    release.annotations_mut().extend(proven_at.map(|at| (labels::PROVEN_AT.to_owned(), at.to_owned())));
    cluster.put(SECRETS, &json!(release));
    let own = labels::content_labels(&environment(), "berth", labels::SECRETS);
    let name = format!("secrets-{number}");
    cluster.put(SECRETS, &json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "labels": own}}));
    release.name_any()
}

/// A cluster in which release 1 serves, with the object `dropped` of each kind, which it lacks.
async fn cluster(environment: &Environment, kinds: &[&str]) -> (FakeApiServer, PruneInput) {
    let cluster = FakeApiServer::default();
    let test = TestContext::new(cluster.client());
    let set: BTreeSet<String> = kinds.iter().map(|kind| (*kind).to_owned()).collect();
    applyset::claim(test.context(), environment, Fence::new(5), None, &set).await.unwrap();
    for kind in kinds.iter().filter(|kind| !kind.contains('.')) {
        let plural = format!("{}s", kind.to_lowercase());
        cluster.put(&format!("/api/v1/namespaces/pr-1/{plural}"), &member(kind, "dropped", "4"));
    }
    cluster.put(CONFIGS, &member("ConfigMap", "kept", "5"));
    let input = PruneInput {
        environment: environment.clone(),
        stored_release: put_release(&cluster, 1, None),
        keep: Vec::new(),
        keep_proven: 0,
        deploy_id: 5,
        rollback: false,
    };
    (cluster, input)
}

async fn run(cluster: &FakeApiServer, input: &PruneInput) -> Result<Pruned, Failure> {
    prune(TestContext::new(cluster.client()).context(), input).await
}

#[tokio::test]
async fn second_prune_removes_nothing() {
    let (cluster, input) = cluster(&environment(), &["ConfigMap", "Service"]).await;
    let pruned = run(&cluster, &input).await.unwrap();
    assert_eq!(pruned.removed, ["ConfigMap/dropped", "Service/dropped"]);
    let writes = cluster.writes().len();
    assert_eq!(run(&cluster, &input).await.unwrap().removed, [""; 0]);
    assert_eq!(cluster.writes().len(), writes);
    assert_eq!(cluster.below(CONFIGS), [format!("{CONFIGS}/kept")]);
}

#[tokio::test]
async fn default_requests_are_back_after_the_last_limit_range() {
    let (cluster, input) = cluster(&environment(), &["LimitRange"]).await;
    let pruned = run(&cluster, &input).await.unwrap();
    assert_eq!(pruned.removed, ["LimitRange/dropped"]);
    let berths = cluster.get("/api/v1/namespaces/pr-1/limitranges/berth").unwrap();
    assert_eq!(berths["spec"]["limits"][0]["defaultRequest"], json!({"cpu": "50m", "memory": "64Mi"}));
}

#[tokio::test]
async fn claim_is_removed_in_a_preview_and_reported_in_production() {
    let kinds = ["ConfigMap", "PersistentVolumeClaim"];
    let (preview, input) = cluster(&environment(), &kinds).await;
    let pruned = run(&preview, &input).await.unwrap();
    assert_eq!(pruned.removed, ["ConfigMap/dropped", "PersistentVolumeClaim/dropped"]);
    assert_eq!((pruned.reported, preview.below(CLAIMS).len()), (Vec::new(), 0));

    let (production, input) = cluster(&production(), &kinds).await;
    for removed in [vec!["ConfigMap/dropped".to_owned()], Vec::new()] {
        let pruned = run(&production, &input).await.unwrap();
        assert_eq!(pruned.removed, removed);
        assert_eq!(pruned.reported, ["PersistentVolumeClaim/dropped"], "each prune reports it again");
    }
    assert_eq!(production.below(CLAIMS).len(), 1);
}

#[tokio::test]
async fn owned_and_ending_claims_are_not_reported() {
    let (cluster, input) = cluster(&production(), &["PersistentVolumeClaim"]).await;
    for (field, value) in [
        ("ownerReferences", json!([{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": "1"}])),
        ("deletionTimestamp", json!("2026-01-01T00:00:00Z")),
    ] {
        let mut claim = member("PersistentVolumeClaim", "dropped", "4");
        claim["metadata"][field] = value;
        cluster.put(CLAIMS, &claim);
        assert_eq!(run(&cluster, &input).await.unwrap().reported, [""; 0], "{field}");
        // The set lists the kind only while there is something to report.
        let test = TestContext::new(cluster.client());
        let parent = applyset::read(&cluster.client(), &input.environment).await.unwrap().unwrap();
        let kinds = BTreeSet::from([CLAIM.to_owned()]);
        applyset::claim(test.context(), &input.environment, Fence::new(5), Some(&parent), &kinds).await.unwrap();
    }
}

#[tokio::test]
async fn job_of_the_failed_release_outlives_a_rollback() {
    let (cluster, release) = cluster(&production(), &["ConfigMap", "Job.batch"]).await;
    let jobs = "/apis/batch/v1/namespaces/pr-1/jobs";
    cluster.put(jobs, &member("Job", "migrate-4", "4"));
    let rollback = PruneInput { rollback: true, ..release.clone() };
    for removed in [vec!["ConfigMap/dropped".to_owned()], Vec::new()] {
        let pruned = run(&cluster, &rollback).await.unwrap();
        assert_eq!((pruned.removed, pruned.reported), (removed, Vec::new()));
        assert_eq!(cluster.below(jobs).len(), 1);
    }
    // The set still lists the kind, so the next release removes it.
    assert_eq!(run(&cluster, &release).await.unwrap().removed, ["Job/migrate-4"]);
}

#[tokio::test]
async fn newest_proven_releases_are_kept_with_their_secrets() {
    let (cluster, mut input) = cluster(&production(), &["ConfigMap"]).await;
    let proven = |number: u64, at: &str| put_release(&cluster, number, Some(at));
    // The order of time is neither that of numbers nor that of text.
    let third = proven(2, "2026-03-01T00:00:00+02:00");
    let second = proven(3, "2026-02-28T23:00:00Z");
    proven(4, "2026-02-28T21:00:00Z");
    proven(5, "unreadable");
    put_release(&cluster, 6, None);
    let kept_by_name = put_release(&cluster, 7, None);
    input.keep = vec![kept_by_name.clone()];
    input.keep_proven = 2;
    let pruned = run(&cluster, &input).await.unwrap();
    let removed = pruned.removed.iter().filter(|name| name.starts_with("Secret/secrets-")).count();
    assert_eq!(removed, 3, "{pruned:?}");
    for release in [&input.stored_release, &second, &third, &kept_by_name] {
        assert!(cluster.get(&format!("{SECRETS}/{release}")).is_some(), "{release}");
    }
    let secrets: Vec<_> = cluster.below(&format!("{SECRETS}/secrets-"));
    assert_eq!(secrets, [1, 2, 3, 7].map(|n| format!("{SECRETS}/secrets-{n}")));
    assert_eq!(run(&cluster, &input).await.unwrap().removed, [""; 0]);
}

#[tokio::test]
async fn overtaken_prune_removes_nothing() {
    let (cluster, input) = cluster(&environment(), &["ConfigMap"]).await;
    let older = PruneInput { deploy_id: 4, ..input.clone() };
    let writes = cluster.writes().len();
    let result = run(&cluster, &older).await;
    let overtaken = |result: &Result<Pruned, Failure>| matches!(result, Err(Failure::Permanent(v)) if v.failure == FailureType::Overtaken);
    assert!(overtaken(&result) && cluster.writes().len() == writes, "{result:?}");

    // The newer rollout may also begin between the look at the set and the look at its objects.
    cluster.put(CONFIGS, &member("ConfigMap", "newer", "6"));
    let pruned = run(&cluster, &input).await.unwrap();
    assert_eq!(pruned.removed, ["ConfigMap/dropped"]);
}
