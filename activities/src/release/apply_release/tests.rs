//! Applies against a fake API server.

mod accounts;
mod ending;
mod fenced;
mod jobs;
mod limits;
mod refused;
mod replicas;

use serde_json::{Value, json};

use berth_manifests::render::Stamp;
use berth_workflows::contract::verdict::{FailureType, Verdict};

use super::*;
use crate::{context::TestContext, examples::environment, fake_api_server::FakeApiServer, kubernetes::labels};

const CONFIGS: &str = "/api/v1/namespaces/pr-1/configmaps";
const SERVICES: &str = "/api/v1/namespaces/pr-1/services";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/pr-1/deployments";
const INGRESSES: &str = "/apis/networking.k8s.io/v1/namespaces/pr-1/ingresses";
const PARENT: &str = "/api/v1/namespaces/pr-1/secrets/berth-applyset";

/// A `ConfigMap` with one value.
fn config(name: &str, value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"VALUE": value}})
}

fn deployment(image: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"image": image}})
}

fn service() -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"type": "ClusterIP"}})
}

fn ingress() -> Value {
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web"}, "spec": {}})
}

/// A small app: three stages, four objects. The image is all that differs from release to release.
fn app(image: &str) -> Vec<Value> {
    vec![config("web", "same"), service(), deployment(image), ingress()]
}

/// A release as it is stored, with berth's labels and annotations.
fn release(commit: &str, objects: Vec<Value>) -> StoredRelease {
    let environment = environment();
    let stamp = Stamp {
        app: environment.app,
        workflow: environment.workflow_id,
        installation: "berth".into(),
        commit: commit.into(),
        applyset: Some(labels::applyset_id("pr-1")),
    };
    let stamped = objects.into_iter().map(|document| {
        let mut object = Object::new("", 0, document);
        stamp.apply(&mut object);
        object.document
    });
    StoredRelease {
        version: None,
        commit: commit.into(),
        secret: "web-secrets-1".into(),
        objects: stamped.collect(),
        pod_security: None,
        pull_secret: None,
        gates: Vec::new(),
    }
}

/// An apply of rollout `deploy_id`.
struct Apply<'a> {
    cluster: &'a FakeApiServer,
    deploy_id: u64,
    serving: Option<&'a StoredRelease>,
    mode: Mode,
    reported: Option<&'a str>,
}

impl<'a> Apply<'a> {
    fn first(cluster: &'a FakeApiServer, deploy_id: u64) -> Self {
        Self { cluster, deploy_id, serving: None, mode: Mode::Release, reported: None }
    }

    fn over(self, serving: &'a StoredRelease) -> Self {
        Self { serving: Some(serving), ..self }
    }

    fn rollback(self) -> Self {
        Self { mode: Mode::Rollback, ..self }
    }

    async fn run(&self, release: &StoredRelease) -> Result<AppliedRelease, Failure> {
        let environment = environment();
        let Self { deploy_id, serving, mode, reported, .. } = *self;
        let apply = ReleaseApply {
            environment: &environment,
            release,
            store: None,
            serving,
            deploy_id,
            mode,
            reported,
            kept: None,
        };
        apply_release(TestContext::new(self.cluster.client()).context(), &apply).await
    }

    async fn verdict(&self, release: &StoredRelease) -> Verdict {
        match self.run(release).await {
            Err(Failure::Permanent(verdict)) => *verdict,
            other => panic!("should be refused: {other:?}"),
        }
    }
}

/// A cluster in which a release serves. Rollout 1 has applied it.
async fn cluster_with(serving: &StoredRelease) -> FakeApiServer {
    let cluster = FakeApiServer::default();
    Apply::first(&cluster, 1).run(serving).await.unwrap();
    cluster
}

/// The content of every object of a release, in the cluster. A missing object is null.
fn contents(cluster: &FakeApiServer) -> Vec<(String, Value)> {
    let paths = [CONFIGS, SERVICES, DEPLOYMENTS, INGRESSES].iter().flat_map(|path| cluster.below(path));
    paths.map(|path| (path.clone(), difference::content(&cluster.get(&path).unwrap()))).collect()
}

/// The requests since `before` requests had been sent.
fn since(cluster: &FakeApiServer, before: usize) -> Vec<String> {
    cluster.requests().split_off(before)
}

#[tokio::test]
async fn first_release_is_read_and_applied_without_a_dry_run() {
    let cluster = FakeApiServer::default();
    let applied = Apply::first(&cluster, 1).run(&release("a", app("v1"))).await.unwrap();
    assert_eq!(applied.plan.created, ["ConfigMap/web", "Service/web", "Deployment/web", "Ingress/web"]);
    let [config, service, deployment, ingress] =
        [CONFIGS, SERVICES, DEPLOYMENTS, INGRESSES].map(|all| format!("{all}/web"));
    let expected = [
        format!("GET {PARENT}"),
        format!("GET {config}"),
        format!("GET {service}"),
        format!("GET {deployment}"),
        format!("GET {ingress}"),
        format!("PATCH {PARENT}"),
        format!("PATCH {config}"),
        format!("PATCH {service}"),
        format!("PATCH {deployment}"),
        format!("PATCH {ingress}"),
    ];
    assert_eq!(cluster.requests(), expected);
}

