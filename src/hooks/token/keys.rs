//! The issuer's public keys: kept an hour, and fetched again for an unknown key at most once a minute.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use jsonwebtoken::{
    DecodingKey,
    jwk::{AlgorithmParameters, JwkSet, KeyAlgorithm, PublicKeyUse},
};
use tokio::sync::Mutex;

use super::Unbelieved;

/// How long fetched keys are used. GitHub replaces a key some times a year, and withdraws one that has leaked at once.
const KEPT: Duration = Duration::from_secs(3600);
/// The pause between two fetches. Strangers make up names of keys.
const PAUSE: Duration = Duration::from_secs(60);
/// How long the issuer may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The longest answer. GitHub's has 4 KB.
const MAX_BYTES: usize = 256 * 1024;

/// The keys of an issuer.
pub(super) struct Keys {
    http: reqwest::Client,
    url: String,
    known: RwLock<Arc<Known>>,
    /// Held while keys are fetched, so that one request does it for all. The time of the last try.
    fetching: Mutex<Option<Instant>>,
}

/// The keys of the last fetch, by their names.
#[derive(Default)]
struct Known {
    by_kid: HashMap<String, DecodingKey>,
    fetched: Option<Instant>,
}

/// The step that follows from the state of the keys.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Use,
    Fetch,
    /// The issuer was asked a moment ago, and has no such key.
    Unknown,
    /// The issuer was asked a moment ago, and did not answer.
    Unavailable,
}

/// Decides what a key's name leads to. `fetched`, `tried`: the time since the last successful and since the last fetch.
fn next(is_known: bool, fetched: Option<Duration>, tried: Option<Duration>) -> Next {
    let is_fresh = fetched.is_some_and(|ago| ago < KEPT);
    let may_fetch = tried.is_none_or(|ago| ago >= PAUSE);
    match (is_fresh, is_known, may_fetch) {
        (true, true, _) => Next::Use,
        (_, _, true) => Next::Fetch,
        (true, false, false) => Next::Unknown,
        (false, _, false) => Next::Unavailable,
    }
}

impl Keys {
    /// Prepares for the keys of an issuer. Nothing is fetched yet.
    ///
    /// # Errors
    /// The issuer is no URL, or TLS cannot be set up.
    pub(super) fn new(issuer: &str) -> anyhow::Result<Self> {
        // A redirect would let another host name the keys.
        let http = reqwest::Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none()).build()?;
        let url = format!("{}/.well-known/jwks", issuer.trim_end_matches('/'));
        http.get(&url).build().with_context(|| format!("{issuer} is not a URL (--oidc-issuer)"))?;
        Ok(Self { http, url, known: RwLock::default(), fetching: Mutex::default() })
    }

    /// The key of that name.
    ///
    /// # Errors
    /// There is none, or the issuer does not answer.
    pub(super) async fn find(&self, kid: &str) -> Result<DecodingKey, Unbelieved> {
        if let Some(key) = self.fresh(kid) {
            return Ok(key);
        }
        let mut tried = self.fetching.lock().await;
        let known = self.known();
        let ago = |time: Option<Instant>| time.map(|time| time.elapsed());
        let unknown = || Unbelieved::Token("the token's key is none of the issuer's".to_owned());
        match next(known.by_kid.contains_key(kid), ago(known.fetched), ago(*tried)) {
            Next::Use => {}
            Next::Unknown => return Err(unknown()),
            Next::Unavailable => return Err(Unbelieved::Issuer),
            Next::Fetch => {
                *tried = Some(Instant::now());
                let fetched = self.fetch().await.map_err(|error| {
                    tracing::warn!(url = %self.url, error = format!("{error:#}"), "Could not fetch the issuer's keys");
                    Unbelieved::Issuer
                })?;
                *self.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fetched);
            }
        }
        self.fresh(kid).ok_or_else(unknown)
    }

    fn known(&self) -> Arc<Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The key of that name, if the keys are no older than they may be.
    fn fresh(&self, kid: &str) -> Option<DecodingKey> {
        let known = self.known();
        known.fetched.filter(|fetched| fetched.elapsed() < KEPT)?;
        known.by_kid.get(kid).cloned()
    }

    async fn fetch(&self) -> anyhow::Result<Known> {
        let mut answer = self.http.get(&self.url).send().await?.error_for_status()?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            ensure!(body.len() + chunk.len() <= MAX_BYTES, "the answer is longer than {MAX_BYTES} bytes");
            body.extend_from_slice(&chunk);
        }
        let by_kid = parse(&body)?;
        tracing::info!(keys = by_kid.len(), "Fetched {} keys of the issuer", by_kid.len());
        Ok(Known { by_kid, fetched: Some(Instant::now()) })
    }
}

/// The RSA keys of a key set that sign by RS256. Others are of no use here.
fn parse(body: &[u8]) -> anyhow::Result<HashMap<String, DecodingKey>> {
    let set: JwkSet = serde_json::from_slice(body).context("reading a set of keys")?;
    let usable = set.keys.into_iter().filter_map(|key| {
        let signs = !matches!(key.common.public_key_use, Some(PublicKeyUse::Encryption));
        let is_rs256 = matches!(key.common.key_algorithm, None | Some(KeyAlgorithm::RS256));
        let AlgorithmParameters::RSA(rsa) = &key.algorithm else { return None };
        let decoding = DecodingKey::from_rsa_components(&rsa.n, &rsa.e).ok()?;
        (signs && is_rs256).then_some((key.common.key_id?, decoding))
    });
    let keys: HashMap<_, _> = usable.collect();
    ensure!(!keys.is_empty(), "there is no RSA key in it");
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn keys_are_kept_for_an_hour() {
        let just = Some(Duration::ZERO);
        assert_eq!(next(false, None, None), Next::Fetch);
        assert_eq!(next(true, just, just), Next::Use);
        assert_eq!(next(true, Some(KEPT - SECOND), Some(KEPT - SECOND)), Next::Use);
        assert_eq!(next(true, Some(KEPT), Some(KEPT)), Next::Fetch);
    }

    #[test]
    fn unknown_key_is_fetched_at_most_once_a_minute() {
        let ago = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(next(false, ago(30), ago(30)), Next::Unknown);
        assert_eq!(next(false, ago(60), ago(60)), Next::Fetch);
        assert_eq!(next(false, ago(600), ago(59)), Next::Unknown);
        // The issuer has not answered since the start, or for an hour.
        assert_eq!(next(false, None, ago(59)), Next::Unavailable);
        assert_eq!(next(true, ago(3601), ago(1)), Next::Unavailable);
    }

    #[test]
    fn only_rsa_keys_with_a_name_are_taken_from_a_set() {
        let rsa = |more: serde_json::Value| {
            let mut key = json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"});
            key.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            key
        };
        let set = json!({"keys": [
            rsa(json!({"kid": "one", "use": "sig", "alg": "RS256", "x5t": "…"})),
            rsa(json!({"kid": "two"})),
            rsa(json!({"kid": "encrypts", "use": "enc"})),
            rsa(json!({"kid": "other", "alg": "RS512"})),
            rsa(json!({})),
            {"kty": "EC", "kid": "curve", "crv": "P-256", "x": "AQAB", "y": "AQAB"},
            {"kty": "oct", "kid": "secret", "k": "AQAB"},
            {"kty": "of next year", "kid": "new"},
        ]});
        let mut names: Vec<_> = parse(set.to_string().as_bytes()).unwrap().into_keys().collect();
        names.sort();
        assert_eq!(names, ["one", "two"]);
        assert!(parse(b"{\"keys\": []}").is_err() && parse(b"<html>").is_err());
    }
}
