//! Each request's way: the record, faults, limits, and then its route.

use axum::{
    body::{Body, Bytes},
    extract::{MatchedPath, Request, State},
    http::{HeaderValue, StatusCode, Uri, header, uri::PathAndQuery},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use serde_json::Value;

use super::{
    Github,
    answers::{Answer, Refusal},
    caller::Caller,
    limits::Allowance,
};

/// Larger than any body that GitHub takes.
const LARGEST: usize = 8 << 20;

/// A request that was answered.
#[derive(Debug, Clone)]
pub struct Recorded {
    pub method: String,
    /// The path as it was asked.
    pub path: String,
    pub query: String,
    /// The route, written as in GitHub's description. It is empty for an unknown one.
    pub route: String,
    /// `installation`, `app`, a person's login, or `nobody`.
    pub caller: String,
    /// Zero until it is answered.
    pub status: u16,
    /// Milliseconds since 1970, of the stand-in's clock.
    pub at_ms: u64,
    /// The bodies, `null` if they are not JSON.
    pub request: Value,
    pub answer: Value,
}

impl Recorded {
    /// Whether it counts towards GitHub's limits of writes.
    pub fn is_write(&self) -> bool {
        is_write(&self.method, &self.route)
    }
}

fn is_write(method: &str, route: &str) -> bool {
    matches!(method, "POST" | "PATCH" | "PUT" | "DELETE") && route.starts_with("/repos/")
}

/// The path as it was asked, before [`rename`].
#[derive(Debug, Clone)]
struct Asked(String);

/// Rewrites the other names of a route: a repository by its id, and the prefix of a GitHub Enterprise Server.
pub(super) async fn rename(State(github): State<Github>, mut request: Request, next: Next) -> Response {
    let asked = request.uri().path().to_owned();
    let path = match asked.as_str() {
        "/api/graphql" => "/graphql",
        other => other.strip_prefix("/api/v3").unwrap_or(other),
    };
    let path = by_name(&github, path).unwrap_or_else(|| path.to_owned());
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    if let Ok(path) = PathAndQuery::try_from(format!("{path}{query}")) {
        *request.uri_mut() = Uri::from(path);
    }
    request.extensions_mut().insert(Asked(asked));
    next.run(request).await
}

/// Turns `/repositories/{id}/…` into `/repos/{owner}/{repo}/…`.
fn by_name(github: &Github, path: &str) -> Option<String> {
    let rest = path.strip_prefix("/repositories/")?;
    let (id, rest) = rest.split_once('/').map_or((rest, String::new()), |(id, rest)| (id, format!("/{rest}")));
    let state = github.state();
    let repository = state.repositories.get(&id.parse().ok()?)?;
    Some(format!("/repos/{}{rest}", repository.full_name()))
}

/// Records a request and its answer.
pub(super) async fn observe(State(github): State<Github>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, LARGEST).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let route = parts.extensions.get::<MatchedPath>().map(|path| path.as_str().to_owned()).unwrap_or_default();
    let asked = parts.extensions.get::<Asked>().map(|asked| asked.0.clone()).unwrap_or_default();
    let index = {
        let mut state = github.state();
        let caller = Caller::of(&state, &parts.headers)
            .map_or_else(|_| "refused".to_owned(), |caller| caller.account().to_owned());
        let recorded = Recorded {
            method: parts.method.to_string(),
            path: asked,
            query: parts.uri.query().unwrap_or_default().to_owned(),
            route: route.clone(),
            caller,
            status: 0,
            at_ms: state.clock.milliseconds(),
            request: json_of(&body),
            answer: Value::Null,
        };
        state.requests.push(recorded);
        state.requests.len() - 1
    };
    let response = through_faults(&github, &route, Request::from_parts(parts, Body::from(body)), next).await;
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, LARGEST).await.unwrap_or_default();
    if let Some(recorded) = github.state().requests.get_mut(index) {
        recorded.status = parts.status.as_u16();
        recorded.answer = json_of(&body);
    }
    Response::from_parts(parts, Body::from(body))
}

fn json_of(body: &Bytes) -> Value {
    serde_json::from_slice(body).unwrap_or_default()
}

async fn through_faults(github: &Github, route: &str, request: Request, next: Next) -> Response {
    let fault = {
        let mut state = github.state();
        let now = state.clock.milliseconds();
        state.faults.next(request.method(), route, now)
    };
    let Some(fault) = fault else { return through_limits(github, route, request, next).await };
    if fault.is_after_work() {
        let done = through_limits(github, route, request, next).await;
        tokio::time::sleep(fault.delay()).await;
        return fault.answer().unwrap_or(done);
    }
    tokio::time::sleep(fault.delay()).await;
    match fault.answer() {
        Some(answer) => answer,
        None => through_limits(github, route, request, next).await,
    }
}

async fn through_limits(github: &Github, route: &str, request: Request, next: Next) -> Response {
    if route.starts_with("/.well-known/") || route.starts_with("/actions/") {
        return next.run(request).await;
    }
    let (allowance, admitted) = admit(github, route, &request);
    let mut response = match admitted {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    let headers = response.headers_mut();
    if let Some(allowance) = allowance {
        allowance.write_to(headers);
    }
    let mut set = |name: &'static str, value: &'static str| headers.insert(name, HeaderValue::from_static(value));
    set("x-github-media-type", "github.v3; format=json");
    set("x-github-api-version-selected", "2022-11-28");
    response
}

/// Counts a request, and refuses it if a limit is exceeded.
fn admit(github: &Github, route: &str, request: &Request) -> (Option<Allowance>, Result<(), Refusal>) {
    if !request.headers().contains_key(header::USER_AGENT) {
        let message =
            "Request forbidden by administrative rules. Please make sure your request has a User-Agent header.";
        return (None, Err(Refusal::new(StatusCode::FORBIDDEN, message)));
    }
    let mut state = github.state();
    let caller = match Caller::of(&state, request.headers()) {
        Ok(caller) => caller,
        Err(refusal) => return (None, Err(refusal)),
    };
    let (now, resource) = (state.clock.milliseconds(), if route == "/graphql" { "graphql" } else { "core" });
    if route == "/rate_limit" {
        // Asking for the limit is free, and always allowed.
        return (Some(state.usage.allowance(caller.account(), resource, now)), Ok(()));
    }
    let allowance = state.usage.count(caller.account(), resource, now);
    let admitted = state.usage.check(&allowance).and_then(|()| match is_write(request.method().as_str(), route) {
        true => state.usage.write(now),
        false => Ok(()),
    });
    (Some(allowance), admitted)
}

/// Answers for a path or a method that has no route.
pub(super) async fn not_found() -> Answer {
    Err(Refusal::not_found())
}
