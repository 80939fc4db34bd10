use super::*;
use crate::github::{Forgery, Job};

const AUDIENCE: &str = "https://berth.example.com";

/// The keys that the issuer publishes, found as a verifier finds them.
async fn published(client: &Client) -> Vec<Value> {
    let configuration = client.get("/.well-known/openid-configuration").await.body;
    assert_eq!(configuration["issuer"], client.github.url());
    client.get(configuration["jwks_uri"].as_str().unwrap()).await.body["keys"].as_array().unwrap().clone()
}

/// The claims of a token, if a published key verifies it.
async fn verified(client: &Client, token: &str) -> Option<Value> {
    let published = published(client).await;
    let header: Value = decode(token.split('.').next()?)?;
    let kid = published.iter().find(|key| key["kid"] == header["kid"] && header["alg"] == "RS256")?;
    let number = |name: &str| base64(kid[name].as_str().unwrap());
    let key = ring::rsa::PublicKeyComponents { n: number("n")?, e: number("e")? };
    let (text, signature) = token.rsplit_once('.')?;
    let algorithm = &ring::signature::RSA_PKCS1_2048_8192_SHA256;
    key.verify(algorithm, text.as_bytes(), &base64(signature)?).ok()?;
    decode(text.split('.').nth(1)?)
}

fn base64(text: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).ok()
}

fn decode(part: &str) -> Option<Value> {
    serde_json::from_slice(&base64(part)?).ok()
}

#[tokio::test]
async fn token_of_a_job_has_github_s_claims() {
    let client = Client::start().await;
    let job = Job { run_id: 77, ..Job::of_pull_request(123, NEXT) };
    let claims = verified(&client, &client.github.token(&job, AUDIENCE).unwrap()).await.unwrap();
    for (name, value) in [
        ("iss", client.github.url().as_str()),
        ("aud", AUDIENCE),
        ("sub", "repo:acme/web:pull_request"),
        ("repository_id", "123456789"),
        ("ref", "refs/pull/123/merge"),
        ("event_name", "pull_request"),
        ("run_id", "77"),
        ("actor", "octocat"),
    ] {
        assert_eq!(claims[name], value, "{name}");
    }
    assert!(claims["exp"].as_u64() > claims["iat"].as_u64() && claims["nbf"].as_u64() < claims["iat"].as_u64());
    assert_eq!(claims.get("environment"), None);
    let release = client.github.claims(&Job::of_push("main", HEAD).in_environment("production"), AUDIENCE);
    assert_eq!(
        (&release["environment"], &release["sub"]),
        (&json!("production"), &json!("repo:acme/web:environment:production"))
    );
}

#[tokio::test]
async fn job_asks_for_its_token_as_in_a_runner() {
    let client = Client::start().await;
    let job = client.github.begin_job(Job::of_push("main", HEAD));
    let url = format!("{}&audience={}", job.request_url, "https%3A%2F%2Fberth.example.com");
    let answer = client.ask_as(&job.request_token, "GET", &url, Value::Null).await;
    let claims = verified(&client, answer.body["value"].as_str().unwrap()).await.unwrap();
    assert_eq!((&claims["aud"], &claims["ref"]), (&json!(AUDIENCE), &json!("refs/heads/main")));
    assert_eq!(client.ask_as("wrong", "GET", &url, Value::Null).await.status, 401);
}

#[tokio::test]
async fn forged_tokens_are_not_verified() {
    let client = Client::start().await;
    let claims = client.github.claims(&Job::of_push("main", HEAD), AUDIENCE);
    for forgery in Forgery::ALL {
        let token = client.github.forge(&claims, forgery).unwrap();
        assert_eq!(verified(&client, &token).await, None, "{forgery:?}");
    }
    for changes in [json!({"alg": "RS512"}), json!({"kid": null}), json!({"kid": "unknown"})] {
        let token = client.github.sign_with(&changes, &claims).unwrap();
        assert_eq!(verified(&client, &token).await, None, "{changes}");
    }
    let signed = client.github.sign(&claims).unwrap();
    assert_eq!(verified(&client, &signed).await, Some(claims));
}

#[tokio::test]
async fn rotated_key_signs_and_the_former_one_is_kept_or_not() {
    let client = Client::start().await;
    let token = || client.github.token(&Job::of_push("main", HEAD), AUDIENCE).unwrap();
    let old = token();
    client.github.rotate_keys(true).unwrap();
    assert!(verified(&client, &old).await.is_some() && verified(&client, &token()).await.is_some());
    client.github.rotate_keys(false).unwrap();
    assert!(verified(&client, &old).await.is_none() && verified(&client, &token()).await.is_some());
}
