//! A read-through cache per Doppler config, in a Secret of berth's namespace. Doppler counts every request of a token,
//! even if nothing has changed, and many environments read the same config.
//!
//! A stale value is never returned: if Doppler does not answer, reading fails and is retried.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, api::DeleteParams};
use tokio::{sync::Mutex, time::Instant};
use tracing::warn;

use berth_manifests::app::DopplerConfig;
use berth_workflows::contract::verdict::{FailureType, Verdict};

use super::{
    stored::{self, Cached},
    token,
};
use crate::{
    context::Context,
    failure::Failure,
    redaction::{redacted_failure::hide_values, secret_keys::secret_values},
    secrets::doppler::{Doppler, DopplerError, Download},
};

/// The age up to which a cached answer is used without a request. Concurrent pushes of many pull requests become one
/// request.
const FRESH: Duration = Duration::from_secs(5);

/// The client of Doppler that all activities of a worker share. It has one request in flight per config.
#[derive(Debug)]
pub struct DopplerReader {
    doppler: Doppler,
    turns: Mutex<HashMap<String, Turn>>,
}

impl DopplerReader {
    /// A reader of the Doppler at this URL.
    ///
    /// # Errors
    /// The URL is invalid, or TLS cannot be set up.
    pub fn new(doppler_url: &str) -> Result<Self, reqwest::Error> {
        Ok(Self { doppler: Doppler::new(doppler_url)?, turns: Mutex::default() })
    }

    async fn turn(&self, key: &str) -> Turn {
        Arc::clone(self.turns.lock().await.entry(key.to_owned()).or_default())
    }
}

/// The lock for requests of one config, with the last failure.
pub(super) type Turn = Arc<Mutex<Option<Refused>>>;

/// A failed request. Readers that waited for it do not repeat it.
#[derive(Debug)]
pub(super) struct Refused {
    at: Instant,
    error: DopplerError,
}

impl Refused {
    /// Returns the error if a new request would only repeat it: for readers that waited for this request, and while a
    /// rate limit lasts.
    fn still(&self, asked: Instant, now: Instant) -> Option<DopplerError> {
        if let DopplerError::RateLimited { message, retry_after: Some(wait) } = &self.error
            && let Some(left) = (self.at + *wait).checked_duration_since(now).filter(|left| !left.is_zero())
        {
            return Some(DopplerError::RateLimited { message: message.clone(), retry_after: Some(left) });
        }
        (asked <= self.at).then(|| self.error.clone())
    }
}

/// Returns the newest values of a config: from the cache if it is fresh, else by one conditional request.
///
/// # Errors
/// `SecretsDenied`, permanent, if Doppler refuses. The cache is dropped then, because a revoked token must not open old
/// values. `SecretsUnavailable`, retried, if Doppler does not answer. The cache stays.
pub(super) async fn read(
    context: Context<'_>,
    reader: &DopplerReader,
    config: &DopplerConfig,
) -> Result<BTreeMap<String, String>, Failure> {
    let name = stored::name(reader.doppler.base(), config);
    let api: Api<Secret> = Api::namespaced(context.client.clone(), &context.settings.berth_namespace);
    let asked = Instant::now();
    let turn = reader.turn(&name).await;
    let mut turn = turn.lock().await;
    if let Some(error) = turn.as_ref().and_then(|refused| refused.still(asked, Instant::now())) {
        return Err(failed(config, error));
    }
    let what = format!("Doppler cache {name}");
    let cached = api.get_opt(&name).await.map_err(|e| Failure::kubernetes(&what, e))?.and_then(stored::parse);
    if let Some(fresh) = cached.as_ref().filter(|cached| cached.fetched.elapsed().is_ok_and(|age| age < FRESH)) {
        return Ok(fresh.values.clone());
    }
    let token = token::read(context, config).await?;
    let etag = cached.as_ref().and_then(|cached| cached.etag.as_deref());
    let answer = reader.doppler.download(&token, &config.project, &config.config, etag).await;
    match answer.and_then(|answer| newest(answer, cached)) {
        Ok(newest) => {
            *turn = None;
            check_origin(&newest.values, config)?;
            let written = stored::write(&api, &name, context.settings, config, &newest).await;
            match written {
                Ok(()) => Ok(newest.values),
                Err(failure) => Err(hide_values(secret_values(&newest.values), failure).await),
            }
        }
        Err(error) => {
            *turn = Some(Refused { at: Instant::now(), error: error.clone() });
            if matches!(error, DopplerError::Denied(_)) {
                drop_cache(&api, &name).await;
            }
            Err(failed(config, error))
        }
    }
}

