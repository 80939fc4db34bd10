//! Tokens: the answers to every kind that is no token of a job of this repository and this pull request.

use berth_test_support::preview::connect;
use serde_json::{Value, json};

use crate::{
    history::messages,
    issuer::{
        Issuer, KID, PUBLIC_URL, now, public_key_as_secrets, token, token_by_hmac, token_with, token_without_signature,
    },
    process::Hooks,
};

/// A process that serves previews, its issuer, and no worker.
async fn previews(app: &str) -> (Hooks, Issuer) {
    let (_, address) = connect().await;
    let issuer = Issuer::start().await;
    (Hooks::start("previews", app, &address, "nobody", &issuer).await, issuer)
}

fn changed(claims: &Value, changes: &[(&str, Value)]) -> Value {
    let mut claims = claims.clone();
    for (name, value) in changes {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(*name)),
            value => claims[*name] = value.clone(),
        }
    }
    claims
}

#[tokio::test]
async fn token_that_does_not_hold_is_answered_with_401() {
    let (hooks, issuer) = previews("tokens-401").await;
    let path = "/v1/previews/tokens-401/1";
    let claims = issuer.pull_request();
    let read = async |token: String| hooks.get(path, &token).await;
    let good = read(token(&claims)).await;
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
        let reply = read(token(&changed(&claims, &changes))).await;
        let reason = reply.json["reason"].as_str().unwrap_or_default();
        assert!(reply.status == 401 && reason.contains(why), "{changes:?}: {reply:?}");
    }
    // Both clocks may differ by a minute.
    for changes in [[("exp", json!(now() - 30))], [("nbf", json!(now() + 30))]] {
        assert_eq!(read(token(&changed(&claims, &changes))).await.status, 200, "{changes:?}");
    }
}

#[tokio::test]
async fn token_of_another_algorithm_or_key_is_answered_with_401() {
    let (hooks, issuer) = previews("tokens-forged").await;
    let claims = issuer.pull_request();
    let mut forged = vec![
        String::new(),
        "not a token".to_owned(),
        "a.b.c".to_owned(),
        "x".repeat(10_000),
        token_without_signature(&claims),
        token_with(&json!({"alg": "RS512", "kid": KID}), &claims),
        token_with(&json!({"alg": "RS256"}), &claims),
        token_with(&json!({"alg": "RS256", "kid": "another-key"}), &claims),
        token(&claims).replacen('.', ".e30", 1),
    ];
    forged.extend(public_key_as_secrets().iter().map(|secret| token_by_hmac(secret, &claims)));
    for token in forged {
        let reply = hooks.get("/v1/previews/tokens-forged/1", &token).await;
        assert_eq!((reply.status, reply.json["outcome"].as_str()), (401, Some("refused")), "{token}: {reply:?}");
    }
    assert_eq!(hooks.get_without_token("/v1/previews/tokens-forged/1").await.status, 401);
}

#[tokio::test]
async fn unknown_keys_are_fetched_once_a_minute() {
    let (hooks, issuer) = previews("tokens-kid").await;
    assert_eq!(issuer.fetched(), 0, "keys are fetched when they are needed");
    let path = "/v1/previews/tokens-kid/1";
    for at in 0..20 {
        assert_eq!(hooks.get(path, &token(&issuer.pull_request())).await.status, 200);
        let unknown = token_with(&json!({"alg": "RS256", "kid": format!("key-{at}")}), &issuer.pull_request());
        assert_eq!(hooks.get(path, &unknown).await.status, 401);
    }
    assert_eq!(issuer.fetched(), 1, "20 unknown keys within a minute of the first fetch");
}

#[tokio::test]
async fn issuer_that_is_away_is_answered_with_503() {
    let (_, address) = connect().await;
    let hooks = Hooks::begin("previews", "tokens-away", &address, "nobody", "http://127.0.0.1:1").await;
    let claims = Issuer::start().await.pull_request();
    let reply = hooks.get("/v1/previews/tokens-away/1", &token(&claims)).await;
    assert_eq!((reply.status, reply.retry_after.as_deref()), (503, Some("5")), "{reply:?}");
}

#[tokio::test]
async fn job_of_another_repository_or_pull_request_is_answered_with_403() {
    let (hooks, issuer) = previews("tokens-403").await;
    let claims = issuer.pull_request();
    for changes in [
        vec![("repository_id", json!("1"))],
        vec![("ref", json!("refs/pull/2/merge"))],
        vec![("ref", json!("refs/heads/feature"))],
        vec![("ref", json!("refs/heads/main")), ("base_ref", json!("release"))],
    ] {
        let token = token(&changed(&claims, &changes));
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
    assert_eq!(hooks.get("/v1/previews/shop/1", &token(&claims)).await.status, 404);
    for path in ["/v1/previews/tokens-403/0", "/v1/previews/tokens-403/x", "/v1/previews/tokens-403/-1", "/v1/x", "/"] {
        assert_eq!(hooks.get(path, &token(&claims)).await.status, 404, "{path}");
    }
    assert_eq!(hooks.post("/v1/previews/tokens-403/1/approve", &token(&claims), "{}").await.status, 404);
    assert_eq!(hooks.get("/v1/production/tokens-403", &token(&issuer.release())).await.status, 404, "not served here");
}

#[tokio::test]
async fn each_event_is_answered_as_it_deserves() {
    let (hooks, issuer) = previews("tokens-event").await;
    for (event, status) in [
        ("pull_request", 200),
        ("pull_request_target", 403),
        ("workflow_run", 403),
        ("issue_comment", 403),
        ("push", 403),
        ("workflow_dispatch", 403),
        ("schedule", 403),
    ] {
        let token = token(&changed(&issuer.pull_request(), &[("event_name", json!(event))]));
        let reply = hooks.get("/v1/previews/tokens-event/1", &token).await;
        assert_eq!(reply.status, status, "{event}: {reply:?}");
    }
}

#[tokio::test]
async fn closed_run_after_a_merge_gives_a_hint_and_deploys_nothing() {
    let (client, _) = connect().await;
    let (hooks, issuer) = previews("tokens-merged").await;
    let merged = token(&changed(&issuer.pull_request(), &[("ref", json!("refs/heads/main"))]));
    let deploy = hooks.post("/v1/previews/tokens-merged/1/deploy", &merged, "{}").await;
    assert_eq!(deploy.status, 403, "{deploy:?}");
    let close = hooks.post("/v1/previews/tokens-merged/1/close", &merged, "").await;
    assert_eq!((close.status, close.json["outcome"].as_str()), (200, Some("not_found")), "{close:?}");
    assert_eq!(messages(&client, "preview-tokens-merged-1").await, [], "a hint starts nothing");
    // The run of a pull request that was closed without a merge still has its own reference: it is in `jobs.rs`.
}
