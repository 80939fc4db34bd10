use std::time::Duration;

use serde_json::{Value, json};

use berth_manifests::app::{App, DopplerConfig};
use berth_workflows::contract::{
    preparation::SyncedSecrets,
    verdict::{FailureType, Verdict},
};

use super::*;
use crate::{
    context::TestContext,
    examples::{app, environment, environment_of},
    failure::Failure,
    fake_api_server::FakeApiServer,
    secrets::doppler::stub::{Answer, Stub, TOKEN, WORDS},
};

mod cache;
mod young;

const NAMESPACES: &str = "/api/v1/namespaces";
const BERTH: &str = "/api/v1/namespaces/berth-system/secrets";
const TOKEN_SECRET: &str = "/api/v1/namespaces/berth-system/secrets/web-token";
const BODY: &str = r#"{"DOPPLER_PROJECT":"web","DOPPLER_CONFIG":"preview","API_KEY":"value-canary"}"#;

pub(super) fn config() -> DopplerConfig {
    serde_json::from_value(json!({"project": "web", "config": "preview", "token": {"secret": "web-token"}})).unwrap()
}

fn with_doppler() -> App {
    app(json!({"secrets": {"doppler": {"preview": config()}}}))
}

fn put_namespace(cluster: &FakeApiServer, pr: u64, labels: &Value) {
    let name = format!("pr-{pr}");
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
    cluster.put(NAMESPACES, &namespace);
}

fn own(pr: u64) -> Value {
    json!({"app.kubernetes.io/managed-by": "berth", "berth.dev/workflow": format!("preview-web-{pr}"),
        "berth.dev/installation": "berth"})
}

/// A cluster with the token in berth's namespace, and the namespaces of these pull requests.
fn cluster(prs: impl IntoIterator<Item = u64>) -> FakeApiServer {
    let cluster = FakeApiServer::default();
    put_token(&cluster, TOKEN);
    prs.into_iter().for_each(|pr| put_namespace(&cluster, pr, &own(pr)));
    cluster
}

fn put_token(cluster: &FakeApiServer, token: &str) {
    cluster.put(BERTH, &json!({"metadata": {"name": "web-token"}, "data": {"serviceToken": base64(token)}}));
}

fn base64(text: &str) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    STANDARD.encode(text)
}

fn values() -> Answer {
    Answer::new(200, BODY).with("etag", "W/\"1\"")
}

async fn doppler() -> Stub {
    Stub::answering([values()]).await
}

async fn sync(cluster: &FakeApiServer, doppler: &DopplerReader, pr: u64) -> Result<SyncedSecrets, Failure> {
    sync_secrets(TestContext::new(cluster.client()).context(), doppler, &with_doppler(), &environment_of(pr)).await
}

fn cache(cluster: &FakeApiServer) -> Option<String> {
    cluster.below(&format!("{BERTH}/berth-doppler-")).pop()
}

/// Sets the age of the cache to ten minutes.
fn age(cluster: &FakeApiServer) {
    let mut secret = cluster.get(&cache(cluster).unwrap()).unwrap();
    let then = std::time::SystemTime::now() - Duration::from_secs(600);
    let millis = then.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    secret["data"]["fetched_ms"] = json!(base64(&millis.to_string()));
    cluster.put(BERTH, &secret);
}

fn verdict(result: Result<SyncedSecrets, Failure>) -> Verdict {
    match result {
        Err(Failure::Permanent(verdict)) => *verdict,
        other => panic!("it should have failed for good: {other:?}"),
    }
}

fn transient(result: Result<SyncedSecrets, Failure>) -> (FailureType, Option<Duration>) {
    match result {
        Err(Failure::Transient { failure, retry_after, .. }) => (failure, retry_after),
        other => panic!("it should be retried: {other:?}"),
    }
}

#[tokio::test]
async fn a_second_run_neither_writes_nor_requests_doppler() {
    let (cluster, stub) = (cluster([1]), doppler().await);
    let first = sync(&cluster, &DopplerReader::new(&stub.url).unwrap(), 1).await.unwrap();
    let secret = cluster.get(&format!("/api/v1/namespaces/pr-1/secrets/{}", first.secret)).unwrap();
    assert_eq!(secret["immutable"], true);
    assert_eq!(secret["data"]["API_KEY"], base64("value-canary"));
    assert_eq!(first.set_by_berth, ["TEMPORAL_SERVER_ADDRESS"]);

    let writes = cluster.writes();
    assert_eq!(writes.len(), 2, "the cache and the Secret: {writes:?}");
    // A new reader stands for another worker, or the same after a restart.
    assert_eq!(sync(&cluster, &DopplerReader::new(&stub.url).unwrap(), 1).await.unwrap(), first);
    assert_eq!((cluster.writes(), stub.requests().len()), (writes, 1));
}

#[tokio::test]
async fn a_missing_or_personal_token_is_denied_with_a_command() {
    let (cluster, stub) = (cluster([1]), doppler().await);
    let doppler = DopplerReader::new(&stub.url).unwrap();
    put_token(&cluster, "dp.pt.canary");
    let refused = verdict(sync(&cluster, &doppler, 1).await);
    cluster.put(BERTH, &json!({"metadata": {"name": "web-token"}, "data": {"token": base64(TOKEN)}}));
    let no_key = verdict(sync(&cluster, &doppler, 1).await);
    cluster.remove(TOKEN_SECRET);
    let missing = verdict(sync(&cluster, &doppler, 1).await);
    for (verdict, words) in [(refused, "dp.pt."), (no_key, "no key serviceToken"), (missing, "it does not exist")] {
        assert_eq!(verdict.failure, FailureType::SecretsDenied);
        assert!(verdict.message.contains("web-token") && verdict.message.contains(words), "{verdict:?}");
        let command = "kubectl create secret generic web-token -n berth-system --from-literal=serviceToken=dp.st.…";
        assert_eq!(verdict.advice, command);
    }
    assert!(stub.requests().is_empty());
}

