//! A small GitHub on a socket, for the tests of the client: the repository 1 with pull request 7, and faults on demand.

use std::{
    io::Write as _,
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, Uri},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use rsa::pkcs1::{EncodeRsaPrivateKey as _, LineEnding};
use serde_json::{Value, json};

use super::GithubClient;

/// The repository's id.
pub(super) const REPOSITORY: u64 = 1;
/// The App's id.
pub(super) const APP: u64 = 1001;
/// A key for all tests: making one takes a second.
static KEY: LazyLock<String> = LazyLock::new(|| {
    let key = rsa::PrivateKey::new(&mut getrandom::SysRng, 2048).unwrap();
    key.to_pkcs1_pem(LineEnding::LF).unwrap().to_string()
});

/// An answer to the next requests of a method.
#[derive(Clone)]
pub(super) struct Fault {
    pub(super) method: Method,
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, &'static str)>,
    pub(super) message: &'static str,
    /// Whether the work is done before.
    pub(super) is_after_work: bool,
}

#[derive(Default)]
pub(super) struct Held {
    /// The tokens that were given out. The last one is good.
    pub(super) tokens: u64,
    pub(super) comments: Vec<Value>,
    pub(super) checks: Vec<Value>,
    pub(super) deployments: Vec<Value>,
    pub(super) statuses: Vec<Value>,
    pub(super) reactions: Vec<Value>,
    pub(super) permission: Option<&'static str>,
    pub(super) graphql: Value,
    pub(super) fault: Option<Fault>,
    pub(super) delay: Duration,
    pub(super) requests: Vec<String>,
    last_id: u64,
}

/// The server, and a client of it.
pub(super) struct FakeGithub {
    held: Arc<Mutex<Held>>,
    pub(super) client: GithubClient,
}

impl FakeGithub {
    pub(super) async fn start() -> Self {
        Self::with_timeout(Duration::from_secs(15)).await
    }

    pub(super) async fn with_timeout(timeout: Duration) -> Self {
        let held = Arc::new(Mutex::new(Held { last_id: 100, ..Held::default() }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(Arc::clone(&held));
        tokio::spawn(async move { axum::serve(listener, router).await });
        // The process has one TLS provider; main installs it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut key = tempfile::NamedTempFile::new().unwrap();
        key.write_all(KEY.as_bytes()).unwrap();
        let client = GithubClient::with_timeout(&url, APP, key.path(), timeout).unwrap();
        Self { held, client }
    }

    pub(super) fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the next request of a method fail.
    pub(super) fn fail(&self, method: Method, status: u16, message: &'static str) {
        let fault = Fault { method, status, headers: Vec::new(), message, is_after_work: false };
        self.held().fault = Some(fault);
    }

    /// The number of requests of a method whose path ends so.
    pub(super) fn count(&self, method: &str, end: &str) -> usize {
        self.held().requests.iter().filter(|request| request.starts_with(method) && request.ends_with(end)).count()
    }
}

async fn answer(
    State(held): State<Arc<Mutex<Held>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let delay = held.lock().unwrap().delay;
    tokio::time::sleep(delay).await;
    let mut held = held.lock().unwrap();
    held.requests.push(format!("{method} {}", uri.path()));
    let authorization = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let is_app = authorization.matches('.').count() == 2;
    let is_installation = authorization == format!("Bearer ghs_{}", held.tokens);
    let concerned = held.fault.clone().filter(|fault| fault.method == method && !is_app);
    if let Some(fault) = concerned {
        held.fault = None;
        if fault.is_after_work {
            held.act(&method, &uri, &body);
        }
        let status = StatusCode::from_u16(fault.status).unwrap();
        let mut response = (status, json!({"message": fault.message}).to_string()).into_response();
        for (name, value) in fault.headers {
            response.headers_mut().insert(name, value.parse().unwrap());
        }
        return response;
    }
    let (status, body) = match (is_app, is_installation) {
        (false, false) => (401, json!({"message": "Bad credentials"})),
        (true, _) => held.as_app(&uri),
        (_, true) => held.act(&method, &uri, &body),
    };
    (StatusCode::from_u16(status).unwrap(), body.to_string()).into_response()
}

impl Held {
    fn as_app(&mut self, uri: &Uri) -> (u16, Value) {
        match uri.path() {
            "/repositories/1/installation" => (200, json!({"id": 9})),
            "/app/installations/9/access_tokens" => {
                self.tokens += 1;
                (201, json!({"token": format!("ghs_{}", self.tokens)}))
            }
            _ => not_found(),
        }
    }

    fn act(&mut self, method: &Method, uri: &Uri, body: &Value) -> (u16, Value) {
        let path = uri.path().strip_prefix("/repositories/1").unwrap_or_else(|| uri.path()).to_owned();
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        match (method.as_str(), parts.as_slice()) {
            ("GET", []) => (200, json!({"full_name": "acme/web"})),
            ("POST", ["graphql"]) => (200, self.graphql.clone()),
            ("GET", ["issues", "7", "comments"]) => (200, json!(self.comments)),
            ("POST", ["issues", "7", "comments"]) => {
                let made = self.made(body, "Bot");
                self.comments.push(made.clone());
                (201, made)
            }
            (_, ["issues", "comments", id]) => change(&mut self.comments, id, method, body),
            ("POST", ["issues", "comments", _, "reactions"]) => {
                self.reactions.push(body.clone());
                (200, json!({"id": 1}))
            }
            ("GET", ["collaborators", _, "permission"]) => match self.permission {
                Some(permission) => (200, json!({"permission": permission})),
                None => not_found(),
            },
            ("GET", ["commits", _, "check-runs"]) => (200, json!({"check_runs": self.checks})),
            ("POST", ["check-runs"]) => {
                let made = self.made(body, "Bot");
                self.checks.push(made.clone());
                (201, made)
            }
            (_, ["check-runs", id]) => change(&mut self.checks, id, method, body),
            ("GET", ["deployments"]) => (200, json!(self.deployments)),
            ("POST", ["deployments"]) => {
                let made = self.made(body, "Bot");
                self.deployments.push(made.clone());
                (201, made)
            }
            ("GET", ["deployments", _, "statuses"]) => (200, json!(self.statuses)),
            ("POST", ["deployments", _, "statuses"]) => {
                let made = self.made(body, "Bot");
                self.statuses.push(made.clone());
                (201, made)
            }
            _ => not_found(),
        }
    }

    /// What the App has made of a body.
    fn made(&mut self, body: &Value, kind: &str) -> Value {
        self.last_id += 1;
        let mut made = body.clone();
        made["id"] = json!(self.last_id);
        made["app"] = json!({"id": APP});
        made["performed_via_github_app"] = json!({"id": APP});
        made["user"] = json!({"login": "berth[bot]", "type": kind});
        made
    }
}

fn change(all: &mut [Value], id: &str, method: &Method, body: &Value) -> (u16, Value) {
    let found = all.iter_mut().find(|one| one["id"].as_u64() == id.parse().ok());
    let Some(found) = found else { return not_found() };
    if *method == Method::PATCH {
        for (name, value) in body.as_object().into_iter().flatten() {
            found[name] = value.clone();
        }
    }
    (200, found.clone())
}

fn not_found() -> (u16, Value) {
    (404, json!({"message": "Not Found"}))
}
