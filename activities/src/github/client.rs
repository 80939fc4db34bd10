//! The client of GitHub's API, as a GitHub App.

use std::{collections::HashMap, path::Path, sync::Arc, time::Duration};

use anyhow::Context as _;
use http::{Method, Request, header::USER_AGENT};
use http_body_util::{BodyExt as _, Limited};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use octocrab::{AuthState, Octocrab, OctocrabBuilder, service::middleware::base_uri::BaseUriLayer};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::{Mutex, OnceCell};

use super::{
    answer::{Answer, bounded, unavailable},
    pauses::{Account, Pauses},
    token::{AppKey, InstallationToken},
};
use crate::failure::Failure;

/// How long GitHub may take for an answer. It ends each request after ten seconds itself.
const TIMEOUT: Duration = Duration::from_secs(15);
/// The largest answer. A hundred comments of 65,536 characters of four bytes each, and what is around them.
const MAX_BODY: usize = 32 * 1024 * 1024;

/// The path of GraphQL on github.com, and beside `/api/v3` on GitHub Enterprise Server.
pub(super) const GRAPHQL: &str = "/graphql";
const ENTERPRISE: &str = "/api/v3";

/// The client that all activities of a worker share. Its tokens are kept until shortly before their end.
pub struct GithubClient {
    crab: Octocrab,
    /// The path of the API's URL, without a slash at its end: empty, or `/api/v3`.
    prefix: String,
    pub(super) app: AppKey,
    /// The tokens by repository. The lock of one is held while it is fetched, so that one request does it for all.
    pub(super) tokens: Mutex<HashMap<u64, Arc<Mutex<Option<InstallationToken>>>>>,
    pauses: Pauses,
    /// The login of the App's account.
    login: OnceCell<String>,
    timeout: Duration,
}

/// The App, as it sees itself.
#[derive(Deserialize)]
struct App {
    slug: String,
}

impl GithubClient {
    /// A client of the API at this URL, as the App with this id and key. It must be made inside a tokio runtime.
    ///
    /// # Errors
    /// The URL is invalid, the key cannot be read, or TLS cannot be set up.
    pub fn new(api_url: &str, app_id: u64, key_file: &Path) -> anyhow::Result<Self> {
        Self::with_timeout(api_url, app_id, key_file, TIMEOUT)
    }

    pub(super) fn with_timeout(api_url: &str, app_id: u64, key_file: &Path, timeout: Duration) -> anyhow::Result<Self> {
        let app = AppKey::read(app_id, key_file)?;
        let wrong = || format!("{api_url} is not a URL (--github-api-url)");
        let url: http::Uri = api_url.parse().with_context(wrong)?;
        let (Some(scheme), Some(host)) = (url.scheme(), url.authority()) else { anyhow::bail!(wrong()) };
        let prefix = url.path().trim_end_matches('/').to_owned();
        let origin = http::Uri::builder().scheme(scheme.clone()).authority(host.clone()).path_and_query("/");
        let url = origin.build().with_context(wrong)?;
        let tls = HttpsConnectorBuilder::new().with_native_roots().context("reading the machine's certificates")?;
        // Redirects are not followed: no path here has one, and another host must not get the token.
        let http = Client::builder(TokioExecutor::new()).build(tls.https_or_http().enable_http1().build());
        let octocrab = OctocrabBuilder::new_empty().with_service(http).with_layer(&BaseUriLayer::new(url));
        let Ok(crab) = octocrab.with_auth(AuthState::None).build();
        Ok(Self {
            crab,
            prefix,
            app,
            tokens: Mutex::default(),
            pauses: Pauses::default(),
            login: OnceCell::new(),
            timeout,
        })
    }

    /// The login of the App's account, under which GitHub shows what the App has made. It is asked for once: after the App was
    /// renamed, a worker that restarts knows the new one.
    ///
    /// # Errors
    /// GitHub does not know the App, or does not answer.
    pub(super) async fn login(&self) -> Result<&str, Failure> {
        let ask = || async {
            let App { slug } = self.as_app(Method::GET, "/app", None).await?.read("asking GitHub for the App")?;
            Ok(format!("{slug}[bot]"))
        };
        self.login.get_or_try_init(ask).await.map(String::as_str)
    }

    /// Sends a request as the App itself.
    pub(super) async fn as_app(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, Failure> {
        let token = self.app.token().map_err(|error| unavailable(format!("{error:#}"), None))?;
        self.send((Account::App, &token), method, path, body).await
    }

    /// Sends a request once, and reads the answer whatever its status. Nothing is repeated: a write may have been done. During a
    /// pause of the account nothing is sent.
    ///
    /// # Errors
    /// `GithubUnavailable`, with the rest of the pause if there is one.
    pub(super) async fn send(
        &self,
        (account, token): (Account, &str),
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, Failure> {
        let what = format!("{method} {}", path.split('?').next().unwrap_or_default());
        if let Some(rest) = self.pauses.rest(account) {
            let message = format!("{what}: GitHub has asked for a pause, of which {} s are left", rest.as_secs());
            return Err(unavailable(message, Some(rest)));
        }
        let answer = self.exchange(token, &what, (method, path), body).await?;
        if let Some(pause) = answer.limit() {
            self.pauses.extend(account, pause);
        }
        Ok(answer)
    }

    async fn exchange(
        &self,
        token: &str,
        what: &str,
        (method, path): (Method, &str),
        body: Option<&Value>,
    ) -> Result<Answer, Failure> {
        let lost = |why: String| unavailable(format!("{what}: GitHub did not answer: {}", bounded(&why)), None);
        let crab = self.crab.user_access_token(token).map_err(|error| lost(error.to_string()))?;
        let request = Request::builder().method(method).uri(located(&self.prefix, path)).header(USER_AGENT, "berth");
        let request = crab.build_request(request, body);
        let request = request.map_err(|error| lost(error.to_string()))?;
        let exchange = async {
            let (parts, body) = crab.execute(request).await.map_err(|error| error.to_string())?.into_parts();
            let body = Limited::new(body, MAX_BODY).collect().await.map_err(|error| error.to_string())?;
            Ok(Answer { status: parts.status, headers: parts.headers, body: body.to_bytes().to_vec() })
        };
        match tokio::time::timeout(self.timeout, exchange).await {
            Ok(answer) => answer.map_err(lost),
            Err(_) => Err(lost(format!("no answer within {} s", self.timeout.as_secs()))),
        }
    }
}

/// A path of the API below the path of its URL.
fn located(prefix: &str, path: &str) -> String {
    match prefix.strip_suffix(ENTERPRISE) {
        Some(before) if path == GRAPHQL => format!("{before}/api{GRAPHQL}"),
        _ => format!("{prefix}{path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn graphql_is_beside_the_api_of_an_enterprise_server() {
        for (prefix, path, expected) in [
            ("", "/repositories/7", "/repositories/7"),
            ("", GRAPHQL, "/graphql"),
            ("/api/v3", "/repositories/7?page=2", "/api/v3/repositories/7?page=2"),
            ("/api/v3", GRAPHQL, "/api/graphql"),
            ("/github/api/v3", GRAPHQL, "/github/api/graphql"),
            ("/proxy", GRAPHQL, "/proxy/graphql"),
        ] {
            assert_eq!(located(prefix, path), expected, "{prefix} {path}");
        }
    }
}
