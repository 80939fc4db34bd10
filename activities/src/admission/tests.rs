use berth_workflows::contract::{
    environment::Database,
    release::{Commit, Image},
};
use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};

use super::*;
use crate::{
    context::TestContext,
    examples::{self, environment},
    fake_api_server::FakeApiServer,
    kubernetes::{labels, recorded_names},
    release::stored_release::StoredRelease,
    settings::Serve,
};

const NAMESPACES: &str = "/api/v1/namespaces";
const SECRETS: &str = "/api/v1/namespaces/pr-1/secrets";

/// The app whose file gives the example environment its names.
fn app() -> App {
    let names = json!({"namespace": "pr-{pr}", "host": "pr-{pr}.example.com",
        "temporal_ui_host": "pr-{pr}-temporal.example.com"});
    examples::app(json!({"preview": names}))
}

fn rollout() -> Caller {
    Caller { workflow_id: Some("preview-web-1-rollout-1".into()), workflow_type: Some("Rollout".into()) }
}

/// A namespace with the environment's labels, and annotations.
fn with_namespace(annotations: Value) -> FakeApiServer {
    let cluster = FakeApiServer::default();
    let labels = labels::owner_labels(&environment(), "berth");
    let metadata = json!({"name": "pr-1", "labels": labels, "annotations": annotations});
    cluster.put(NAMESPACES, &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}));
    cluster
}

fn recorded() -> Value {
    json!(recorded_names::annotations(&environment()))
}

async fn check_names(
    cluster: &FakeApiServer,
    environment: &Environment,
    owner: Owner,
    app: Option<App>,
) -> Result<(), Failure> {
    let context = TestContext::new(cluster.client());
    let admission = Admission::new(context.context(), rollout(), Purpose::RollOut, environment).unwrap();
    let unknown = || Failure::permanent(FailureType::UnknownApp, "no app has that name");
    admission.check_names(owner, async || app.ok_or_else(unknown)).await
}

fn denied_with(result: Result<(), Failure>, part: &str) {
    match result {
        Err(Failure::Permanent(verdict)) if verdict.failure == FailureType::PolicyDenied => {
            assert!(verdict.message.contains(part), "{}", verdict.message);
        }
        other => panic!("{part}: {other:?}"),
    }
}

