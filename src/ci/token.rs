//! Tokens of a job, which GitHub signs: the proof of the job's repository and event, for one receiver and some minutes.

use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::unanswered::Unanswered;

/// How long a token is used. It holds for five minutes.
const KEPT: Duration = Duration::from_secs(120);

/// The source of a job's tokens. It is not shown: the job's right to ask is in it.
pub(super) struct Tokens {
    http: reqwest::Client,
    url: String,
    right: String,
    audience: String,
    last: Mutex<Option<(Instant, String)>>,
}

#[derive(Deserialize)]
struct Answer {
    value: String,
}

impl Tokens {
    /// Prepares for tokens for `audience`. The variables are those that GitHub gives a job that may ask.
    ///
    /// # Errors
    /// The job may not ask.
    pub(super) fn new(
        http: reqwest::Client,
        audience: &str,
        variable: impl Fn(&str) -> Option<String>,
    ) -> anyhow::Result<Self> {
        let right = variable("ACTIONS_ID_TOKEN_REQUEST_URL").zip(variable("ACTIONS_ID_TOKEN_REQUEST_TOKEN"));
        let (url, right) = right.ok_or_else(|| {
            anyhow!(
                "this job may not ask GitHub for a token: give it `permissions: id-token: write`. A job of a fork's pull request \
                 never gets that right"
            )
        })?;
        Ok(Self { http, url, right, audience: audience.to_owned(), last: Mutex::default() })
    }

    /// A token that holds for some minutes. `is_refused`: the last one was refused, so there must be another.
    ///
    /// # Errors
    /// GitHub gives none.
    pub(super) async fn token(&self, is_refused: bool) -> Result<String, Unanswered> {
        let mut last = self.last.lock().await;
        if let Some((since, token)) = last.as_ref()
            && since.elapsed() < KEPT
            && !is_refused
        {
            return Ok(token.clone());
        }
        let token = self.fetch().await?;
        *last = Some((Instant::now(), token.clone()));
        Ok(token)
    }

    async fn fetch(&self) -> Result<String, Unanswered> {
        let request = self.http.get(&self.url).query(&[("audience", &self.audience)]).bearer_auth(&self.right);
        let answer = request.send().await.map_err(|error| {
            Unanswered::later(anyhow::Error::from(error.without_url()).context("asking GitHub for a token"))
        })?;
        let status = answer.status();
        if !status.is_success() {
            let why = anyhow!("GitHub gives the job no token: {status}");
            return Err(if status.is_server_error() { Unanswered::later(why) } else { Unanswered::Refused(why) });
        }
        // The answer is the token, so it is in no error.
        let body = answer.bytes().await.map_err(|error| Unanswered::later(error.without_url().into()))?;
        let answer = serde_json::from_slice::<Answer>(&body).map_err(|_| anyhow!("it is not the JSON of a token"));
        let answer = answer.context("reading GitHub's answer").map_err(Unanswered::Refused)?;
        Ok(answer.value)
    }
}
