//! The client of Doppler's API: one request, and the meanings of its answers.

use std::{collections::BTreeMap, time::Duration};

use reqwest::{Client, Response, StatusCode, header::IF_NONE_MATCH, redirect};

mod answer;
mod token;

use answer::Head;

pub(crate) use answer::DopplerError;
pub(crate) use token::Token;

/// The timeout of Doppler's own clients.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The most bytes of an answer. Doppler allows 500 KiB per config.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// A successful answer. Not `Debug`, because it contains values.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Download {
    /// The values and their version.
    Values { values: BTreeMap<String, String>, etag: Option<String> },
    /// The requested version is still the newest.
    NotModified,
}

/// A client of one Doppler.
#[derive(Debug, Clone)]
pub(crate) struct Doppler {
    http: Client,
    base: String,
}

impl Doppler {
    /// A client of the Doppler at this URL. Its timeout is 10 s for a whole answer.
    ///
    /// # Errors
    /// The URL is invalid, or TLS cannot be set up.
    pub(crate) fn new(base: &str) -> Result<Self, reqwest::Error> {
        Self::with_timeout(base, TIMEOUT)
    }

    fn with_timeout(base: &str, timeout: Duration) -> Result<Self, reqwest::Error> {
        // Doppler's API has no redirects. A redirect would send the token elsewhere.
        let http = Client::builder().timeout(timeout).redirect(redirect::Policy::none()).build()?;
        // An invalid URL is reported at the worker's start, not at the first rollout.
        http.get(base).build()?;
        Ok(Self { http, base: base.trim_end_matches('/').to_owned() })
    }

    /// The URL of this Doppler.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// Downloads a config's secrets, unless they still have the version `etag`. Answers above 1 MiB are refused.
    ///
    /// # Errors
    /// See [`DopplerError`]. No error contains the token or a value.
    pub(crate) async fn download(
        &self,
        token: &Token,
        project: &str,
        config: &str,
        etag: Option<&str>,
    ) -> Result<Download, DopplerError> {
        let url = format!("{}/v3/configs/config/secrets/download", self.base);
        let query = [("format", "json"), ("project", project), ("config", config)];
        let mut request = self.http.get(url).bearer_auth(token.reveal()).query(&query);
        if let Some(etag) = etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        let response = request.send().await.map_err(|e| DopplerError::Unavailable(describe(&e)))?;
        let head = Head::from_response(&response, token);
        if head.status == StatusCode::NOT_MODIFIED {
            return Ok(Download::NotModified);
        }
        let body = bounded(response, &head).await?;
        match head.status {
            StatusCode::OK => Ok(Download::Values { values: head.values(&body)?, etag: head.etag }),
            _ => Err(head.refusal(&body, token)),
        }
    }
}

async fn bounded(mut response: Response, head: &Head) -> Result<Vec<u8>, DopplerError> {
    let mut body = Vec::new();
    let failed = |e| DopplerError::Unavailable(format!("{}{}", describe(&e), head.request()));
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_BODY_BYTES {
            // A refusal is described by its status, however long its body.
            let why = format!("more than {MAX_BODY_BYTES} bytes{}", head.request());
            return if head.status == StatusCode::OK { Err(DopplerError::Unexpected(why)) } else { Ok(body) };
        }
    }
    Ok(body)
}

/// Describes a reqwest error by its causes. Its own message contains the URL.
fn describe(error: &reqwest::Error) -> String {
    let mut text = if error.is_timeout() { "timeout".to_owned() } else { "connection failed".to_owned() };
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
pub(crate) mod stub;
#[cfg(test)]
mod tests;
