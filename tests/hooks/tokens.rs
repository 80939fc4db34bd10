//! Tokens: the answers to every kind that is no token of a job of this repository and this pull request.

use berth_lab::github::{Forgery, GithubServer};
use berth_test_support::preview::connect;
use serde_json::{Value, json};

use crate::{
    claims::{PUBLIC_URL, changed, now, of_pull_request, of_release},
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
async fn token_that_does_not_hold_is_answered_with_401() {
    let (hooks, github) = previews("tokens-401").await;
    let path = "/v1/previews/tokens-401/1";
    let claims = of_pull_request(&github);
    let read = async |claims: &Value| hooks.get(path, &github.sign(claims).unwrap()).await;
    let good = read(&claims).await;
    assert_eq!((good.status, good.json["outcome"].as_str()), (200, Some("not_found")), "{good:?}");
    for (changes, why) in [
        (vec![("exp", json!(now() - 61))], "has expired"),
        (vec![("exp", Value::Null)], "lacks a claim"),
        (vec![("nbf", json!(now() + 120))], "is not valid yet"),
        (vec![("aud", json!("https://other.example.com"))], "another audience"),
        (vec![("aud", Value::Null)], "not a token of a GitHub job"),
        (vec![("aud", json!([PUBLIC_URL, "https://other.example.com"]))], "not a token of a GitHub job"),
        (vec![("iss", json!("https://issuer.example.com"))], "another issuer"),
        (vec![("repository_id", Value::Null)], "not a token of a GitHub job"),
    ] {
        let reply = read(&changed(&claims, &changes)).await;
        let reason = reply.json["reason"].as_str().unwrap_or_default();
        assert!(reply.status == 401 && reason.contains(why), "{changes:?}: {reply:?}");
    }
    // Both clocks may differ by a minute.
    for changes in [[("exp", json!(now() - 30))], [("nbf", json!(now() + 30))]] {
        assert_eq!(read(&changed(&claims, &changes)).await.status, 200, "{changes:?}");
    }
}

#[tokio::test]
async fn token_of_another_algorithm_or_key_is_answered_with_401() {
    let (hooks, github) = previews("tokens-forged").await;
    let claims = of_pull_request(&github);
    let mut forged = vec![
        String::new(),
        "not a token".to_owned(),
        "a.b.c".to_owned(),
        "x".repeat(10_000),
        github.sign_with(&json!({"alg": "RS512"}), &claims).unwrap(),
        github.sign_with(&json!({"kid": null}), &claims).unwrap(),
        github.sign_with(&json!({"kid": "another-key"}), &claims).unwrap(),
        github.sign(&claims).unwrap().replacen('.', ".e30", 1),
    ];
    forged.extend(Forgery::ALL.map(|forgery| github.forge(&claims, forgery).unwrap()));
    for token in forged {
        let reply = hooks.get("/v1/previews/tokens-forged/1", &token).await;
        assert_eq!((reply.status, reply.json["outcome"].as_str()), (401, Some("refused")), "{token}: {reply:?}");
    }
    assert_eq!(hooks.get_without_token("/v1/previews/tokens-forged/1").await.status, 401);
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
async fn job_of_another_repository_or_pull_request_is_answered_with_403() {
    let (hooks, github) = previews("tokens-403").await;
    let claims = of_pull_request(&github);
    for changes in [
        vec![("repository_id", json!("1"))],
        vec![("ref", json!("refs/pull/2/merge"))],
        vec![("ref", json!("refs/heads/feature"))],
        vec![("ref", json!("refs/heads/main")), ("base_ref", json!("release"))],
    ] {
        let token = github.sign(&changed(&claims, &changes)).unwrap();
        for action in ["deploy", "close"] {
            let path = format!("/v1/previews/tokens-403/1/{action}");
            let reply = hooks.post(&path, &token, "{}").await;
            assert_eq!(
                (reply.status, reply.json["outcome"].as_str()),
                (403, Some("refused")),
                "{changes:?}: {reply:?}"
            );
        }
        assert_eq!(hooks.get("/v1/previews/tokens-403/1", &token).await.status, 403, "{changes:?}");
    }
    // The same name in another app file, and a path that there is not.
    let token = github.sign(&claims).unwrap();
    assert_eq!(hooks.get("/v1/previews/shop/1", &token).await.status, 404);
    for path in ["/v1/previews/tokens-403/0", "/v1/previews/tokens-403/x", "/v1/previews/tokens-403/-1", "/v1/x", "/"] {
        assert_eq!(hooks.get(path, &token).await.status, 404, "{path}");
    }
    assert_eq!(hooks.post("/v1/previews/tokens-403/1/approve", &token, "{}").await.status, 404);
    let release = github.sign(&of_release(&github)).unwrap();
    assert_eq!(hooks.get("/v1/production/tokens-403", &release).await.status, 404, "not served here");
}

#[tokio::test]
async fn each_event_is_answered_as_it_deserves() {
    let (hooks, github) = previews("tokens-event").await;
    for (event, status) in [
        ("pull_request", 200),
        ("pull_request_target", 403),
        ("workflow_run", 403),
        ("issue_comment", 403),
        ("push", 403),
        ("workflow_dispatch", 403),
        ("schedule", 403),
    ] {
        let token = github.sign(&changed(&of_pull_request(&github), &[("event_name", json!(event))])).unwrap();
        let reply = hooks.get("/v1/previews/tokens-event/1", &token).await;
        assert_eq!(reply.status, status, "{event}: {reply:?}");
    }
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