#[tokio::test]
async fn secrets_go_only_into_the_environments_own_namespace() {
    let stub = doppler().await;
    for labels in [json!({}), own(2), json!({"berth.dev/workflow": "preview-web-1"})] {
        let cluster = cluster([]);
        put_namespace(&cluster, 1, &labels);
        let verdict = verdict(sync(&cluster, &DopplerReader::new(&stub.url).unwrap(), 1).await);
        assert_eq!(verdict.failure, FailureType::KubernetesDenied);
        assert!(verdict.message.starts_with("namespace pr-1 does not belong to this environment"), "{verdict:?}");
        assert!(cluster.below("/api/v1/namespaces/pr-1/").is_empty());
    }
}

#[tokio::test]
async fn a_foreign_or_mutable_secret_of_that_name_is_not_used() {
    let (cluster, stub) = (cluster([1]), doppler().await);
    let doppler = DopplerReader::new(&stub.url).unwrap();
    let path = format!("/api/v1/namespaces/pr-1/secrets/{}", sync(&cluster, &doppler, 1).await.unwrap().secret);
    let good = cluster.get(&path).unwrap();
    for (pointer, wrong) in [("/immutable", json!(false)), ("/metadata/labels", own(2))] {
        let mut secret = good.clone();
        *secret.pointer_mut(pointer).unwrap() = wrong;
        cluster.put("/api/v1/namespaces/pr-1/secrets", &secret);
        assert_eq!(verdict(sync(&cluster, &doppler, 1).await).failure, FailureType::KubernetesDenied);
    }
}

#[tokio::test]
async fn a_403_of_a_fresh_namespace_is_transient() {
    let (cluster, stub) = (cluster([1]), doppler().await);
    cluster.refuse("POST /api/v1/namespaces/pr-1/secrets", 403);
    let result = sync(&cluster, &DopplerReader::new(&stub.url).unwrap(), 1).await;
    assert_eq!(transient(result), (FailureType::KubernetesDenied, None));
}

#[tokio::test]
async fn only_the_secret_waits_for_the_namespace() {
    let (cluster, stub) = (cluster([]), doppler().await);
    let doppler = DopplerReader::new(&stub.url).unwrap();
    let made_later = async {
        while !cluster.is_watched(NAMESPACES) {
            tokio::task::yield_now().await;
        }
        assert_eq!(stub.requests().len(), 1);
        put_namespace(&cluster, 1, &own(1));
    };
    let (synced, ()) = tokio::join!(sync(&cluster, &doppler, 1), made_later);
    let path = format!("/api/v1/namespaces/pr-1/secrets/{}", synced.unwrap().secret);
    assert!(cluster.get(&path).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_missing_namespace_is_a_transient_failure_with_its_last_state() {
    // No server here: the paused clock of this test runs ahead of real sockets.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let doppler = DopplerReader::new("http://127.0.0.1:1").unwrap();
    let terminating = json!({"kind": "Namespace", "metadata": {"name": "pr-1", "labels": own(1),
        "deletionTimestamp": "2026-01-01T00:00:00Z"}});
    for (namespace, words) in [(None, "it does not exist yet"), (Some(terminating), "it is terminating")] {
        let cluster = cluster([]);
        namespace.into_iter().for_each(|object| cluster.put(NAMESPACES, &object));
        let (test, app) = (TestContext::new(cluster.client()), app(json!({})));
        let result = sync_secrets(test.context(), &doppler, &app, &environment()).await;
        let Err(error @ Failure::Transient { .. }) = result else { panic!("{result:?}") };
        assert_eq!(error.to_string(), format!("namespace pr-1 after 30 s: {words}"));
    }
}

#[tokio::test]
async fn an_app_without_doppler_gets_berths_values() {
    let cluster = cluster([1]);
    let _ = rustls::crypto::ring::default_provider().install_default();
    let doppler = DopplerReader::new("http://127.0.0.1:1").unwrap();
    let (test, app) = (TestContext::new(cluster.client()), app(json!({})));
    let synced = sync_secrets(test.context(), &doppler, &app, &environment()).await.unwrap();
    assert_eq!(synced.set_by_berth, ["TEMPORAL_SERVER_ADDRESS"]);
    assert_eq!(synced.temporal_server_address, "web-temporal.pr-1.svc.cluster.local:7233");
}

#[tokio::test]
async fn no_failure_shows_the_token_or_a_value() {
    let echo = format!(r#"{{"messages":["{TOKEN}"],"success":false}}"#);
    let odd = r#"{"A":"value-canary","B":["value-canary"]}"#;
    let bad_key = r#"{"a key":"value-canary"}"#;
    for answer in [
        Answer::new(401, echo.clone()),
        Answer::new(429, echo.clone()),
        Answer::new(500, echo),
        Answer::new(200, odd),
        Answer::new(200, bad_key),
        Answer::new(200, "value-canary"),
        Answer::new(200, r#"{"DOPPLER_PROJECT":"value-canary"}"#),
    ] {
        let (cluster, stub) = (cluster([1]), Stub::answering([answer.clone()]).await);
        let doppler = DopplerReader::new(&stub.url).unwrap();
        let failure = sync(&cluster, &doppler, 1).await.expect_err("an error");
        let shown = format!("{failure:?} {failure} {doppler:?}");
        let shown = format!("{shown} {:?}", failure.into_activity_error());
        assert!(!shown.contains("canary"), "{answer:?}: {shown}");
    }
}
