//! The way to Temporal through berth hooks, with a token of the job and no other credential.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use berth_workflows::contract::signals::Push;
use reqwest::{RequestBuilder, Response, StatusCode, Url, header, redirect::Policy};

use super::{pushed::offered, task::Task, token::Tokens, unanswered::Unanswered};
use crate::{
    envelope::Envelope,
    exchange::question::{Goal, Question},
    exit::UsageError,
};

/// How long an answer may take beyond the wait that was asked for. A message to the worker may take 20 seconds.
const ANSWER: Duration = Duration::from_secs(30);
/// The longest answer. A status has some KB.
const MAX_BYTES: usize = 1024 * 1024;
/// The pause that is asked for by `Retry-After` and kept.
const PAUSE: std::ops::RangeInclusive<u64> = 1..=30;

/// A berth hooks.
pub(super) struct Hooks {
    http: reqwest::Client,
    url: String,
    tokens: Tokens,
    /// The job's variables of GitHub, for the app file's `push_variables`.
    offered: Vec<(&'static str, String)>,
}

impl Hooks {
    /// Prepares for requests. `audience` is the URL that it names itself by; empty means the same.
    ///
    /// # Errors
    /// The URL is wrong, or the job may not ask for tokens.
    pub(super) fn new(url: &str, audience: &str, variable: impl Fn(&str) -> Option<String>) -> anyhow::Result<Self> {
        let url = checked(url)?;
        let audience = if audience.is_empty() { url.as_str() } else { audience.trim_end_matches('/') };
        // A redirect would hand the token to another host.
        let http = reqwest::Client::builder().redirect(Policy::none()).timeout(ANSWER * 2).build()?;
        let offered = offered(&variable);
        let tokens = Tokens::new(http.clone(), audience, variable)?;
        Ok(Self { http, url, tokens, offered })
    }

    /// Sends the message of a task.
    pub(super) async fn send(&self, task: &Task) -> Result<Envelope, Unanswered> {
        let path = path(task);
        let (action, body) = match task {
            Task::Deploy(_, push) => ("deploy", self.write(push)),
            Task::Close(_, close) => ("close", serde_json::to_vec(close)),
            Task::Release(_, push) => ("release", self.write(push)),
        };
        let body = body.context("writing the message").map_err(Unanswered::Refused)?;
        let url = format!("{}{path}/{action}", self.url);
        let request = || self.http.post(&url).header(header::CONTENT_TYPE, "application/json").body(body.clone());
        self.exchange(request).await
    }

    /// Writes a push, with the variables of the job beside it: hooks takes those that the app file lists.
    fn write(&self, push: &Push) -> serde_json::Result<Vec<u8>> {
        let mut json = serde_json::to_value(push)?;
        json["job"] = self.offered.iter().map(|(name, value)| (*name, value.as_str())).collect();
        serde_json::to_vec(&json)
    }

    /// Asks how far a task is.
    pub(super) async fn ask(&self, task: &Task, question: &Question) -> Result<Envelope, Unanswered> {
        let url = format!("{}{}", self.url, path(task));
        let parameters = parameters(question);
        self.exchange(|| self.http.get(&url).query(&parameters)).await
    }

    /// Sends a request with a token. One that is refused may have expired on its way, so there is a second try.
    async fn exchange(&self, request: impl Fn() -> RequestBuilder) -> Result<Envelope, Unanswered> {
        match self.try_exchange(&request, false).await? {
            (StatusCode::UNAUTHORIZED, _) => {
                let (status, answer) = self.try_exchange(&request, true).await?;
                read(status, answer).await
            }
            (status, answer) => read(status, answer).await,
        }
    }

