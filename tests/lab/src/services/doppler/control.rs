//! The routes below `/lab/`, through which tests set the stand-in's secrets and failures and read its counters.

use std::{collections::BTreeMap, time::Duration};

use axum::{
    Json,
    extract::{Path, Query, Request, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use serde::Deserialize;

use super::{
    DOWNLOAD, Doppler, auth,
    store::{Failure, Name, RateLimit},
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Binding {
    project: String,
    config: String,
}

/// Replaces all values of a config. A missing config is created.
pub(super) async fn set_config(
    State(doppler): State<Doppler>,
    Path(name): Path<Name>,
    Json(values): Json<BTreeMap<String, String>>,
) -> StatusCode {
    doppler.store().put(name, values);
    StatusCode::NO_CONTENT
}

pub(super) async fn remove_config(State(doppler): State<Doppler>, Path(name): Path<Name>) -> StatusCode {
    doppler.store().remove(&name);
    StatusCode::NO_CONTENT
}

pub(super) async fn set_token(
    State(doppler): State<Doppler>,
    Path(token): Path<String>,
    Json(Binding { project, config }): Json<Binding>,
) -> StatusCode {
    doppler.store().bind(token, (project, config));
    StatusCode::NO_CONTENT
}

pub(super) async fn remove_token(State(doppler): State<Doppler>, Path(token): Path<String>) -> StatusCode {
    doppler.store().revoke(&token);
    StatusCode::NO_CONTENT
}

/// A selection of requests: all, unless project and config are given.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Selection {
    project: Option<String>,
    config: Option<String>,
}

impl Selection {
    fn name(self) -> Option<Name> {
        self.project.zip(self.config)
    }
}

pub(super) async fn set_failure(
    State(doppler): State<Doppler>,
    Query(selection): Query<Selection>,
    Json(failure): Json<Failure>,
) -> StatusCode {
    doppler.store().fail(selection.name(), Some(failure));
    StatusCode::NO_CONTENT
}

pub(super) async fn remove_failure(State(doppler): State<Doppler>, Query(selection): Query<Selection>) -> StatusCode {
    doppler.store().fail(selection.name(), None);
    StatusCode::NO_CONTENT
}

pub(super) async fn set_rate_limit(State(doppler): State<Doppler>, Json(limit): Json<RateLimit>) -> StatusCode {
    doppler.store().rate_limit = limit;
    StatusCode::NO_CONTENT
}

pub(super) async fn requests(State(doppler): State<Doppler>) -> Response {
    Json(&doppler.store().requests).into_response()
}

pub(super) async fn reset_requests(State(doppler): State<Doppler>) -> StatusCode {
    doppler.store().requests.clear();
    StatusCode::NO_CONTENT
}

/// Runs before Doppler's own routes: counts a request, and fails it as set.
pub(super) async fn inject_failure(State(doppler): State<Doppler>, request: Request, next: Next) -> Response {
    let failure = {
        let mut store = doppler.store();
        let selection = auth::token(request.headers()).and_then(|token| store.bound_to(&token).cloned());
        if let Some(selection) = selection.as_ref().filter(|_| request.uri().path() == DOWNLOAD) {
            store.requests_of(selection).total += 1;
        }
        store.next_failure(selection)
    };
    let Some(failure) = failure else { return next.run(request).await };
    tokio::time::sleep(Duration::from_millis(failure.delay_ms)).await;
    let Some(status) = failure.status else { return next.run(request).await };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = failure.body.unwrap_or_else(|| r#"{"messages":["Told to fail"],"success":false}"#.to_owned());
    let content_type = failure.content_type.unwrap_or_else(|| "application/json; charset=utf-8".to_owned());
    let mut response = (status, body).into_response();
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    };
    set(header::CONTENT_TYPE, &content_type);
    if let Some(seconds) = &failure.retry_after {
        set(header::RETRY_AFTER, seconds);
    }
    response
}
