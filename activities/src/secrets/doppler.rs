//! Doppler's API: one request, and what each of its answers means.

use std::{collections::BTreeMap, time::Duration};

use reqwest::{Client, Response, StatusCode, header::IF_NONE_MATCH, redirect};

mod answer;
mod token;

use answer::Head;

pub(crate) use answer::DopplerError;
pub(crate) use token::Token;

/// Doppler's own clients wait as long for an answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Doppler allows 500 KiB per config; twice that is not an answer.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// What Doppler answered. Not `Debug`: it has values.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Download {
    /// The values, and the version they have.
    Values { values: BTreeMap<String, String>, etag: Option<String> },
    /// The version asked about is still the newest.
    NotModified,
}

/// A client of one Doppler.
#[derive(Debug, Clone)]
pub(crate) struct Doppler {
    http: Client,
    base: String,
}

impl Doppler {
    /// A client of the Doppler at that URL. It waits 10 s for a whole answer.
    ///
    /// # Errors
    /// TLS cannot be set up, or that is not a URL.
    pub(crate) fn new(base: &str) -> Result<Self, reqwest::Error> {
        Self::with_timeout(base, TIMEOUT)
    }

    fn with_timeout(base: &str, timeout: Duration) -> Result<Self, reqwest::Error> {
        // Doppler's API has no redirects: one would take the request to somebody else.
        let http = Client::builder().timeout(timeout).redirect(redirect::Policy::none()).build()?;
        // What is no URL is said now and not at the first rollout.
        http.get(base).build()?;
        Ok(Self { http, base: base.trim_end_matches('/').to_owned() })
    }

    /// Where this Doppler is.
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
            // A refusal is told by its status, however long its page.
            let why = format!("more than {MAX_BODY_BYTES} bytes{}", head.request());
            return if head.status == StatusCode::OK { Err(DopplerError::Unexpected(why)) } else { Ok(body) };
        }
    }
    Ok(body)
}

/// reqwest's error by its causes: its own words have the URL in them.
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
pub(crate) mod stub;
#[cfg(test)]
mod tests;
