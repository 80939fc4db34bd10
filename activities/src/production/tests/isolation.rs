//! Isolation and the pull secret as parts of a release.

use berth_workflows::contract::{
    apply::{Applied, ApplyStoredInput},
    rollout_input::{RolloutInput, Source},
    timings::StartTimings,
};
use serde_json::Value;

use super::*;
use crate::{
    kubernetes::labels,
    release::{apply_stored, stored_release::StoredRelease},
};

const NAMESPACE: &str = "/api/v1/namespaces/web";
const POLICY: &str = "/apis/networking.k8s.io/v1/namespaces/web/networkpolicies/berth";
const COPY: &str = "/api/v1/namespaces/web/secrets/registry";
/// The content of the pull secret, in base64.
const CREDENTIALS: &str = "eyJhdXRocyI6e319";

/// Production whose app file has these fields, in a namespace without a level, with a pull secret in berth's namespace.
fn bench(production: Value, app: Value) -> Bench {
    let mut bench = Bench::new();
    let own = labels::owner_labels(&environment(), "berth");
    bench.cluster.put("/api/v1/namespaces", &json!({"metadata": {"name": "web", "uid": "u", "labels": own}}));
    put_credentials(&bench, CREDENTIALS);
    bench.app = app_with(production, app);
    bench
}

fn app_with(production: Value, app: Value) -> App {
    let mut all = json!({"production": {"namespace": "web", "host": "www.example.com"}});
    all["production"].as_object_mut().unwrap().extend(production.as_object().unwrap().clone());
    all.as_object_mut().unwrap().extend(app.as_object().unwrap().clone());
    examples::app(all)
}

fn put_credentials(bench: &Bench, content: &str) {
    let source = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "registry"},
        "type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": content}});
    bench.cluster.put("/api/v1/namespaces/berth-system/secrets", &source);
}

fn isolated() -> Value {
    json!({"isolation": {"pod_security": "restricted", "egress": "listed"}})
}

impl Bench {
    /// Applies a planned release, or rolls back to it.
    async fn apply(&self, planned: &PlannedRelease, deploy_id: u64, rollback: bool) -> Result<Applied, Failure> {
        self.apply_over(None, planned, deploy_id, rollback).await
    }

    async fn apply_over(
        &self,
        serving: Option<&PlannedRelease>,
        planned: &PlannedRelease,
        deploy_id: u64,
        rollback: bool,
    ) -> Result<Applied, Failure> {
        let deploy = RolloutInput {
            environment: environment(),
            release: release(deploy_id, '1'),
            number: deploy_id,
            deploy_id,
            keep: Vec::new(),
            timings: StartTimings::default(),
            app_timings: None,
            serving: serving.map(|serving| serving.stored_release.clone()),
            source: Source::Manifests,
            keep_proven: 0,
        };
        let stored_release = planned.stored_release.clone();
        let input = ApplyStoredInput { deploy, stored_release, rollback, waited_for: None };
        apply_stored(self.test.context(), &input).await
    }

    /// Returns the namespace's level.
    fn level(&self) -> Value {
        self.cluster.get(NAMESPACE).unwrap()["metadata"]["labels"][labels::POD_SECURITY].clone()
    }
}

#[tokio::test]
async fn plan_shows_the_policy_the_level_and_the_pods_that_violate_it() {
    let bench = bench(isolated(), json!({}));
    let request = format!("DRY-RUN PATCH {NAMESPACE}");
    bench.cluster.warn(&request, &["web-1 (and 2 other pods): allowPrivilegeEscalation != false"]);
    let plan = bench.plan(&Bench::input(1, '1', "web-secrets-1", None)).await.unwrap().plan;
    assert!(plan.created.contains(&"NetworkPolicy/berth".to_owned()), "{:?}", plan.created);
    assert!(plan.notes[0].contains("traffic from other namespaces will be refused"), "{:?}", plan.notes);
    assert_eq!(plan.notes[1], "Namespace/web: Pod Security level none → restricted");
    assert!(plan.notes[2].starts_with("web-1 (and 2 other pods)"), "{:?}", plan.notes);
    assert_eq!((bench.level(), bench.cluster.get(POLICY)), (Value::Null, None), "planning changes nothing");
    bench.cluster.refuse_with(&request, 400, "admission webhook \"a\" does not support dry run");
    let plan = bench.plan(&Bench::input(1, '1', "web-secrets-1", None)).await.unwrap().plan;
    assert!(plan.not_checked.iter().any(|part| part.contains("violate")), "{:?}", plan.not_checked);
}