#[tokio::test]
async fn next_release_asks_only_about_the_objects_that_differ() {
    let serving = release("a", app("v1"));
    let cluster = cluster_with(&serving).await;
    let before = cluster.requests().len();
    let applied = Apply::first(&cluster, 2).over(&serving).run(&release("b", app("v2"))).await.unwrap();
    assert_eq!((applied.plan.changed, applied.plan.unchanged), (vec!["Deployment/web".to_owned()], 3));
    let requests = since(&cluster, before);
    let asked: Vec<_> = requests.iter().filter(|request| request.starts_with("DRY-RUN")).collect();
    assert_eq!(asked, [&format!("DRY-RUN PATCH {DEPLOYMENTS}/web")]);
    assert_eq!(requests.len(), 11, "two for each object, two for the set, and the dry run: {requests:?}");
}

#[tokio::test]
async fn second_attempt_changes_nothing() {
    let cluster = FakeApiServer::default();
    let release = release("a", app("v1"));
    let apply = Apply::first(&cluster, 7);
    let first = apply.run(&release).await.unwrap();
    let versions = || cluster.below("/").iter().filter_map(|path| cluster.get(path)).collect::<Vec<_>>();
    let before = versions();
    let second = apply.run(&release).await.unwrap();
    assert_eq!(versions(), before);
    assert_eq!((second.plan.unchanged, second.workloads), (4, first.workloads));
}

#[tokio::test]
async fn same_release_again_is_unchanged_and_starts_no_generation() {
    let serving = release("a", app("v1"));
    let cluster = cluster_with(&serving).await;
    let applied = Apply::first(&cluster, 2).over(&serving).run(&serving).await.unwrap();
    assert_eq!((applied.plan.unchanged, applied.workloads[0].generation), (4, 1), "{:?}", applied.plan);
    let web = cluster.get(&format!("{DEPLOYMENTS}/web")).unwrap();
    let marks = &web["metadata"];
    assert_eq!(
        (&marks["labels"][labels::DEPLOY_ID], &marks["annotations"][labels::CREATED_BY]),
        (&json!("2"), &json!("1"))
    );
}

#[tokio::test]
async fn stored_release_contains_no_mark_of_its_apply() {
    let serving = release("a", app("v1"));
    let before = serving.clone();
    cluster_with(&serving).await;
    assert_eq!(serving, before);
    let stored = serde_json::to_string(&serving).unwrap();
    assert!([labels::DEPLOY_ID, labels::CREATED_BY, labels::TEMPLATE].iter().all(|mark| !stored.contains(mark)));
}

#[tokio::test]
async fn release_is_stored_before_its_first_object_is_applied() {
    let cluster = FakeApiServer::default();
    let (environment, release) = (environment(), release("a", app("v1")));
    let secret = release.to_secrets(&environment, "berth").await.unwrap();
    let apply = ReleaseApply {
        environment: &environment,
        release: &release,
        store: Some(&secret),
        serving: None,
        deploy_id: 1,
        mode: Mode::Release,
        reported: None,
        kept: None,
    };
    let test = TestContext::new(cluster.client());
    apply_release(test.context(), &apply).await.unwrap();
    let writes = cluster.writes();
    let at = |request: &str| writes.iter().position(|write| write == request).unwrap();
    assert!(at("POST /api/v1/namespaces/pr-1/secrets") < at(&format!("PATCH {CONFIGS}/web")), "{writes:?}");
    // A release that is overtaken is not even stored.
    let overtaken = FakeApiServer::default();
    Apply::first(&overtaken, 2).run(&release).await.unwrap();
    apply_release(TestContext::new(overtaken.client()).context(), &apply).await.unwrap_err();
    assert!(!overtaken.writes().iter().any(|write| write.starts_with("POST")));
}

#[tokio::test]
async fn objects_after_a_failed_release_are_all_asked_about() {
    let serving = release("a", app("v1"));
    let cluster = cluster_with(&serving).await;
    // The release was applied, and its pods failed.
    Apply::first(&cluster, 2).over(&serving).run(&release("b", app("broken"))).await.unwrap();
    let before = cluster.requests().len();
    Apply::first(&cluster, 3).over(&serving).run(&release("c", app("v3"))).await.unwrap();
    let asked = since(&cluster, before).iter().filter(|request| request.starts_with("DRY-RUN")).count();
    assert_eq!(asked, 4);
}

#[tokio::test]
async fn field_that_a_manifest_drops_goes_and_a_foreign_one_stays() {
    let serving = release("a", vec![config("web", "1")]);
    let cluster = cluster_with(&serving).await;
    let path = format!("{CONFIGS}/web");
    let mut edited = cluster.get(&path).unwrap();
    edited["data"]["THEIRS"] = json!("kept");
    cluster.put(CONFIGS, &edited);
    let mut next = config("web", "1");
    next["data"] = json!({"OTHER": "2"});
    let applied = Apply::first(&cluster, 2).over(&serving).run(&release("b", vec![next])).await.unwrap();
    assert_eq!(applied.plan.changed, ["ConfigMap/web"]);
    assert_eq!(cluster.get(&path).unwrap()["data"], json!({"OTHER": "2", "THEIRS": "kept"}));
}
