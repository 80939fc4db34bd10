//! The meanings of Doppler's answers: values, or one of four errors. Pure.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::jiff::{Timestamp, fmt::rfc2822};
use reqwest::{
    Response, StatusCode,
    header::{DATE, ETAG, HeaderMap, RETRY_AFTER},
};
use serde::Deserialize;

use berth_workflows::contract::verdict::truncate;

use super::Token;

/// The longest pause to accept. It exceeds every retry policy, and a bound prevents an overflow when times are added.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);
/// The most bytes of a message. Doppler's longest known message, about the rate limit, has 150.
const MAX_WORDS_BYTES: usize = 500;

/// A failed download. No error contains the token or a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DopplerError {
    /// 401, 403 or 404 from Doppler itself: the token does not open that config. Only a person can change it.
    #[error("Doppler refused: {0}")]
    Denied(String),
    /// Too many requests. `retry_after` is between a second and an hour, if Doppler names a time.
    #[error("Doppler's rate limit is used up: {message}")]
    RateLimited { message: String, retry_after: Option<Duration> },
    /// An outage of Doppler, the network, or a proxy that answers with its own page.
    #[error("Doppler did not answer: {0}")]
    Unavailable(String),
    /// An answer that contradicts Doppler's documentation. Another request would get the same.
    #[error("Doppler's answer is unexpected: {0}")]
    Unexpected(String),
}

/// The relevant parts of an answer's head.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) etag: Option<String>,
    retry_after: Option<Duration>,
    request_id: Option<String>,
}

#[derive(Deserialize)]
struct ErrorBody {
    #[serde(default)]
    messages: Vec<String>,
}

impl Head {
    pub(super) fn from_response(response: &Response, token: &Token) -> Self {
        let headers = response.headers();
        Self {
            status: response.status(),
            etag: text(headers, ETAG.as_str()).map(str::to_owned),
            retry_after: retry_after(headers, Timestamp::now()),
            request_id: text(headers, "x-request-id").map(|id| one_line(&token.hide_in(id))),
        }
    }

    /// Reads the body of a successful answer.
    pub(super) fn values(&self, body: &[u8]) -> Result<BTreeMap<String, String>, DopplerError> {
        let unexpected = |why: &str| DopplerError::Unexpected(format!("{why}{}", self.request()));
        // serde's own error could quote a value. A truncated body, or a proxy's page, may be complete the next time.
        let Ok(json) = serde_json::from_slice::<serde_json::Value>(body) else {
            let why = format!("{} is not JSON (HTTP {}{})", self.size(body), self.status.as_u16(), self.request());
            return Err(DopplerError::Unavailable(why));
        };
        let object = json.as_object().ok_or_else(|| unexpected("the body is not a JSON object"))?;
        object
            .iter()
            .map(|(key, value)| match value.as_str() {
                Some(text) => Ok((key.clone(), text.to_owned())),
                None => Err(unexpected(&format!("the value of {} is not a string", one_line(key)))),
            })
            .collect()
    }

    /// Returns the error that an answer without values means.
    pub(super) fn refusal(&self, body: &[u8], token: &Token) -> DopplerError {
        let said = serde_json::from_slice::<ErrorBody>(body).ok().map(|error| error.messages.join("; "));
        let said = said.filter(|said| !said.is_empty());
        let is_dopplers = said.is_some();
        let said = said.unwrap_or_else(|| self.size(body));
        let retry_after = self.retry_after.or_else(|| retry_in(&said));
        let message = one_line(&token.hide_in(&format!("{said} (HTTP {}{})", self.status.as_u16(), self.request())));
        match self.status.as_u16() {
            429 => DopplerError::RateLimited { message, retry_after },
            408 | 500..=599 => DopplerError::Unavailable(message),
            401 | 403 | 404 if is_dopplers => DopplerError::Denied(message),
            // A redirect is permanent: the address is wrong.
            300..=399 => DopplerError::Unexpected(message),
            // Doppler answers errors in JSON. Any other body comes from a proxy, which knows nothing of tokens.
            _ if !is_dopplers => DopplerError::Unavailable(message),
            _ => DopplerError::Unexpected(message),
        }
    }

    fn size(&self, body: &[u8]) -> String {
        format!("{} bytes", body.len())
    }

