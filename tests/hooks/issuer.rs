//! A small issuer of tokens, as GitHub's for its jobs: one key pair, one set of keys.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{Json, Router, routing::get};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::{
    hmac,
    rand::SystemRandom,
    rsa::{KeyPair, PublicKeyComponents},
    signature::RSA_PKCS1_SHA256,
};
use rsa::pkcs1::EncodeRsaPrivateKey;
use serde_json::{Value, json};

use crate::REPOSITORY;

/// The audience of tokens in these tests.
pub(crate) const PUBLIC_URL: &str = "https://hooks.example.com";
/// The name of the issuer's key.
pub(crate) const KID: &str = "the-key";

/// An issuer. It ends with the test's runtime.
pub(crate) struct Issuer {
    pub(crate) url: String,
    fetched: Arc<AtomicUsize>,
}

impl Issuer {
    /// Serves the public key.
    pub(crate) async fn start() -> Self {
        let fetched = Arc::<AtomicUsize>::default();
        let count = Arc::clone(&fetched);
        let keys = async move || {
            count.fetch_add(1, Ordering::Relaxed);
            Json(json!({ "keys": [public_key()] }))
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/.well-known/jwks", get(keys));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, fetched }
    }

    /// How often its keys were fetched.
    pub(crate) fn fetched(&self) -> usize {
        self.fetched.load(Ordering::Relaxed)
    }

    /// Claims of a job of pull request 1, which hold for ten minutes.
    pub(crate) fn pull_request(&self) -> Value {
        json!({
            "iss": self.url, "aud": PUBLIC_URL, "iat": now(), "nbf": now(), "exp": now() + 600, "jti": "…",
            "sub": "repo:acme/web:pull_request", "repository": "acme/web", "repository_id": REPOSITORY.to_string(),
            "event_name": "pull_request", "ref": "refs/pull/1/merge", "head_ref": "feature", "base_ref": "main",
            "actor": "octocat", "actor_id": "583231", "run_id": "4242", "run_attempt": "1",
        })
    }

    /// Claims of a job of production.
    pub(crate) fn release(&self) -> Value {
        let mut claims = self.pull_request();
        for (name, value) in [("event_name", "push"), ("ref", "refs/heads/main"), ("environment", "production")] {
            claims[name] = json!(value);
        }
        claims["base_ref"] = json!("");
        claims
    }
}

/// A token with these claims, as the issuer signs it.
pub(crate) fn token(claims: &Value) -> String {
    token_with(&json!({"alg": "RS256", "kid": KID, "typ": "JWT"}), claims)
}

/// A token with any header, signed by the issuer's key.
pub(crate) fn token_with(header: &Value, claims: &Value) -> String {
    let text = unsigned(header, claims);
    let key = key();
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
    format!("{text}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}

/// A token without a signature: `alg: none`.
pub(crate) fn token_without_signature(claims: &Value) -> String {
    unsigned(&json!({"alg": "none", "kid": KID}), claims) + "."
}

/// A token signed by an HMAC whose secret is the issuer's public key.
pub(crate) fn token_by_hmac(secret: &[u8], claims: &Value) -> String {
    let text = unsigned(&json!({"alg": "HS256", "kid": KID}), claims);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), text.as_bytes());
    format!("{text}.{}", BASE64_URL_SAFE_NO_PAD.encode(tag.as_ref()))
}

/// The public key, in the spellings that an HMAC could take for its secret.
pub(crate) fn public_key_as_secrets() -> Vec<Vec<u8>> {
    let PublicKeyComponents { n, .. } = PublicKeyComponents::<Vec<u8>>::from(key().public());
    vec![n, key().public().as_ref().to_vec(), public_key().to_string().into_bytes()]
}

fn unsigned(header: &Value, claims: &Value) -> String {
    let encode = |part: &Value| BASE64_URL_SAFE_NO_PAD.encode(part.to_string());
    format!("{}.{}", encode(header), encode(claims))
}

fn public_key() -> Value {
    let PublicKeyComponents { n, e } = PublicKeyComponents::<Vec<u8>>::from(key().public());
    let encode = |number: Vec<u8>| BASE64_URL_SAFE_NO_PAD.encode(number);
    json!({"kty": "RSA", "alg": "RS256", "use": "sig", "kid": KID, "n": encode(n), "e": encode(e)})
}

/// The key of all issuers of this process: making one takes a while.
fn key() -> &'static KeyPair {
    static KEY: OnceLock<KeyPair> = OnceLock::new();
    KEY.get_or_init(|| {
        let key = rsa::PrivateKey::new(&mut getrandom::SysRng, 2048).unwrap();
        KeyPair::from_der(key.to_pkcs1_der().unwrap().as_bytes()).unwrap()
    })
}

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}
