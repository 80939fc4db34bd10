//! `CronJob`s that are started by hand, on the fake API server.

use berth_manifests::render::Variables;
use serde_json::{Value, json};

use super::*;
use crate::{
    context::TestContext,
    examples::{app, environment},
    fake_api_server::FakeApiServer,
    release::{rendering::names_of, stored_release::StoredRelease},
};

const CRON_JOBS: &str = "/apis/batch/v1/namespaces/pr-1/cronjobs";
const JOBS: &str = "/apis/batch/v1/namespaces/pr-1/jobs";
const POLICIES: &str = "/apis/networking.k8s.io/v1/namespaces/pr-1/networkpolicies";
const SECRETS: &str = "/api/v1/namespaces/pr-1/secrets";
const SERVICES: &str = "/api/v1/namespaces/pr-1/services";
const RUN_BY_HAND: &str = "preview-web-1-script-1";

/// A suspended `CronJob` with that image.
fn cron_job(name: &str, image: &str) -> Value {
    json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": name},
        "spec": {"schedule": "0 3 * * *", "suspend": true, "jobTemplate": {"spec": {"template": {
            "metadata": {"labels": {"app": "web", "role": "cron"}},
            "spec": {"restartPolicy": "OnFailure", "containers": [{"name": "cron", "image": image,
                "envFrom": [{"secretRef": {"name": "berth-secrets-1"}}]}]}}}}},
    })
}

/// A cluster with these `CronJob`s. They are berth's if `is_own`.
fn put(cluster: &FakeApiServer, cron_jobs: &[Value], is_own: bool) {
    for cron_job in cron_jobs {
        let mut cron_job = cron_job.clone();
        if is_own {
            cron_job["metadata"]["labels"] = json!(labels::owner_labels(&environment(), "berth"));
        }
        cluster.put(CRON_JOBS, &cron_job);
    }
}

/// Stores a release with these objects, and returns its name.
fn store(cluster: &FakeApiServer, objects: &[Value]) -> String {
    let release = StoredRelease {
        commit: "a".into(),
        secret: "s".into(),
        objects: objects.to_vec(),
        pod_security: None,
        pull_secret: None,
        gates: Vec::new(),
        version: None,
    };
    let secret = release.to_secret(&environment(), "berth");
    cluster.put(SECRETS, &serde_json::to_value(&secret).unwrap());
    secret.metadata.name.unwrap()
}

/// A cluster in which a release with these `CronJob`s serves, and the release's name.
fn serving(cron_jobs: &[Value]) -> (FakeApiServer, String) {
    let cluster = FakeApiServer::default();
    put(&cluster, cron_jobs, true);
    let stored = store(&cluster, cron_jobs);
    (cluster, stored)
}

fn input(cron: &str, stored: Option<&str>) -> StartScriptInput {
    StartScriptInput {
        environment: environment(),
        script: serde_json::from_value(json!({"cron": cron})).unwrap(),
        stored_release: stored.map(str::to_owned),
        job: RUN_BY_HAND.into(),
        run_id: "run".into(),
    }
}

async fn start(cluster: &FakeApiServer, input: &StartScriptInput) -> Result<ScriptStarted, Failure> {
    start_script(TestContext::new(cluster.client()).context(), &app(json!({})), input).await
}

/// The refusal's message.
async fn refused(cluster: &FakeApiServer, input: &StartScriptInput) -> String {
    let Err(Failure::Permanent(verdict)) = start(cluster, input).await else { panic!("should be refused") };
    assert_eq!((verdict.failure, cluster.writes()), (FailureType::InvalidInput, Vec::new()));
    verdict.message
}

fn job(cluster: &FakeApiServer) -> Value {
    cluster.get(&format!("{JOBS}/{RUN_BY_HAND}")).unwrap()
}

#[tokio::test]
async fn suspended_cron_job_is_started_once_by_two_attempts() {
    let (cluster, stored) = serving(&[cron_job("web-pr-1-nightly", "v1")]);
    let first = start(&cluster, &input("nightly", Some(&stored))).await.unwrap();
    assert_eq!((first.container.as_str(), first.workload.as_str()), ("cron", "CronJob/web-pr-1-nightly"));
    assert_eq!(first.secrets, ["berth-secrets-1"]);
    let job = job(&cluster);
    assert_eq!((&job["spec"]["suspend"], &job["spec"]["backoffLimit"]), (&Value::Null, &json!(0)));
    assert_eq!(start(&cluster, &input("nightly", Some(&stored))).await.unwrap(), first);
    assert_eq!(cluster.writes(), [format!("POST {JOBS}")]);
}

#[tokio::test]
async fn cron_job_is_found_by_its_name_with_and_without_prefix() {
    for (names, asked, expected) in [
        (&["web-pr-1-nightly"][..], "nightly", "web-pr-1-nightly"),
        (&["web-pr-1-nightly"], "web-pr-1-nightly", "web-pr-1-nightly"),
        (&["nightly"], "nightly", "nightly"),
        (&["nightly", "web-pr-1-nightly"], "nightly", "nightly"),
    ] {
        let cron_jobs: Vec<_> = names.iter().map(|name| cron_job(name, "v1")).collect();
        let (cluster, stored) = serving(&cron_jobs);
        let started = start(&cluster, &input(asked, Some(&stored))).await.unwrap();
        assert_eq!(started.workload, format!("CronJob/{expected}"), "{asked} of {names:?}");
    }
}