/// Environments with one forged name each, and the part of the refusal that names it.
fn forgeries() -> [(Environment, &'static str); 4] {
    let isolated = |server: &str| Some(Database::Isolated { server: server.into(), name: "web_pr_1".into() });
    [
        (Environment { namespace: "web".into(), ..environment() }, "namespace of preview-web-1 is pr-1"),
        (Environment { host: "www.example.com".into(), ..environment() }, "host of preview-web-1 is pr-1.example.com"),
        (
            Environment { temporal_ui_host: Some("www.example.com".into()), ..environment() },
            "temporal-ui of preview-web-1 is pr-1-temporal.example.com",
        ),
        (Environment { database: isolated("production"), ..environment() }, "database of preview-web-1 is none"),
    ]
}

#[tokio::test]
async fn new_environment_has_the_names_of_the_app_file() {
    let cluster = FakeApiServer::default();
    for owner in [Owner::Environment, Owner::CheckedLater] {
        check_names(&cluster, &environment(), owner, Some(app())).await.unwrap();
        for (forged, part) in forgeries() {
            denied_with(check_names(&cluster, &forged, owner, Some(app())).await, part);
        }
    }
}

#[tokio::test]
async fn recorded_names_need_no_app_file() {
    let cluster = with_namespace(recorded());
    check_names(&cluster, &environment(), Owner::Environment, None).await.unwrap();
    for (forged, part) in forgeries() {
        denied_with(check_names(&cluster, &forged, Owner::Environment, Some(app())).await, part);
    }
}

#[tokio::test]
async fn names_of_an_edited_app_file_are_admitted_beside_recorded_ones() {
    let names = json!({"namespace": "pr-{pr}", "host": "new-{pr}.example.com"});
    let edited = examples::app(json!({"preview": names}));
    let cluster = with_namespace(recorded());
    let new = Environment { host: "new-1.example.com".into(), temporal_ui_host: None, ..environment() };
    for environment in [&environment(), &new] {
        check_names(&cluster, environment, Owner::Environment, Some(edited.clone())).await.unwrap();
    }
    let mixed = Environment { host: "new-1.example.com".into(), ..environment() };
    denied_with(check_names(&cluster, &mixed, Owner::Environment, Some(edited)).await, "temporal-ui");
}

#[tokio::test]
async fn namespace_without_a_record_falls_back_to_the_app_file() {
    let cluster = with_namespace(json!({}));
    check_names(&cluster, &environment(), Owner::Environment, Some(app())).await.unwrap();
    let unknown = check_names(&cluster, &environment(), Owner::Environment, None).await.unwrap_err();
    assert!(unknown.to_string().starts_with("UnknownApp"), "{unknown}");
}

#[tokio::test]
async fn foreign_namespace_is_refused_unless_checked_later() {
    let cluster = with_namespace(recorded());
    let mut foreign = cluster.get("/api/v1/namespaces/pr-1").unwrap();
    foreign["metadata"]["labels"][labels::WORKFLOW] = json!("preview-web-2");
    cluster.put(NAMESPACES, &foreign);
    let refused = check_names(&cluster, &environment(), Owner::Environment, Some(app())).await;
    denied_with(refused, "namespace pr-1 does not carry the labels of preview-web-1");
    check_names(&cluster, &environment(), Owner::CheckedLater, Some(app())).await.unwrap();
    denied_with(check_names(&cluster, &forgeries()[1].0, Owner::CheckedLater, Some(app())).await, "host");
}

#[tokio::test]
async fn text_that_is_no_namespace_is_never_sent() {
    let cluster = FakeApiServer::default();
    for namespace in ["", "a/../../kube-system", "web?watch=1", "Web", "web.x"] {
        let forged = Environment { namespace: namespace.into(), ..environment() };
        denied_with(check_names(&cluster, &forged, Owner::Environment, Some(app())).await, "name of a namespace");
    }
    assert_eq!(cluster.requests(), [""; 0]);
}

#[tokio::test]
async fn images_and_variables_are_those_of_the_app_or_of_a_stored_release() {
    let cluster = FakeApiServer::default();
    let image = |repository: &str, digit: &str| -> Image {
        format!("registry.example.com/{repository}:v1@sha256:{}", digit.repeat(64)).try_into().unwrap()
    };
    let stored = StoredRelease {
        commit: "c".repeat(40),
        version: None,
        secret: "berth-secrets-1".into(),
        objects: vec![json!({"kind": "Deployment", "spec": {"template": {"spec": {"containers": [
            {"name": "web", "image": format!("registry.example.com/old@sha256:{}", "a".repeat(64))}]}}}})],
        pod_security: None,
        pull_secret: None,
        gates: Vec::new(),
    };
    let list = json!({"metadata": {}, "items": [stored.to_secret(&environment(), "berth"), Secret::default()]});
    cluster.answer(SECRETS, 200, list);
    let (context, environment) = (TestContext::new(cluster.client()), environment());
    let admission = Admission::new(context.context(), rollout(), Purpose::RollOut, &environment).unwrap();
    let release = |image: Image| Release::new(Commit::try_from("4f2a9c1".to_owned()).unwrap(), image);
    admission.check_release(&app(), &release(image("web", "f"))).await.unwrap();
    assert_eq!(cluster.requests(), [""; 0], "the app file's list needs no request");
    admission.check_release(&app(), &release(image("old", "a"))).await.unwrap();
    for forged in [image("old", "b"), image("evil", "a")] {
        denied_with(admission.check_release(&app(), &release(forged)).await, "is not an image of app web");
    }

    let named = examples::app(json!({
        "named_images": {"WORKER": "registry.example.com/worker"}, "push_variables": {"FLAGS": {"example": "a"}},
    }));
    let release = |images: Value, variables: Value| Release {
        images: serde_json::from_value(images).unwrap(),
        variables: serde_json::from_value(variables).unwrap(),
        ..release(image("web", "f"))
    };
    let before = cluster.requests().len();
    let worker = json!({"WORKER": image("worker", "b")});
    admission.check_release(&named, &release(worker.clone(), json!({"FLAGS": "b"}))).await.unwrap();
    assert_eq!(cluster.requests().len(), before, "the app file's names need no request");
    admission.check_release(&named, &release(json!({"WORKER": image("old", "a")}), json!({}))).await.unwrap();
    for (images, variables, expected) in [
        (json!({"WORKER": image("evil", "a")}), json!({}), "evil is not the image WORKER of app web"),
        (json!({"WORKER": image("web", "a")}), json!({}), "web is not the image WORKER of app web"),
        (json!({"OTHER": image("worker", "b")}), json!({}), "OTHER is not a named image of app web"),
        (worker, json!({"OTHER": "x"}), "OTHER is not a push variable of app web"),
    ] {
        denied_with(admission.check_release(&named, &release(images, variables)).await, expected);
    }
}

#[tokio::test]
async fn address_is_the_one_of_a_secret_that_berth_made() {
    let cluster = FakeApiServer::default();
    let secret = |name: &str, content: &str| {
        let labels = labels::content_labels(&environment(), "berth", content);
        // Base64 of `temporal:7233`.
        let data = json!({"TEMPORAL_SERVER_ADDRESS": "dGVtcG9yYWw6NzIzMw=="});
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "labels": labels}, "data": data})
    };
    cluster.put(SECRETS, &secret("berth-secrets-1", labels::SECRETS));
    cluster.put(SECRETS, &secret("theirs", labels::RELEASE));
    let (context, environment) = (TestContext::new(cluster.client()), environment());
    let admission = Admission::new(context.context(), rollout(), Purpose::RollOut, &environment).unwrap();
    admission.check_address("berth-secrets-1", "temporal:7233").await.unwrap();
    denied_with(admission.check_address("berth-secrets-1", "evil:7233").await, "\"evil:7233\" is not");
    for name in ["theirs", "absent"] {
        denied_with(admission.check_address(name, "temporal:7233").await, "is not one that berth has made");
    }
}

