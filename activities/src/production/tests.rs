//! Plans and rollbacks of production against a fake API server.

mod isolation;
mod leftovers;

use berth_manifests::app::App;
use berth_workflows::contract::{
    environment::{Environment, EnvironmentKind},
    plan::{PlanReleaseInput, PlannedRelease},
    preparation::SyncedSecrets,
    production::SecretsChoice,
    production_record::{
        FindRollbackInput, FoundRollback, ProductionRecord, RecallInput, RecordInput, ReleaseMark, StoredVersion,
    },
    release::{Commit, Image, Release},
    verdict::FailureType,
};
use serde_json::json;

use super::*;
use crate::{context::TestContext, examples, failure::Failure, fake_api_server::FakeApiServer};

const SECRETS: &str = "/api/v1/namespaces/web/secrets";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/web/deployments";

/// Production of the example app, on a fake API server.
struct Bench {
    cluster: FakeApiServer,
    test: TestContext,
    app: App,
}

impl Bench {
    fn new() -> Self {
        let cluster = FakeApiServer::default();
        let test = TestContext::new(cluster.client());
        let app = examples::app(json!({"production": {"namespace": "web", "host": "www.example.com"}}));
        let bench = Self { cluster, test, app };
        bench.put_secrets("web-secrets-1", json!({"A": "MQ==", "B": "MQ=="}));
        bench.put_secrets("web-secrets-2", json!({"A": "Mg==", "B": "MQ=="}));
        bench
    }

    fn put_secrets(&self, name: &str, data: serde_json::Value) {
        self.cluster.put(SECRETS, &json!({"metadata": {"name": name, "namespace": "web"}, "data": data}));
    }

    fn input(number: u64, digit: char, secret: &str, serving: Option<&PlannedRelease>) -> PlanReleaseInput {
        PlanReleaseInput {
            environment: environment(),
            release: release(number, digit),
            deploy_id: 100,
            secrets: secrets(secret),
            serving: serving.map(|serving| serving.stored_release.clone()),
            keep: None,
            keep_proven: 0,
        }
    }

    async fn plan(&self, input: &PlanReleaseInput) -> Result<PlannedRelease, Failure> {
        plan_release(self.test.context(), &self.app, input).await
    }

    /// Plans a release over the one that serves, and notes that it was proven.
    async fn proven(&self, number: u64, digit: char, serving: Option<&PlannedRelease>) -> PlannedRelease {
        let planned = self.plan(&Self::input(number, digit, "web-secrets-1", serving)).await.unwrap();
        let mark = ReleaseMark {
            stored_release: planned.stored_release.clone(),
            proven_ms: Some(number * 1000),
            ..ReleaseMark::default()
        };
        let recall = RecallInput { environment: environment() };
        let version = recall_production(self.test.context(), &recall).await.unwrap().version;
        let record = ProductionRecord { release: number, ..ProductionRecord::default() };
        let input = RecordInput { environment: environment(), record, version, marks: vec![mark] };
        record_production(self.test.context(), &input).await.unwrap();
        planned
    }

    async fn find(&self, find: FindRollbackInput) -> FoundRollback {
        find_rollback(self.test.context(), &find).await.unwrap()
    }
}

fn environment() -> Environment {
    Environment {
        kind: EnvironmentKind::Production,
        workflow_id: "production-web".into(),
        namespace: "web".into(),
        host: "www.example.com".into(),
        ..examples::environment()
    }
}

pub(super) fn release(number: u64, digit: char) -> Release {
    Release {
        number: Some(number),
        ..Release::new(
            Commit::try_from(digit.to_string().repeat(40)).unwrap(),
            Image::try_from(format!("registry.example.com/web@sha256:{}", digit.to_string().repeat(64))).unwrap(),
        )
    }
}

