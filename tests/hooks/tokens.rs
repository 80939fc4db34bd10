//! Tokens: the issuer's keys, and paths. The answers to each kind of token are in `token_table`.

use berth_lab::github::GithubServer;
use berth_test_support::preview::connect;
use serde_json::json;

use crate::{
    claims::{changed, of_pull_request, of_release},
    history::messages,
    process::Hooks,
};

/// A process that serves previews, GitHub, and no worker.
async fn previews(app: &str) -> (Hooks, GithubServer) {
    let (_, address) = connect().await;
    let github = GithubServer::start().unwrap();
    (Hooks::start("previews", app, &address, "nobody", &github).await, github)
}

#[tokio::test]
async fn unknown_keys_are_fetched_once_a_minute() {
    let (hooks, github) = previews("tokens-kid").await;
    let fetched = || github.count("GET", "/.well-known/jwks");
    assert_eq!(fetched(), 0, "keys are fetched when they are needed");
    let path = "/v1/previews/tokens-kid/1";
    for at in 0..20 {
        assert_eq!(hooks.get(path, &github.sign(&of_pull_request(&github)).unwrap()).await.status, 200);
        let kid = json!({"kid": format!("key-{at}")});
        let unknown = github.sign_with(&kid, &of_pull_request(&github)).unwrap();
        assert_eq!(hooks.get(path, &unknown).await.status, 401);
    }
    assert_eq!(fetched(), 1, "20 unknown keys within a minute of the first fetch");
}

#[tokio::test]
async fn issuer_that_is_away_is_answered_with_503() {
    let (_, address) = connect().await;
    let mut github = GithubServer::start().unwrap();
    let hooks = Hooks::start("previews", "tokens-away", &address, "nobody", &github).await;
    github.stop();
    let token = github.sign(&of_pull_request(&github)).unwrap();
    let reply = hooks.get("/v1/previews/tokens-away/1", &token).await;
    assert_eq!((reply.status, reply.retry_after.as_deref()), (503, Some("5")), "{reply:?}");
}

#[tokio::test]
async fn path_that_does_not_exist_is_answered_with_404() {
    let (hooks, github) = previews("tokens-404").await;
    let token = github.sign(&of_pull_request(&github)).unwrap();
    for path in [
        "/v1/previews/shop/1",
        "/v1/previews/tokens-404/0",
        "/v1/previews/tokens-404/x",
        "/v1/previews/tokens-404/-1",
        "/v1/x",
        "/",
    ] {
        assert_eq!(hooks.get(path, &token).await.status, 404, "{path}");
    }
    assert_eq!(hooks.post("/v1/previews/tokens-404/1/approve", &token, "{}").await.status, 404);
    let release = github.sign(&of_release(&github)).unwrap();
    assert_eq!(hooks.get("/v1/production/tokens-404", &release).await.status, 404, "not served here");
}

#[tokio::test]
async fn closed_run_after_a_merge_gives_a_hint_and_deploys_nothing() {
    let (client, _) = connect().await;
    let (hooks, github) = previews("tokens-merged").await;
    let merged = changed(&of_pull_request(&github), &[("ref", json!("refs/heads/main"))]);
    let merged = github.sign(&merged).unwrap();
    let deploy = hooks.post("/v1/previews/tokens-merged/1/deploy", &merged, "{}").await;
    assert_eq!(deploy.status, 403, "{deploy:?}");
    let close = hooks.post("/v1/previews/tokens-merged/1/close", &merged, "").await;
    assert_eq!((close.status, close.json["outcome"].as_str()), (200, Some("not_found")), "{close:?}");
    assert_eq!(messages(&client, "preview-tokens-merged-1").await, [], "a hint starts nothing");
    // The run of a pull request that was closed without a merge still has its own reference: it is in `jobs.rs`.
}