    /// The request's id, for Doppler's support.
    pub(super) fn request(&self) -> String {
        self.request_id.as_ref().map(|id| format!(", request {id}")).unwrap_or_default()
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Reads the header's seconds or date. A date is relative to the answer's own date, since clocks differ.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let date = |text| rfc2822::DateTimeParser::new().parse_timestamp(text).ok();
    let asked = text(headers, RETRY_AFTER.as_str())?.trim();
    if let Ok(seconds) = asked.parse() {
        return Some(bounded(seconds));
    }
    let until = date(asked)?;
    let from = text(headers, DATE.as_str()).and_then(date).unwrap_or(now);
    Some(bounded(u64::try_from(until.duration_since(from).as_secs()).unwrap_or_default()))
}

/// Reads the time from Doppler's message "… Retry in 1 seconds. …". Some proxies remove the header.
fn retry_in(said: &str) -> Option<Duration> {
    let (_, rest) = said.split_once("Retry in ")?;
    rest.split(' ').next()?.parse().ok().map(bounded)
}

/// Limits the pause. A rate limit never means an immediate retry.
fn bounded(seconds: u64) -> Duration {
    Duration::from_secs(seconds).clamp(Duration::from_secs(1), MAX_RETRY_AFTER)
}

/// Returns external text as one line of bounded length.
fn one_line(text: &str) -> String {
    let mut text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    truncate(&mut text, MAX_WORDS_BYTES);
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(entries: &[(&'static str, &str)]) -> HeaderMap {
        entries.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn seconds(entries: &[(&'static str, &str)]) -> Option<u64> {
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        retry_after(&headers(entries), now).map(|wait| wait.as_secs())
    }

    #[test]
    fn retry_after_is_read_as_seconds_or_a_date_and_is_bounded() {
        assert_eq!(seconds(&[("retry-after", "7")]), Some(7));
        assert_eq!(seconds(&[("retry-after", "0")]), Some(1));
        assert_eq!(seconds(&[("retry-after", "18446744073709551615")]), Some(3600));
        assert_eq!(seconds(&[("retry-after", "soon")]), None);
        let date = ("retry-after", "Thu, 01 Jan 2026 00:00:30 GMT");
        assert_eq!(seconds(&[date]), Some(30));
        assert_eq!(seconds(&[date, ("date", "Thu, 01 Jan 2026 00:00:20 GMT")]), Some(10));
        assert_eq!(seconds(&[("retry-after", "Wed, 31 Dec 2025 00:00:00 GMT")]), Some(1));
    }

    #[test]
    fn external_text_becomes_one_bounded_line() {
        let long = one_line(&format!("a\r\nb\u{1b}[31m{}", "é".repeat(1000)));
        assert!(long.starts_with("a  b [31m") && long.len() <= MAX_WORDS_BYTES);
    }

    /// An answer as any server or proxy may give it.
    fn head(status: u16, entries: &[(&'static str, Vec<u8>)], token: &Token) -> Head {
        let mut response = http::Response::builder().status(status);
        for (name, value) in entries {
            if let Ok(value) = http::HeaderValue::from_bytes(value) {
                response = response.header(*name, value);
            }
        }
        Head::from_response(&Response::from(response.body(Vec::new()).unwrap()), token)
    }

    proptest! {
        #[test]
        fn no_answer_panics_and_no_error_shows_the_token_or_a_value(
            status in 100u16..600,
            entries in prop::collection::vec((
                prop::sample::select(vec!["retry-after", "date", "etag", "content-type", "x-request-id"]),
                prop_oneof![
                    prop::collection::vec(any::<u8>(), 0..40),
                    "-?[0-9]{0,25}".prop_map(String::into_bytes),
                    "(Mon|Thu|Foo), [0-9]{1,3} (Jan|Feb|Nov) [0-9]{1,6} [0-9]{1,2}:[0-9]{2}:[0-9]{2} (GMT|UTC|[+-][0-9]{4})"
                        .prop_map(String::into_bytes),
                    Just(b"id dp.st.canary".to_vec()),
                ],
            ), 0..6),
            body in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..200),
                "(\\{|\\}|\\[|\\]|:|,|\"|messages|\"messages\":\\[|success|null|canary|dp\\.st\\.canary|Retry in |[0-9]{1,30}| seconds|<html>|\\\\u00|é){0,30}"
                    .prop_map(String::into_bytes),
                "[0-9]{0,30}".prop_map(|n| format!(r#"{{"messages":["Retry in {n} seconds, dp.st.canary"]}}"#).into_bytes()),
                "[a-z]{0,8}".prop_map(|key| format!(r#"{{"{key}":["canary"],"b":"canary"}}"#).into_bytes()),
            ],
        ) {
            let token = Token::new("dp.st.canary").unwrap();
            let head = head(status, &entries, &token);
            let refusal = head.refusal(&body, &token);
            let shown = format!("{refusal} {refusal:?}");
            prop_assert!(!shown.contains("dp.st.canary"));
            prop_assert!(refusal.to_string().len() < MAX_WORDS_BYTES + 100);
            prop_assert!(!refusal.to_string().contains(|c: char| c.is_control()));
            if let DopplerError::RateLimited { retry_after: Some(wait), .. } = refusal {
                prop_assert!((Duration::from_secs(1)..=MAX_RETRY_AFTER).contains(&wait));
            }
            if let Err(error) = head.values(&body) {
                // An error may contain a key, which is quoted text before a colon.
                let key = String::from_utf8_lossy(&body).contains("canary\"") && error.to_string().contains("the value of ");
                prop_assert!(!error.to_string().contains("dp.st.canary") || key);
                prop_assert!(key || !error.to_string().contains("canary"), "{}", error);
            }
        }
    }
}