pub(super) fn secrets(name: &str) -> SyncedSecrets {
    SyncedSecrets {
        secret: name.into(),
        version: name.into(),
        set_by_berth: Vec::new(),
        stale: Vec::new(),
        temporal_server_address: "web-temporal:7233".into(),
        temporal_server_address_from_doppler: false,
    }
}

fn version(planned: &PlannedRelease, number: u64, digit: char) -> StoredVersion {
    StoredVersion {
        release: release(number, digit),
        stored_release: planned.stored_release.clone(),
        secrets: planned.secrets.clone(),
    }
}

fn back_from(serving: StoredVersion) -> FindRollbackInput {
    FindRollbackInput {
        environment: environment(),
        to: None,
        serving: Some(serving),
        served_before: None,
        secrets: Some(SecretsChoice::Stored),
        current: None,
    }
}

#[tokio::test]
async fn a_plan_writes_only_content_named_secrets_and_is_the_same_again() {
    let bench = Bench::new();
    let input = Bench::input(1, '1', "web-secrets-1", None);
    let first = bench.plan(&input).await.unwrap();
    assert!(first.plan.created.contains(&"Deployment/web-web".to_owned()), "{:?}", first.plan);
    let real: Vec<_> = bench.cluster.writes().into_iter().filter(|write| !write.starts_with("DRY-RUN")).collect();
    assert_eq!(real, [format!("POST {SECRETS}"), format!("POST {SECRETS}")]);
    let before = bench.cluster.below("/");
    assert_eq!(bench.plan(&input).await.unwrap(), first);
    assert_eq!(bench.cluster.below("/"), before, "a second run adds nothing");
}

#[tokio::test]
async fn a_plan_names_images_secrets_and_commits_that_change() {
    let bench = Bench::new();
    let one = bench.proven(1, '1', None).await;
    let two = bench.plan(&Bench::input(2, '2', "web-secrets-2", Some(&one))).await.unwrap().plan;
    assert_eq!(
        (two.from_commit.as_deref(), two.changed_secrets),
        (Some("1".repeat(40).as_str()), vec!["A".to_owned()])
    );
    assert!(two.images.iter().any(|image| image.to.as_deref().is_some_and(|to| to.ends_with(&"2".repeat(64)))));
    assert!(two.created.is_empty() && two.changed.contains(&"Deployment/web-web".to_owned()), "{:?}", two.changed);
    let text = bench.cluster.get(&format!("{SECRETS}/berth-plan-{}", two.id)).unwrap();
    assert!(text["data"]["plan.txt"].is_string());
}

#[tokio::test]
async fn the_id_of_a_plan_changes_with_content_secret_and_what_serves() {
    let bench = Bench::new();
    let one = bench.proven(1, '1', None).await;
    let id = async |digit, secret, serving| bench.plan(&Bench::input(2, digit, secret, serving)).await.unwrap().plan.id;
    let plain = id('2', "web-secrets-1", None).await;
    assert_eq!(plain, id('2', "web-secrets-1", None).await);
    for other in [
        id('3', "web-secrets-1", None).await,
        id('2', "web-secrets-2", None).await,
        id('2', "web-secrets-1", Some(&one)).await,
    ] {
        assert_ne!(other, plain);
    }
}

#[tokio::test]
async fn a_release_that_the_dry_run_refuses_has_no_plan() {
    let bench = Bench::new();
    bench.cluster.refuse(&format!("DRY-RUN PATCH {DEPLOYMENTS}/web-web"), 422);
    let refused = bench.plan(&Bench::input(1, '1', "web-secrets-1", None)).await;
    let Err(Failure::Permanent(verdict)) = refused else { panic!("{refused:?}") };
    assert_eq!(verdict.failure, FailureType::ManifestInvalid);
}

