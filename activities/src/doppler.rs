//! Doppler's API: one request, and what each of its answers means.

use std::{collections::BTreeMap, fmt, time::Duration};

use reqwest::{
    Client, Response, StatusCode,
    header::{ETAG, IF_NONE_MATCH, RETRY_AFTER},
};
use serde::Deserialize;

/// Doppler's own clients wait as long for an answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Doppler allows 500 KiB per config; twice that is not an answer.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// A service token. Never shown: not in a log, not in an error.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Takes a token that opens one config, or everything of a machine's account.
    ///
    /// # Errors
    /// Personal and CLI tokens open everything that a person may see, and end with that person: they are refused.
    pub fn new(text: impl Into<String>) -> Result<Self, String> {
        let text = text.into().trim().to_owned();
        if text.is_empty() {
            return Err("the token is empty".to_owned());
        }
        match ["dp.pt.", "dp.ct."].into_iter().find(|kind| text.starts_with(kind)) {
            Some(kind) => {
                Err(format!("a token of the kind {kind} is a person's: create a service token (dp.st.) for the config"))
            }
            None => Ok(Self(text)),
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// What Doppler answered.
#[derive(Clone, PartialEq, Eq)]
pub enum Download {
    /// The values, and the version they have.
    Values { values: BTreeMap<String, String>, etag: Option<String> },
    /// The version asked about is still the newest.
    NotModified,
}

/// Why there are no values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DopplerError {
    /// The token does not open that config: nothing but a person can change it.
    #[error("Doppler refused: {0}")]
    Denied(String),
    /// Too many requests; when to come back, if Doppler says so.
    #[error("Doppler's rate limit is used up: {message}")]
    RateLimited { message: String, retry_after: Option<Duration> },
    /// An outage, here, there or in between.
    #[error("Doppler did not answer: {0}")]
    Unavailable(String),
    /// An answer that is not what Doppler's documentation says.
    #[error("Doppler's answer is not understood: {0}")]
    Unexpected(String),
}

/// A client of one Doppler.
#[derive(Debug, Clone)]
pub struct Doppler {
    http: Client,
    base: String,
}

#[derive(Deserialize)]
struct ErrorBody {
    #[serde(default)]
    messages: Vec<String>,
}

impl Doppler {
    /// A client of the Doppler at that URL.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn new(base: &str) -> Result<Self, reqwest::Error> {
        let http = Client::builder().timeout(TIMEOUT).build()?;
        Ok(Self { http, base: base.trim_end_matches('/').to_owned() })
    }

    /// Where this Doppler is.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Downloads a config's secrets, unless they still have the version `etag`.
    ///
    /// # Errors
    /// See [`DopplerError`]. No error contains the token or a value.
    pub async fn download(
        &self,
        token: &Token,
        project: &str,
        config: &str,
        etag: Option<&str>,
    ) -> Result<Download, DopplerError> {
        let url = format!("{}/v3/configs/config/secrets/download", self.base);
        let query = [("format", "json"), ("project", project), ("config", config)];
        let mut request = self.http.get(url).bearer_auth(&token.0).query(&query);
        if let Some(etag) = etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        let response = request.send().await.map_err(|e| DopplerError::Unavailable(describe(&e)))?;
        if response.status() == StatusCode::NOT_MODIFIED {
            return Ok(Download::NotModified);
        }
        let status = response.status();
        let header = |name| response.headers().get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
        let etag = header(ETAG.as_str()).map(str::to_owned);
        let retry_after =
            header(RETRY_AFTER.as_str()).and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
        let request_id = header("x-request-id").map(str::to_owned);
        let body = bounded(response).await?;
        if status.is_success() {
            return Ok(Download::Values { values: values(&body)?, etag });
        }
        Err(refusal(status, &body, retry_after, request_id.as_deref()))
    }
}

async fn bounded(mut response: Response) -> Result<Vec<u8>, DopplerError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| DopplerError::Unavailable(describe(&e)))? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_BODY_BYTES {
            return Err(DopplerError::Unexpected(format!("more than {MAX_BODY_BYTES} bytes")));
        }
    }
    Ok(body)
}

fn values(body: &[u8]) -> Result<BTreeMap<String, String>, DopplerError> {
    let unexpected = |why: &str| DopplerError::Unexpected(why.to_owned());
    // Not serde's own error: it could quote a value.
    let json: serde_json::Value = serde_json::from_slice(body).map_err(|_| unexpected("the body is not JSON"))?;
    let object = json.as_object().ok_or_else(|| unexpected("the body is not a JSON object"))?;
    object
        .iter()
        .map(|(key, value)| match value.as_str() {
            Some(text) => Ok((key.clone(), text.to_owned())),
            None => Err(unexpected(&format!("the value of {key} is not a string"))),
        })
        .collect()
}

fn refusal(status: StatusCode, body: &[u8], retry_after: Option<Duration>, request_id: Option<&str>) -> DopplerError {
    let words = serde_json::from_slice::<ErrorBody>(body).ok().map(|error| error.messages.join("; "));
    let words = words.filter(|words| !words.is_empty()).unwrap_or_else(|| format!("{} bytes", body.len()));
    let request = request_id.map(|id| format!(", request {id}")).unwrap_or_default();
    let message = format!("{words} (HTTP {}{request})", status.as_u16());
    match status.as_u16() {
        401 | 403 | 404 => DopplerError::Denied(message),
        429 => DopplerError::RateLimited { retry_after: retry_after.or_else(|| retry_in(&words)), message },
        500..=599 => DopplerError::Unavailable(message),
        _ => DopplerError::Unexpected(message),
    }
}

/// Doppler's words are "… Retry in 1 seconds. …"; not every proxy in between leaves the header.
fn retry_in(words: &str) -> Option<Duration> {
    let (_, rest) = words.split_once("Retry in ")?;
    rest.split(' ').next()?.parse().ok().map(Duration::from_secs)
}

/// reqwest's error with its causes, without the URL's query.
fn describe(error: &reqwest::Error) -> String {
    let mut text = if error.is_timeout() { "time-out".to_owned() } else { "connection failed".to_owned() };
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests;