    async fn try_exchange(
        &self,
        request: &impl Fn() -> RequestBuilder,
        is_refused: bool,
    ) -> Result<(StatusCode, Response), Unanswered> {
        let token = self.tokens.token(is_refused).await?;
        let sent = request().bearer_auth(token).send().await;
        let answer = sent.map_err(|error| {
            Unanswered::later(anyhow::Error::from(error.without_url()).context(format!("reaching {}", self.url)))
        })?;
        Ok((answer.status(), answer))
    }
}

/// Checks a URL. A token must not go over the network in clear.
fn checked(url: &str) -> Result<String, UsageError> {
    let wrong = |why: &str| UsageError(format!("{url:?} is {why} (--hooks)"));
    let parsed: Url = url.parse().map_err(|_| wrong("not a URL"))?;
    let host = parsed.host_str().unwrap_or_default();
    let is_this_machine = matches!(host, "127.0.0.1" | "[::1]" | "localhost");
    match parsed.scheme() {
        "https" => {}
        "http" if is_this_machine => {}
        _ => return Err(wrong("not https, and a token is sent to it")),
    }
    Ok(url.trim_end_matches('/').to_owned())
}

fn path(task: &Task) -> String {
    match task {
        Task::Deploy(input, _) | Task::Close(input, _) => format!("/v1/previews/{}/{}", input.app, input.pr),
        Task::Release(input, _) => format!("/v1/production/{}", input.app),
    }
}

fn parameters(question: &Question) -> Vec<(&'static str, String)> {
    let commit = question.commit.as_ref().map(|commit| ("commit", commit.to_string()));
    let release = question.release.map(|release| ("release", release.to_string()));
    let goal = (question.goal == Goal::Gone).then(|| ("for", "gone".to_owned()));
    let wait = question.wait.map(|wait| ("wait", format!("{}s", wait.as_secs().max(1))));
    let seen = question.seen.clone().map(|seen| ("seen", seen));
    [commit, release, goal, wait, seen].into_iter().flatten().collect()
}

/// Reads an answer by its status.
async fn read(status: StatusCode, mut answer: Response) -> Result<Envelope, Unanswered> {
    let pause = answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| Unanswered::later(error.without_url().into()))? {
        if body.len() + chunk.len() > MAX_BYTES {
            return Err(Unanswered::Refused(anyhow!("the answer of berth hooks is longer than {MAX_BYTES} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    judged(status, pause, serde_json::from_slice(&body).ok())
}

/// Decides about an answer. A proxy in front of hooks answers without an envelope.
fn judged(status: StatusCode, pause: Option<u64>, envelope: Option<Envelope>) -> Result<Envelope, Unanswered> {
    let why = match envelope {
        Some(envelope) if status.is_success() => return Ok(envelope),
        Some(Envelope { reason: Some(reason), .. }) => anyhow!("berth hooks answers {status}: {reason}"),
        _ => anyhow!("{status}, and no answer of berth hooks: is --hooks the URL of one?"),
    };
    let may_pass = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&status);
    if !may_pass && !status.is_server_error() {
        return Err(Unanswered::Refused(why));
    }
    Err(match pause {
        Some(seconds) => Unanswered::Later(why, Duration::from_secs(seconds.clamp(*PAUSE.start(), *PAUSE.end()))),
        None => Unanswered::later(why),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_goes_only_over_tls_or_to_this_machine() {
        for (url, expected) in [
            ("https://hooks.example.com/", Some("https://hooks.example.com")),
            ("http://127.0.0.1:8080", Some("http://127.0.0.1:8080")),
            ("http://localhost", Some("http://localhost")),
            ("http://hooks.example.com", None),
            ("http://127.0.0.1.example.com", None),
            ("http://localhost@example.com", None),
            ("ftp://hooks.example.com", None),
            ("hooks.example.com", None),
        ] {
            assert_eq!(checked(url).ok().as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn answer_is_final_or_asked_for_again_by_its_status() {
        let refused = || Some(Envelope::sentence("refused", 10, "no"));
        for (status, pause, expected) in [
            (400, None, None),
            (401, None, None),
            (403, Some(5), None),
            (404, None, None),
            (422, None, None),
            (302, None, None),
            (429, Some(7), Some(7)),
            (503, Some(5), Some(5)),
            (503, Some(0), Some(1)),
            (503, Some(86_400), Some(30)),
            (502, None, Some(2)),
        ] {
            let judged = judged(StatusCode::from_u16(status).unwrap(), pause, refused());
            match (judged.unwrap_err(), expected) {
                (Unanswered::Refused(why), None) => assert!(why.to_string().ends_with(": no"), "{why}"),
                (Unanswered::Later(_, pause), Some(seconds)) => assert_eq!(pause.as_secs(), seconds, "{status}"),
                other => panic!("{status}: {other:?}"),
            }
        }
        let page = judged(StatusCode::OK, None, None);
        assert!(
            matches!(page, Err(Unanswered::Refused(why)) if why.to_string().contains("is --hooks the URL of one?"))
        );
    }
}