#[tokio::test]
async fn stored_release_is_one_that_berth_stored() {
    let cluster = FakeApiServer::default();
    for content in [labels::RELEASE, labels::SECRETS] {
        let labels = labels::content_labels(&environment(), "berth", content);
        cluster.put(SECRETS, &json!({"metadata": {"name": content, "labels": labels}}));
    }
    cluster.put(SECRETS, &json!({"metadata": {"name": "theirs", "labels": {labels::CONTENT: labels::RELEASE}}}));
    let (context, environment) = (TestContext::new(cluster.client()), environment());
    let admission = Admission::new(context.context(), rollout(), Purpose::RollOut, &environment).unwrap();
    admission.check_stored(labels::RELEASE).await.unwrap();
    for name in [labels::SECRETS, "theirs", "absent"] {
        denied_with(admission.check_stored(name).await, "is not one that berth has made");
    }
}

#[test]
fn worker_refuses_a_kind_that_it_does_not_serve() {
    let only = |previews, production| Settings { serve: Serve { previews, production }, ..examples::settings() };
    let (preview, production) = (EnvironmentKind::Preview { pr: 1 }, EnvironmentKind::Production);
    check_served(&only(true, false), preview).unwrap();
    check_served(&only(false, true), production).unwrap();
    denied_with(check_served(&only(false, true), preview), "does not serve previews (its flag --serve)");
    denied_with(check_served(&only(true, false), production), "does not serve production (its flag --serve)");
}

#[tokio::test]
async fn objects_of_an_input_stay_inside_the_namespace() {
    let context = TestContext::new(FakeApiServer::default().client());
    let environment = environment();
    let admission = Admission::new(context.context(), rollout(), Purpose::RollOut, &environment).unwrap();
    admission.check_objects(["berth-release-0123456789abcdef", "web.example.com", ""]).unwrap();
    for name in ["../../other/secrets/x", "x?dryRun=All", "x#", "X", "x y", "é"] {
        denied_with(admission.check_objects(["web", name]), "is not the name of an object");
    }
}

#[tokio::test]
async fn script_run_asks_for_its_own_job_only() {
    let context = TestContext::new(FakeApiServer::default().client());
    let (environment, id) = (environment(), "preview-web-1-script-3");
    let caller = Caller { workflow_id: Some(id.into()), workflow_type: Some("ScriptRun".into()) };
    let admission = Admission::new(context.context(), caller, Purpose::RunScript, &environment).unwrap();
    admission.check_job(id).unwrap();
    denied_with(admission.check_job("preview-web-1-script-4"), "Job \"preview-web-1-script-4\"");
}

#[tokio::test]
async fn database_of_a_teardown_follows_from_app_and_pull_request() {
    let context = TestContext::new(FakeApiServer::default().client());
    let own = Caller { workflow_id: Some("preview-web-1".into()), workflow_type: Some("PreviewEnvironment".into()) };
    for (name, fits) in [("web_pr_1", true), ("web_pr_2", false), ("postgres", false)] {
        let isolated = Database::Isolated { server: "previews".into(), name: name.into() };
        let environment = Environment { database: Some(isolated), ..environment() };
        let admission = Admission::new(context.context(), own.clone(), Purpose::TearDown, &environment).unwrap();
        match fits {
            true => admission.check_database().unwrap(),
            false => denied_with(admission.check_database(), "database of preview-web-1 is web_pr_1"),
        }
    }
}