fn newest(answer: Download, cached: Option<Cached>) -> Result<Cached, DopplerError> {
    match (answer, cached) {
        (Download::Values { values, etag }, cached) => Ok(Cached::now(values, etag, cached)),
        (Download::NotModified, Some(Cached { values, etag, version, .. })) => {
            Ok(Cached { version, ..Cached::now(values, etag, None) })
        }
        (Download::NotModified, None) => {
            Err(DopplerError::Unavailable("it answered 304 to an unconditional request".to_owned()))
        }
    }
}

/// Checks that the values are of the config in the app file. A service token opens its own config whatever is
/// requested, and a wrong token must not bring production's values into a preview.
fn check_origin(values: &BTreeMap<String, String>, config: &DopplerConfig) -> Result<(), Failure> {
    for (key, wanted) in [("DOPPLER_PROJECT", &config.project), ("DOPPLER_CONFIG", &config.config)] {
        if values.get(key).is_some_and(|found| found != wanted) {
            let message = format!(
                "the token in Secret {} opens another {key} than {wanted} of the app file",
                config.token.secret
            );
            let advice = format!("create a service token for config {} of project {}", config.config, config.project);
            return Err(Verdict::new(FailureType::SecretsDenied, message).advise(advice).into());
        }
    }
    Ok(())
}

async fn drop_cache(api: &Api<Secret>, name: &str) {
    match api.delete(name, &DeleteParams::default()).await {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.code == 404 => {}
        // A stale cache is not used before Doppler has answered again. The next refusal drops it.
        Err(error) => warn!(secret = name, %error, "Could not drop Doppler cache {name}"),
    }
}

fn failed(config: &DopplerConfig, error: DopplerError) -> Failure {
    let message = format!("project {}, config {}: {error}", config.project, config.config);
    match error {
        DopplerError::Denied(_) => {
            let advice = format!("check the token in Secret {} of berth's namespace", config.token.secret);
            Verdict::new(FailureType::SecretsDenied, message).advise(advice).into()
        }
        DopplerError::Unexpected(_) => Failure::permanent(FailureType::SecretsDenied, message),
        DopplerError::RateLimited { retry_after, .. } => {
            Failure::Transient { failure: FailureType::SecretsUnavailable, message, retry_after, source: None }
        }
        DopplerError::Unavailable(_) => Failure::transient(FailureType::SecretsUnavailable, message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_shared_by_waiting_readers_and_a_rate_limit_by_all() {
        let at = Instant::now();
        let second = Duration::from_secs(1);
        let outage = Refused { at, error: DopplerError::Unavailable("no".into()) };
        assert_eq!(outage.still(at - second, at + second), Some(outage.error.clone()));
        assert_eq!(outage.still(at + second, at + second), None);

        let limit = |wait| DopplerError::RateLimited { message: "slow".into(), retry_after: wait };
        let limited = Refused { at, error: limit(Some(3 * second)) };
        assert_eq!(limited.still(at + second, at + second), Some(limit(Some(2 * second))));
        assert_eq!(limited.still(at + 3 * second, at + 3 * second), None);
        assert_eq!(Refused { at, error: limit(None) }.still(at + second, at + second), None);
    }
}
