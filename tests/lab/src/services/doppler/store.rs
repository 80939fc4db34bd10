//! The stand-in's data: configs, tokens, failures to inject, and request counters.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{PREVIEW_TOKEN, PRODUCTION_TOKEN};

/// The project and config.
pub(super) type Name = (String, String);

#[derive(Debug, Default)]
pub(super) struct Store {
    configs: BTreeMap<Name, BTreeMap<String, String>>,
    tokens: BTreeMap<String, Name>,
    /// Failures by config. `None` is the failure of all requests.
    failures: BTreeMap<Option<Name>, Failure>,
    pub(super) rate_limit: RateLimit,
    reads: BTreeMap<String, VecDeque<Instant>>,
    pub(super) requests: BTreeMap<String, Requests>,
    request_ids: u64,
}

/// A failure of the next requests.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// The answer's status. Without one, the request is only delayed.
    pub status: Option<u16>,
    /// The header `Retry-After`: seconds or a date.
    pub retry_after: Option<String>,
    /// The answer's body. Without one, an error in Doppler's format.
    pub body: Option<String>,
    /// The content type. Without one, JSON.
    pub content_type: Option<String>,
    /// The delay of the answer in milliseconds.
    #[serde(default)]
    pub delay_ms: u64,
    /// The number of requests that fail. Without it, all fail until the failure is cleared.
    pub times: Option<u32>,
}

/// The rate limit. Every answer's headers announce it, but it is enforced only on request, because tests share a server.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RateLimit {
    pub(super) per_minute: u32,
    #[serde(default)]
    pub(super) enforced: bool,
}

impl Default for RateLimit {
    fn default() -> Self {
        Self { per_minute: 240, enforced: false }
    }
}

#[derive(Debug, Default, Serialize)]
pub(super) struct Requests {
    /// All requests for the config's secrets by a token that opens it, including failed ones and those answered with 304.
    pub(super) total: u64,
    pub(super) not_modified: u64,
}

/// The state of a token's rate limit in the current minute.
pub(super) struct Allowance {
    pub(super) limit: u32,
    pub(super) remaining: u32,
    pub(super) resets_in: Duration,
    pub(super) exceeded: bool,
}

impl Store {
    /// The sample app's two configs. The values are canaries: outside a Secret they prove a leak.
    pub(super) fn sample() -> Self {
        let mut store = Self::default();
        for (config, token) in [("preview", PREVIEW_TOKEN), ("production", PRODUCTION_TOKEN)] {
            let name = ("web".to_owned(), config.to_owned());
            let values = [
                ("GREETING", format!("hello from {config}")),
                ("API_KEY", format!("canary-{config}-api-key-4f1d9c")),
                ("DATABASE_PASSWORD", format!("canary-{config}-database-password-b82e07")),
            ];
            store.put(name.clone(), values.map(|(key, value)| (key.to_owned(), value)).into());
            store.bind(token.to_owned(), name);
        }
        store
    }

    pub(super) fn put(&mut self, name: Name, values: BTreeMap<String, String>) {
        self.configs.insert(name, values);
    }

    pub(super) fn remove(&mut self, name: &Name) {
        self.configs.remove(name);
    }

    pub(super) fn bind(&mut self, token: String, name: Name) {
        self.tokens.insert(token, name);
    }

    pub(super) fn revoke(&mut self, token: &str) {
        self.tokens.remove(token);
    }

    pub(super) fn bound_to(&self, token: &str) -> Option<&Name> {
        self.tokens.get(token)
    }

    /// A config's secrets, with the three that Doppler adds.
    pub(super) fn secrets(&self, name: &Name) -> Option<BTreeMap<String, String>> {
        let mut secrets = self.configs.get(name)?.clone();
        let (project, config) = name;
        // A branch config `preview_pr_1` belongs to the environment `preview`.
        let environment = config.split('_').next().unwrap_or(config);
        for (key, value) in [("PROJECT", project.as_str()), ("ENVIRONMENT", environment), ("CONFIG", config)] {
            secrets.insert(format!("DOPPLER_{key}"), value.to_owned());
        }
        Some(secrets)
    }

    pub(super) fn requests_of(&mut self, (project, config): &Name) -> &mut Requests {
        self.requests.entry(format!("{project}/{config}")).or_default()
    }