#[tokio::test]
async fn a_rollback_leads_to_the_last_proven_release_that_differs() {
    let bench = Bench::new();
    let one = bench.proven(1, '1', None).await;
    let two = bench.proven(2, '2', Some(&one)).await;
    // The same content under another number, with other secrets only.
    let same = bench.proven(3, '2', Some(&two)).await;
    let FoundRollback::Found { version: found, secrets, .. } = bench.find(back_from(version(&same, 3, '2'))).await
    else {
        panic!("nothing found")
    };
    assert_eq!((found.release.number, secrets), (Some(1), SecretsChoice::Stored));
    assert_eq!(found.stored_release, one.stored_release);
}

#[tokio::test]
async fn a_rollback_by_number_names_the_keys_that_differ() {
    let bench = Bench::new();
    bench.proven(1, '1', None).await;
    let two = bench.plan(&Bench::input(2, '2', "web-secrets-2", None)).await.unwrap();
    let find = FindRollbackInput { to: Some(1), ..back_from(version(&two, 2, '2')) };
    let FoundRollback::Found { changed_keys, .. } = bench.find(find).await else { panic!("nothing found") };
    assert_eq!(changed_keys, ["A"]);
    let find = FindRollbackInput { to: Some(9), ..back_from(version(&two, 2, '2')) };
    let FoundRollback::None { reason } = bench.find(find).await else { panic!("found") };
    assert_eq!(reason, "no stored release 9 was ever live; these were: 1");
}

#[tokio::test]
async fn a_release_that_was_never_live_is_no_way_back() {
    let bench = Bench::new();
    let own = crate::kubernetes::labels::owner_labels(&environment(), "berth");
    bench.cluster.put("/api/v1/namespaces", &json!({"metadata": {"name": "web", "uid": "u", "labels": own}}));
    let one = bench.proven(1, '1', None).await;
    // Planned, and then rejected or failed.
    bench.plan(&Bench::input(2, '2', "web-secrets-1", Some(&one))).await.unwrap();
    let find = FindRollbackInput { to: Some(2), ..back_from(version(&one, 1, '1')) };
    let FoundRollback::None { reason } = bench.find(find).await else { panic!("found") };
    assert!(reason.contains("no stored release 2"), "{reason}");
    let by = berth_workflows::contract::release::Name::try_from("ops".to_owned()).unwrap();
    let refused = restore(&bench.cluster.client(), "web", Some(2), &by).await.unwrap_err();
    assert!(refused.to_string().contains("no stored release 2"), "{refused}");
}

#[tokio::test]
async fn a_rollback_without_a_number_never_leads_forward() {
    let bench = Bench::new();
    let one = bench.proven(1, '1', None).await;
    let two = bench.proven(2, '2', Some(&one)).await;
    // Release 1 serves again. Release 2 was proven, but it was left behind.
    let FoundRollback::None { reason } = bench.find(back_from(version(&one, 1, '1'))).await else { panic!("found") };
    assert_eq!(reason, "no release before the one that serves was live and differs from it; these were: 1, 2");
    let find = FindRollbackInput { to: Some(2), ..back_from(version(&one, 1, '1')) };
    let FoundRollback::Found { version: found, .. } = bench.find(find).await else { panic!("nothing found") };
    assert_eq!(found.stored_release, two.stored_release);
}

#[tokio::test]
async fn a_rollback_with_current_secrets_stores_the_release_anew() {
    let bench = Bench::new();
    let one = bench.proven(1, '1', None).await;
    let two = bench.proven(2, '2', Some(&one)).await;
    let find = FindRollbackInput { secrets: None, ..back_from(version(&two, 2, '2')) };
    assert_eq!(bench.find(find.clone()).await, FoundRollback::NeedsCurrentSecrets);
    let current = FindRollbackInput { current: Some(secrets("web-secrets-2")), ..find.clone() };
    let FoundRollback::Found { version: found, secrets: choice, changed_keys } = bench.find(current.clone()).await
    else {
        panic!("nothing found")
    };
    assert_eq!(
        (choice, found.secrets.secret.as_str(), changed_keys.len()),
        (SecretsChoice::Current, "web-secrets-2", 1)
    );
    assert_ne!(found.stored_release, one.stored_release);
    let before = bench.cluster.below("/");
    assert!(matches!(bench.find(current).await, FoundRollback::Found { .. }));
    assert_eq!(bench.cluster.below("/"), before, "a second run adds nothing");
    // The release that served directly before runs with its own.
    let directly = FindRollbackInput { served_before: Some(one.stored_release), ..find };
    assert!(matches!(bench.find(directly).await, FoundRollback::Found { secrets: SecretsChoice::Stored, .. }));
}

