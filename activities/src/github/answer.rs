//! GitHub's answers, and the failures that they mean. Pure.

use std::time::Duration;

use berth_workflows::contract::verdict::{FailureType, Verdict, truncate};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{failure::Failure, unix_time::unix_time};

/// GitHub's own advice for a limit that names no time: wait at least a minute.
const MINUTE: Duration = Duration::from_secs(60);
/// The longest pause that is believed. A primary limit lasts an hour at most.
const LONGEST: Duration = Duration::from_secs(3600);
/// Bound on a message of GitHub's, in bytes.
const MAX_MESSAGE: usize = 300;
const DOCTOR: &str = "`berth github doctor` shows what is missing";

/// An answer, whatever its status.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// The body of a refusal.
#[derive(Debug, Default, Deserialize)]
struct Refusal {
    #[serde(default)]
    message: String,
    #[serde(default)]
    errors: Vec<Value>,
}

impl Answer {
    /// Returns the answer if GitHub has done what it was asked for. `what` names it in the error.
    ///
    /// # Errors
    /// See [`Answer::failure`].
    pub(super) fn checked(self, what: &str) -> Result<Self, Failure> {
        if self.status.is_success() { Ok(self) } else { Err(self.failure(what)) }
    }

    /// Reads the body of a successful answer.
    ///
    /// # Errors
    /// The answer is a refusal, or its body is not what GitHub documents.
    pub(super) fn read<T: DeserializeOwned>(self, what: &str) -> Result<T, Failure> {
        let answer = self.checked(what)?;
        serde_json::from_slice(&answer.body).map_err(|error| {
            Failure::transient(
                FailureType::GithubUnavailable,
                format!("{what}: GitHub's answer cannot be read: {error}"),
            )
        })
    }

    /// Whether what was asked for is not there, or is hidden.
    pub(super) fn is_absent(&self) -> bool {
        matches!(self.status, StatusCode::NOT_FOUND | StatusCode::GONE)
    }

    /// The failure that a refusal means.
    ///
    /// Limits, outages and refusals that GitHub does not explain may pass: `GithubUnavailable`, with the pause that GitHub
    /// asks for. Everything else needs a person: `GithubDenied`, permanent, with advice.
    pub(super) fn failure(&self, what: &str) -> Failure {
        self.failure_at(what, unix_time())
    }

    fn failure_at(&self, what: &str, now: Duration) -> Failure {
        let message = format!("{what}: {} ({})", self.reason(), self.status.as_u16());
        if let Some(pause) = self.pause(now) {
            return unavailable(message, Some(pause));
        }
        match self.status.as_u16() {
            401 => denied(message, format!("check --github-app-id and --github-key-file; {DOCTOR}")),
            403 => self.forbidden(message),
            404 | 410 => {
                denied(message, format!("it is gone, or the App is not installed on the repository; {DOCTOR}"))
            }
            400 | 405 | 409 | 413 | 422 => {
                denied(message, "GitHub refuses the request itself: report it to berth".to_owned())
            }
            _ => unavailable(message, None),
        }
    }

    /// A refusal that is no limit. One without a known reason may be a limit that does not say so.
    fn forbidden(&self, message: String) -> Failure {
        let reason = self.reason().to_lowercase();
        if reason.contains("locked") {
            return denied(message, "unlock the conversation of the pull request".to_owned());
        }
        if reason.contains("suspended") {
            return denied(message, "unsuspend the App in the settings of the organisation".to_owned());
        }
        if reason.contains("ip allow list") {
            return denied(message, "add the worker's address to the organisation's IP allow list".to_owned());
        }
        if reason.contains("not accessible by") {
            let named = self.header("x-accepted-github-permissions").map(bounded).filter(|named| !named.is_empty());
            let missing = named.map_or_else(|| "a permission".to_owned(), |named| format!("the permission {named}"));
            let advice =
                format!("give the App {missing} in its settings, and accept it for the organisation; {DOCTOR}");
            return denied(format!("{message}: the App lacks {missing}"), advice);
        }
        unavailable(message, Some(MINUTE))
    }

    /// The pause that GitHub asks for, if the answer is a limit that holds for all requests of the account.
    pub(super) fn limit(&self) -> Option<Duration> {
        self.pause(unix_time())
    }

    /// The pause that GitHub asks for, if it is a limit.
    fn pause(&self, now: Duration) -> Option<Duration> {
        if !matches!(self.status.as_u16(), 403 | 429 | 503) {
            return None;
        }
        let number = |name: &str| self.header(name).and_then(|text| text.trim().parse::<u64>().ok());
        let within = |pause: Duration| pause.clamp(Duration::from_secs(1), LONGEST);
        if let Some(seconds) = number("retry-after") {
            return Some(within(Duration::from_secs(seconds)));
        }
        if number("x-ratelimit-remaining") == Some(0)
            && let Some(reset) = number("x-ratelimit-reset")
        {
            return Some(within(Duration::from_secs(reset).saturating_sub(now)));
        }
        let reason = self.reason().to_lowercase();
        let is_limit = ["rate limit", "abuse detection"].iter().any(|sign| reason.contains(sign));
        (is_limit || self.status == StatusCode::TOO_MANY_REQUESTS).then_some(MINUTE)
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// GitHub's own message, bounded. A page of HTML is none.
    fn reason(&self) -> String {
        let refusal: Refusal = serde_json::from_slice(&self.body).unwrap_or_default();
        if refusal.message.is_empty() {
            return self.status.canonical_reason().unwrap_or("an unknown status").to_owned();
        }
        let details: Vec<String> = refusal.errors.iter().take(3).map(detail).collect();
        let separator = if details.is_empty() { "" } else { ": " };
        bounded(&format!("{}{separator}{}", refusal.message, details.join("; ")))
    }
}

/// An error of a field: a text, or an object with a message or a code.
fn detail(error: &Value) -> String {
    let field = |name: &str| error[name].as_str();
    match (error.as_str().or_else(|| field("message")), field("field"), field("code")) {
        (Some(text), ..) => text.to_owned(),
        (None, Some(field), Some(code)) => format!("{field} {code}"),
        _ => "an error without a message".to_owned(),
    }
}

/// A text from GitHub, safe to show.
pub(super) fn bounded(text: &str) -> String {
    let mut text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_MESSAGE).collect();
    truncate(&mut text, MAX_MESSAGE);
    text
}

pub(super) fn denied(message: String, advice: String) -> Failure {
    Verdict::new(FailureType::GithubDenied, message).advise(advice).into()
}

pub(super) fn unavailable(message: String, retry_after: Option<Duration>) -> Failure {
    Failure::Transient { failure: FailureType::GithubUnavailable, message, retry_after, source: None }
}

#[cfg(test)]
mod tests;
