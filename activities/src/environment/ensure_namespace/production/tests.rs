use serde_json::{Value, json};

use super::*;
use crate::{
    context::TestContext,
    examples::{self, settings},
    fake_api_server::FakeApiServer,
};
use berth_manifests::app::App;
use berth_workflows::contract::environment::EnvironmentKind;

const NAMESPACES: &str = "/api/v1/namespaces";
const NAMESPACE: &str = "/api/v1/namespaces/web";
const BINDING: &str = "PATCH /apis/rbac.authorization.k8s.io/v1/namespaces/web/rolebindings/berth";
const LABEL: &str = "kubectl label namespace web app.kubernetes.io/managed-by=berth berth.dev/app=web \
                     berth.dev/installation=berth berth.dev/workflow=production-web";

fn environment() -> Environment {
    Environment {
        kind: EnvironmentKind::Production,
        workflow_id: "production-web".into(),
        namespace: "web".into(),
        host: "www.example.com".into(),
        temporal_ui_host: None,
        ..examples::environment()
    }
}

fn app(fields: Value) -> App {
    let mut all = json!({"production": {"namespace": "web", "host": "www.example.com"}});
    all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    examples::app(all)
}

async fn ensure(cluster: &FakeApiServer, app: &App) -> Result<NamespaceReady, Failure> {
    super::super::ensure_namespace(TestContext::new(cluster.client()).context(), app, &environment()).await
}

/// The namespace as a person made it, with these labels.
fn with_namespace(labels: Value) -> FakeApiServer {
    let cluster = FakeApiServer::default();
    let metadata = json!({"name": "web", "uid": "uid-web", "labels": labels,
        "creationTimestamp": "2026-01-01T00:00:00Z"});
    cluster.put(NAMESPACES, &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}));
    cluster
}

fn own_labels() -> Value {
    json!(labels::owner_labels(&environment(), &settings().installation))
}

async fn refusal(cluster: &FakeApiServer) -> Verdict {
    let refused = ensure(cluster, &app(json!({}))).await;
    let Err(Failure::Permanent(verdict)) = refused else { panic!("should be refused: {refused:?}") };
    assert_eq!(verdict.failure, FailureType::KubernetesDenied);
    assert_eq!(cluster.writes(), [""; 0], "nothing is written");
    *verdict
}

#[tokio::test]
async fn missing_namespace_is_not_created_but_named_with_the_commands() {
    let verdict = refusal(&FakeApiServer::default()).await;
    assert_eq!(verdict.message, "namespace web does not exist, and berth never creates production's");
    assert_eq!(verdict.advice, format!("kubectl create namespace web && {LABEL}"));
}

#[tokio::test]
async fn unlabelled_namespace_is_refused_with_the_command_that_labels_it() {
    let verdict = refusal(&with_namespace(json!({"team": "web"}))).await;
    assert!(verdict.message.contains("was not made by berth"), "{}", verdict.message);
    assert!(verdict.advice.ends_with(LABEL), "{}", verdict.advice);
    let mut some = own_labels();
    some.as_object_mut().unwrap().remove(labels::INSTALLATION);
    let verdict = refusal(&with_namespace(some)).await;
    assert!(verdict.advice.ends_with(LABEL), "{}", verdict.advice);
}

#[tokio::test]
async fn namespace_of_another_workflow_or_installation_is_refused() {
    for (label, owner) in [(labels::WORKFLOW, "production-shop"), (labels::INSTALLATION, "another")] {
        let mut others = own_labels();
        others[label] = json!(owner);
        let verdict = refusal(&with_namespace(others)).await;
        assert!(verdict.message.contains(owner) && !verdict.advice.contains("kubectl"), "{verdict:?}");
    }
}

#[tokio::test]
async fn namespace_under_deletion_is_an_error_and_not_waited_for() {
    let cluster = with_namespace(own_labels());
    let mut deleted = cluster.get(NAMESPACE).unwrap();
    deleted["metadata"]["deletionTimestamp"] = json!("2026-01-02T00:00:00Z");
    deleted["metadata"]["finalizers"] = json!(["example.com/hold"]);
    cluster.put(NAMESPACES, &deleted);
    let verdict = refusal(&cluster).await;
    assert!(
        verdict.message.contains("is being deleted") && verdict.message.contains("example.com/hold"),
        "{verdict:?}"
    );
}

#[tokio::test]
async fn production_gets_the_role_binding_and_its_names_only() {
    let cluster = with_namespace(own_labels());
    let ready = ensure(&cluster, &app(json!({}))).await.unwrap();
    assert_eq!(ready, NamespaceReady { uid: "uid-web".into(), created: false, terminating: None });
    assert_eq!(cluster.writes(), [format!("PATCH {NAMESPACE}"), BINDING.to_owned()]);
    let namespace = cluster.get(NAMESPACE).unwrap();
    assert_eq!(namespace["metadata"]["labels"], own_labels(), "no Pod Security label is set");
    assert!(recorded_names::are_recorded(&annotations(&namespace), &environment()));

    let again = ensure(&cluster, &app(json!({}))).await.unwrap();
    assert_eq!((again, cluster.get(NAMESPACE).unwrap()), (ready, namespace));
    assert_eq!(cluster.writes().len(), 3, "the second run applies the same RoleBinding: {:?}", cluster.writes());
}

#[tokio::test]
async fn isolation_of_the_app_file_is_not_applied_before_a_release() {
    let cluster = with_namespace(own_labels());
    let isolated = json!({"namespace": "web", "host": "www.example.com", "isolation": {"egress": "listed"}});
    ensure(&cluster, &app(json!({"production": isolated}))).await.unwrap();
    assert_eq!(cluster.writes(), [format!("PATCH {NAMESPACE}"), BINDING.to_owned()]);
}

fn annotations(namespace: &Value) -> std::collections::BTreeMap<String, String> {
    serde_json::from_value(namespace["metadata"]["annotations"].clone()).unwrap()
}

#[tokio::test]
async fn pull_secret_is_part_of_a_release_and_not_copied_before() {
    let cluster = with_namespace(own_labels());
    ensure(&cluster, &app(json!({"image_pull_secret": "registry"}))).await.unwrap();
    assert_eq!(cluster.writes(), [format!("PATCH {NAMESPACE}"), BINDING.to_owned()]);
}