#[tokio::test]
async fn release_without_isolation_leaves_policies_and_level_alone() {
    let bench = bench(json!({}), json!({}));
    let planned = bench.plan(&Bench::input(1, '1', "web-secrets-1", None)).await.unwrap();
    assert!(!planned.plan.created.iter().any(|name| name.starts_with("NetworkPolicy/")), "{:?}", planned.plan);
    bench.apply(&planned, 1, false).await.unwrap();
    let writes = bench.cluster.requests().into_iter().filter(|request| request.ends_with(NAMESPACE));
    assert_eq!(writes.filter(|request| !request.starts_with("GET ")).count(), 0);
    assert_eq!((bench.level(), bench.cluster.get(POLICY)), (Value::Null, None));
}

#[tokio::test]
async fn rollback_takes_isolation_away_and_brings_it_back() {
    let mut bench = bench(json!({}), json!({}));
    let open = bench.proven(1, '1', None).await;
    bench.apply(&open, 1, false).await.unwrap();
    bench.app = app_with(isolated(), json!({}));
    let closed = bench.proven(2, '2', Some(&open)).await;
    let applied = bench.apply(&closed, 2, false).await.unwrap();
    assert!(applied.plan.notes.iter().any(|note| note.contains("none → restricted")), "{:?}", applied.plan.notes);
    assert!(bench.cluster.get(POLICY).is_some() && bench.level() == "restricted");

    for deploy_id in [3, 3] {
        bench.apply(&open, deploy_id, true).await.unwrap();
        assert_eq!((bench.level(), bench.cluster.get(POLICY)), (Value::Null, None));
    }
    bench.apply(&closed, 4, true).await.unwrap();
    assert!(bench.cluster.get(POLICY).is_some() && bench.level() == "restricted");

    let by = berth_workflows::contract::release::Name::try_from("ops".to_owned()).unwrap();
    restore(&bench.cluster.client(), "web", Some(1), &by).await.unwrap();
    assert_eq!((bench.level(), bench.cluster.get(POLICY)), (Value::Null, None), "by hand as well");
}

#[tokio::test]
async fn policy_of_somebody_else_survives_a_rollback() {
    let bench = bench(json!({}), json!({}));
    let open = bench.plan(&Bench::input(1, '1', "web-secrets-1", None)).await.unwrap();
    let (collection, _) = POLICY.rsplit_once('/').unwrap();
    bench.cluster.put(collection, &json!({"metadata": {"name": "berth"}, "spec": {}}));
    bench.apply(&open, 3, true).await.unwrap();
    assert!(bench.cluster.get(POLICY).is_some());
}

#[tokio::test]
async fn releases_that_differ_in_the_level_alone_differ() {
    let mut bench = bench(json!({"isolation": {"pod_security": "baseline"}}), json!({}));
    let one = bench.proven(1, '1', None).await;
    bench.app = app_with(json!({"isolation": {"pod_security": "restricted"}}), json!({}));
    let two = bench.proven(2, '1', Some(&one)).await;
    assert_ne!((&one.plan.id, &one.stored_release), (&two.plan.id, &two.stored_release));
    let found = bench.find(back_from(version(&two, 2, '1'))).await;
    assert!(matches!(found, FoundRollback::Found { version, .. } if version.stored_release == one.stored_release));
}

