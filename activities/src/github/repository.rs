//! Requests about one repository, with a token that is good for it alone.

use http::{Method, StatusCode};
use reqwest::Url;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    answer::{Answer, denied},
    client::{GRAPHQL, GithubClient},
    pauses::Account,
    token::{InstallationToken, NewToken},
};
use crate::failure::Failure;

/// A repository that the App is installed on.
#[derive(Clone, Copy)]
pub(super) struct Repository<'a> {
    pub(super) github: &'a GithubClient,
    pub(super) id: u64,
}

#[derive(Deserialize)]
struct Installation {
    id: u64,
}

impl GithubClient {
    /// A repository, by its id.
    pub(super) fn repository(&self, id: u64) -> Repository<'_> {
        Repository { github: self, id }
    }
}

impl Repository<'_> {
    pub(super) async fn get(&self, path: &str) -> Result<Answer, Failure> {
        self.send(Method::GET, &self.path(path), None).await
    }

    /// Reads with parameters, which are encoded.
    pub(super) async fn find(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Answer, Failure> {
        self.get(&with_parameters(path, parameters)).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Answer, Failure> {
        self.send(Method::POST, &self.path(path), Some(body)).await
    }

    pub(super) async fn patch(&self, path: &str, body: &Value) -> Result<Answer, Failure> {
        self.send(Method::PATCH, &self.path(path), Some(body)).await
    }

    pub(super) async fn delete(&self, path: &str) -> Result<Answer, Failure> {
        self.send(Method::DELETE, &self.path(path), None).await
    }

    pub(super) async fn graphql(&self, body: &Value) -> Result<Answer, Failure> {
        self.send(Method::POST, GRAPHQL, Some(body)).await
    }

    fn path(&self, rest: &str) -> String {
        format!("/repositories/{}{rest}", self.id)
    }

    /// Sends a request. A token that was revoked before its time is replaced once: with 401 nothing was done.
    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, Failure> {
        let token = self.token(None).await?;
        let answer = self.send_with(&token, method.clone(), path, body).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        let token = self.token(Some(&token.secret)).await?;
        self.send_with(&token, method, path, body).await
    }

    async fn send_with(
        &self,
        token: &InstallationToken,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, Failure> {
        let account = Account::Installation(token.installation);
        self.github.send((account, &token.secret), method, path, body).await
    }

    /// Returns the token of the repository, another one than `refused`.
    async fn token(&self, refused: Option<&str>) -> Result<InstallationToken, Failure> {
        let slot = std::sync::Arc::clone(self.github.tokens.lock().await.entry(self.id).or_default());
        let mut slot = slot.lock().await;
        let usable = |token: &&InstallationToken| token.is_fresh() && refused != Some(token.secret.as_str());
        if let Some(token) = slot.as_ref().filter(usable) {
            return Ok(token.clone());
        }
        let token = self.fetch_token().await?;
        *slot = Some(token.clone());
        Ok(token)
    }

    async fn fetch_token(&self) -> Result<InstallationToken, Failure> {
        let asked = Instant::now();
        let answer = self.github.as_app(Method::GET, &self.path("/installation"), None).await?;
        let what = "finding the installation of the App";
        if answer.is_absent() {
            let message = format!("{what}: the App {} is not installed on repository {}", self.github.app.id, self.id);
            let advice = "install the App on the repository, or correct github.repository_id in the app file";
            return Err(denied(message, advice.to_owned()));
        }
        let Installation { id } = answer.read(what)?;
        let path = format!("/app/installations/{id}/access_tokens");
        let narrowed = json!({"repository_ids": [self.id]});
        let answer = self.github.as_app(Method::POST, &path, Some(&narrowed)).await?;
        let NewToken { token } = answer.read("asking for a token of the installation")?;
        Ok(InstallationToken { secret: token, installation: id, asked })
    }
}

/// A path with a query. The parameters come from inputs: they are encoded.
fn with_parameters(path: &str, parameters: &[(&str, &str)]) -> String {
    // The host is of no matter: only the query is taken.
    let url = Url::parse_with_params("http://github.invalid", parameters);
    let query = url.ok().and_then(|url| url.query().map(str::to_owned)).unwrap_or_default();
    format!("{path}?{query}")
}