#[test]
fn prefix_of_names_is_the_variable_kube_app() {
    let app = app(json!({}));
    for environment in [environment(), crate::examples::environment_of(123)] {
        let variables = Variables::new(app.variable_input(&names_of(&environment)));
        assert_eq!(variables.get("KUBE_APP"), Some(environment.unique_name().as_str()));
    }
}

#[tokio::test]
async fn unknown_cron_job_is_refused_with_the_known_names() {
    let (cluster, stored) = serving(&[cron_job("web-pr-1-nightly", "v1"), cron_job("web-pr-1-weekly", "v1")]);
    put(&cluster, &[cron_job("of-somebody", "v1")], false);
    for name in ["absent", "of-somebody"] {
        let expected = "is not a CronJob of the release that serves; it has web-pr-1-nightly, web-pr-1-weekly";
        assert_eq!(refused(&cluster, &input(name, Some(&stored))).await, format!("{name} {expected}"));
    }
    cluster.remove(&format!("{CRON_JOBS}/web-pr-1-nightly"));
    let message = refused(&cluster, &input("nightly", Some(&stored))).await;
    assert!(message.ends_with("it has web-pr-1-weekly"), "{message}");
}

#[tokio::test]
async fn environment_without_cron_jobs_has_none_to_run() {
    let (cluster, stored) = serving(&[]);
    assert!(refused(&cluster, &input("nightly", Some(&stored))).await.ends_with("it has none"));
    let message = refused(&cluster, &input("nightly", None)).await;
    assert_eq!(message, "it is not known which CronJobs the release that serves has: redeploy it");
    let message = refused(&cluster, &input("nightly", Some("berth-release-gone"))).await;
    assert!(message.ends_with("(its stored release berth-release-gone is gone)"), "{message}");
}

#[tokio::test]
async fn stored_release_of_somebody_else_counts_as_none() {
    let (cluster, stored) = serving(&[cron_job("nightly", "v1")]);
    let mut forged = cluster.get(&format!("{SECRETS}/{stored}")).unwrap();
    for label in [labels::CONTENT, labels::WORKFLOW, labels::INSTALLATION] {
        let mut forged = forged.clone();
        forged["metadata"]["labels"][label] = json!("another");
        cluster.put(SECRETS, &forged);
        let message = refused(&cluster, &input("nightly", Some(&stored))).await;
        assert!(message.ends_with(&format!("(its stored release {stored} is gone)")), "{label}: {message}");
    }
    forged["metadata"]["labels"] = Value::Null;
    cluster.put(SECRETS, &forged);
    refused(&cluster, &input("nightly", Some(&stored))).await;
}

#[tokio::test]
async fn job_is_of_the_release_that_serves_after_a_failed_rollout() {
    let (cluster, stored) = serving(&[cron_job("nightly", "v1")]);
    // A rollout that failed, or is in flight, has applied its own.
    put(&cluster, &[cron_job("nightly", "v2"), cron_job("new", "v2")], true);
    assert!(refused(&cluster, &input("new", Some(&stored))).await.ends_with("it has nightly"));
    start(&cluster, &input("nightly", Some(&stored))).await.unwrap();
    assert_eq!(job(&cluster)["spec"]["template"]["spec"]["containers"][0]["image"], "v1");
}

#[tokio::test]
async fn pod_keeps_its_labels_except_those_of_a_service() {
    let (cluster, stored) = serving(&[cron_job("nightly", "v1")]);
    cluster.put(SERVICES, &json!({"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}}}));
    let policy = |name: &str, label: &str, value: &str, port: u16| {
        json!({"metadata": {"name": name}, "spec": {"podSelector": {"matchLabels": {label: value}},
            "egress": [{"ports": [{"port": port}]}]}})
    };
    cluster.put(POLICIES, &policy("a", "app", "web", 5432));
    cluster.put(POLICIES, &policy("b", "role", "cron", 6379));
    for _ in 0..2 {
        start(&cluster, &input("nightly", Some(&stored))).await.unwrap();
        let labels = &job(&cluster)["spec"]["template"]["metadata"]["labels"];
        assert_eq!((&labels["role"], &labels["app"]), (&json!("cron"), &Value::Null), "{labels}");
        assert_eq!(labels["berth.dev/cron"], "nightly");
        let opened = cluster.get(&format!("{POLICIES}/{RUN_BY_HAND}")).unwrap();
        assert_eq!(opened["spec"]["egress"], json!([{"ports": [{"port": 5432}]}]));
    }
}

#[tokio::test]
async fn cron_job_of_several_pods_is_refused_by_name() {
    let mut several = cron_job("nightly", "v1");
    several["spec"]["jobTemplate"]["spec"]["completions"] = json!(3);
    let (cluster, stored) = serving(&[several]);
    let expected = "CronJob nightly cannot be run by hand: it runs several pods (`completions: 3`)";
    assert_eq!(refused(&cluster, &input("nightly", Some(&stored))).await, expected);
}

#[tokio::test]
async fn job_of_an_earlier_run_is_deleted_first() {
    let (cluster, stored) = serving(&[cron_job("nightly", "v1")]);
    start(&cluster, &input("nightly", Some(&stored))).await.unwrap();
    let next = StartScriptInput { run_id: "another".into(), ..input("nightly", Some(&stored)) };
    assert!(matches!(start(&cluster, &next).await, Err(Failure::Transient { .. })));
    assert!(!job(&cluster)["metadata"]["deletionTimestamp"].is_null());
    cluster.remove(&format!("{JOBS}/{RUN_BY_HAND}"));
    start(&cluster, &next).await.unwrap();
    assert_eq!(job(&cluster)["metadata"]["annotations"]["berth.dev/run-id"], "another");
}