#[tokio::test]
async fn refused_release_puts_its_level_back() {
    for is_first in [true, false] {
        let mut bench = bench(json!({}), json!({}));
        let open = bench.proven(1, '1', None).await;
        bench.apply(&open, 1, false).await.unwrap();
        bench.app = app_with(isolated(), json!({}));
        let serving = (!is_first).then_some(&open);
        let closed = bench.plan(&Bench::input(2, '2', "web-secrets-1", serving)).await.unwrap();
        bench.cluster.refuse(&format!("PATCH {DEPLOYMENTS}/web-web"), 422);
        let refused = bench.apply_over(serving, &closed, 2, false).await;
        assert!(matches!(&refused, Err(Failure::Permanent(verdict)) if verdict.mixed.is_empty()), "{refused:?}");
        let writes = bench.cluster.writes().into_iter().filter(|write| *write == format!("PATCH {NAMESPACE}"));
        assert_eq!((bench.level(), writes.count()), (Value::Null, 2), "set, and put back");
    }
}

#[tokio::test]
async fn pull_secret_is_stored_with_the_release_and_shown_by_name_only() {
    let bench = bench(json!({}), json!({"image_pull_secret": "registry"}));
    let planned = bench.plan(&Bench::input(1, '1', "web-secrets-1", None)).await.unwrap();
    assert!(planned.plan.created.contains(&"Secret/registry".to_owned()), "{:?}", planned.plan.created);
    assert!(!serde_json::to_string(&planned).unwrap().contains(CREDENTIALS));
    assert_eq!(bench.cluster.get(COPY), None, "planning changes nothing");
    bench.apply(&planned, 1, false).await.unwrap();
    let copy = bench.cluster.get(COPY).unwrap();
    assert_eq!(copy["data"][".dockerconfigjson"], CREDENTIALS);
    assert_eq!(copy["type"], "kubernetes.io/dockerconfigjson");

    // Another registry password is another release; a rollback has the old one.
    put_credentials(&bench, "eyJhdXRocyI6e30g");
    let changed = bench.plan(&Bench::input(2, '2', "web-secrets-1", Some(&planned))).await.unwrap();
    assert!(changed.plan.changed.contains(&"Secret/registry".to_owned()), "{:?}", changed.plan);
    bench.apply(&changed, 2, false).await.unwrap();
    bench.apply(&planned, 3, true).await.unwrap();
    assert_eq!(bench.cluster.get(COPY).unwrap()["data"][".dockerconfigjson"], CREDENTIALS);
    let text = bench.cluster.get(&format!("{SECRETS}/berth-plan-{}", changed.plan.id)).unwrap();
    let text: k8s_openapi::api::core::v1::Secret = serde_json::from_value(text).unwrap();
    let text = String::from_utf8(text.data.unwrap()["plan.txt"].0.clone()).unwrap();
    assert!(!text.contains("eyJhdXRocyI6e30") && text.contains("Deployment/web-web"), "{text}");
}

#[tokio::test]
async fn rollback_passes_a_release_with_another_pull_secret_alone() {
    let bench = bench(json!({}), json!({"image_pull_secret": "registry"}));
    let one = bench.proven(1, '1', None).await;
    let two = bench.proven(2, '2', Some(&one)).await;
    put_credentials(&bench, "eyJhdXRocyI6e30g");
    let three = bench.proven(3, '2', Some(&two)).await;
    assert_ne!(two.stored_release, three.stored_release);
    let found = bench.find(back_from(version(&three, 3, '2'))).await;
    assert!(matches!(found, FoundRollback::Found { version, .. } if version.stored_release == one.stored_release));
}

#[tokio::test]
async fn missing_pull_secret_refuses_the_plan() {
    let bench = bench(json!({}), json!({"image_pull_secret": "another"}));
    let refused = bench.plan(&Bench::input(1, '1', "web-secrets-1", None)).await;
    assert!(matches!(&refused, Err(Failure::Permanent(v)) if v.failure == FailureType::ConfigMissing), "{refused:?}");
}

#[tokio::test]
async fn stored_release_without_a_level_is_read_as_before() {
    let release = StoredRelease::empty();
    let text = serde_json::to_string(&release).unwrap();
    assert!(!text.contains("pod_security"), "{text}");
    assert_eq!(serde_json::from_str::<StoredRelease>(&text).unwrap(), release);
}