    /// Counts a read by `token`, and answers the state of its rate limit.
    pub(super) fn read_by(&mut self, token: &str, now: Instant) -> Allowance {
        const MINUTE: Duration = Duration::from_secs(60);
        let RateLimit { per_minute: limit, enforced } = self.rate_limit;
        let reads = self.reads.entry(token.to_owned()).or_default();
        while reads.front().is_some_and(|read| now.duration_since(*read) >= MINUTE) {
            reads.pop_front();
        }
        let before = u32::try_from(reads.len()).unwrap_or(u32::MAX);
        let exceeded = enforced && before >= limit;
        if !exceeded {
            reads.push_back(now);
        }
        let oldest = reads.front().copied().unwrap_or(now);
        let resets_in = MINUTE.saturating_sub(now.duration_since(oldest));
        Allowance { limit, remaining: limit.saturating_sub(before + 1), resets_in, exceeded }
    }

    /// Sets or clears the failure of requests: of all, or of those with a token of one config.
    pub(super) fn fail(&mut self, selection: Option<Name>, failure: Option<Failure>) {
        match failure {
            Some(failure) => self.failures.insert(selection, failure),
            None => self.failures.remove(&selection),
        };
    }

    /// The failure of the next request, if there is one. It counts down.
    pub(super) fn next_failure(&mut self, selection: Option<Name>) -> Option<Failure> {
        let selection = if self.failures.contains_key(&selection) { selection } else { None };
        let failure = self.failures.get_mut(&selection)?;
        if let Some(times) = &mut failure.times {
            if *times == 0 {
                self.failures.remove(&selection);
                return None;
            }
            *times -= 1;
        }
        Some(failure.clone())
    }

    pub(super) fn request_id(&mut self) -> String {
        self.request_ids += 1;
        format!("lab-{:012}", self.request_ids)
    }
}

/// A weak `ETag` that depends on the content alone, like Doppler's.
pub(super) fn etag(body: &str) -> String {
    let digest: String = Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("W/\"{digest}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etag_is_weak_and_follows_the_content() {
        let tag = etag("{}");
        let hex = tag.strip_prefix("W/\"").unwrap().strip_suffix('"').unwrap();
        assert!(hex.len() == 64 && hex.chars().all(|c| c.is_ascii_hexdigit()));
        assert_eq!(etag("{}"), tag);
        assert_ne!(etag("{\"A\":\"1\"}"), tag);
    }

    #[test]
    fn read_above_the_limit_is_refused_until_the_minute_has_passed() {
        let mut store = Store { rate_limit: RateLimit { per_minute: 2, enforced: true }, ..Store::default() };
        let start = Instant::now();
        assert_eq!(store.read_by("t", start).remaining, 1);
        assert!(!store.read_by("t", start).exceeded);
        assert!(store.read_by("t", start + Duration::from_secs(59)).exceeded);
        assert!(!store.read_by("other", start).exceeded);
        assert!(!store.read_by("t", start + Duration::from_secs(60)).exceeded);
    }

    #[test]
    fn failure_ends_after_its_requests_and_affects_only_its_config() {
        let failure: Failure = serde_json::from_str(r#"{"status":503,"times":2}"#).unwrap();
        let mut store = Store::default();
        store.fail(None, Some(failure.clone()));
        let mut statuses = |selection: Option<Name>| {
            (0..3).map(|_| store.next_failure(selection.clone()).and_then(|failure| failure.status)).collect::<Vec<_>>()
        };
        assert_eq!(statuses(None), [Some(503), Some(503), None]);

        let web = Some(("web".to_owned(), "preview".to_owned()));
        store.fail(web.clone(), Some(failure));
        assert!(store.next_failure(None).is_none() && store.next_failure(web.clone()).is_some());
        store.fail(web.clone(), None);
        assert!(store.next_failure(web).is_none());
    }

    #[test]
    fn config_has_the_three_names_that_doppler_adds() {
        let secrets = Store::sample().secrets(&("web".to_owned(), "preview".to_owned())).unwrap();
        assert_eq!((secrets["DOPPLER_PROJECT"].as_str(), secrets["DOPPLER_CONFIG"].as_str()), ("web", "preview"));
        assert_eq!(secrets["DOPPLER_ENVIRONMENT"], "preview");
    }
}