#[tokio::test]
async fn a_restore_applies_the_proven_release_and_says_so_in_the_record() {
    let bench = Bench::new();
    let own = crate::kubernetes::labels::owner_labels(&environment(), "berth");
    bench.cluster.put("/api/v1/namespaces", &json!({"metadata": {"name": "web", "uid": "u", "labels": own}}));
    let one = bench.proven(1, '1', None).await;
    bench.plan(&Bench::input(2, '2', "web-secrets-2", Some(&one))).await.unwrap();
    let by = berth_workflows::contract::release::Name::try_from("ops".to_owned()).unwrap();
    let client = bench.cluster.client();
    assert!(!is_restored(&client, "berth", "web", "web").await.unwrap(), "there is no record yet");
    let first = restore(&bench.cluster.client(), "web", None, &by).await.unwrap();
    assert_eq!((first.version.release.number, first.version.stored_release), (Some(1), one.stored_release.clone()));
    assert!(bench.cluster.get(&format!("{DEPLOYMENTS}/web-web")).is_some());
    let recall = RecallInput { environment: environment() };
    let record = recall_production(bench.test.context(), &recall).await.unwrap().record.unwrap();
    assert_eq!(record.restored.unwrap().version.stored_release, one.stored_release);
    assert!(is_restored(&client, "berth", "web", "web").await.unwrap());
    assert!(is_restored(&client, "another", "web", "web").await.is_err(), "it belongs to another installation");
    // A second run changes nothing, and is above the first.
    let second = restore(&bench.cluster.client(), "web", Some(1), &by).await.unwrap();
    assert!(second.created.is_empty() && second.changed.is_empty() && second.deploy_id > first.deploy_id);
    let missing = restore(&bench.cluster.client(), "web", Some(9), &by).await.unwrap_err();
    assert!(missing.to_string().contains("no stored release 9"), "{missing}");
    assert!(restore(&bench.cluster.client(), "another", None, &by).await.is_err());
}

#[tokio::test]
async fn a_restore_keeps_what_a_newer_berth_has_recorded() {
    const MAPS: &str = "/api/v1/namespaces/web/configmaps";
    let bench = Bench::new();
    let own = crate::kubernetes::labels::owner_labels(&environment(), "berth");
    bench.cluster.put("/api/v1/namespaces", &json!({"metadata": {"name": "web", "uid": "u", "labels": own}}));
    bench.proven(1, '1', None).await;
    let newer =
        json!({"release": 1, "deploy_id": 900_000_000, "rollout": 4, "live_since_ms": 1, "canary": {"share": 5}});
    let metadata = json!({"name": "berth-production", "namespace": "web", "labels": own});
    bench.cluster.put(MAPS, &json!({"metadata": metadata, "data": {"record": newer.to_string()}}));
    let by = berth_workflows::contract::release::Name::try_from("ops".to_owned()).unwrap();
    let restored = restore(&bench.cluster.client(), "web", None, &by).await.unwrap();
    assert_eq!(restored.deploy_id, 900_000_001);
    let map = bench.cluster.get(&format!("{MAPS}/berth-production")).unwrap();
    let record: serde_json::Value = serde_json::from_str(map["data"]["record"].as_str().unwrap()).unwrap();
    assert_eq!((&record["canary"], &record["rollout"]), (&newer["canary"], &newer["rollout"]));
    assert_eq!((&record["deploy_id"], &record["restored"]["by"]), (&json!(900_000_001), &json!("ops")));
}
