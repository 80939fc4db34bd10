//! Doppler's own routes: their parameters, their answers, their ways of saying no.

use std::{collections::BTreeMap, time::Instant};

use axum::{
    Json,
    extract::{Query, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde::Deserialize;
use serde_json::json;

use super::{
    Doppler, auth,
    store::{self, Allowance, Name, Store},
};

#[derive(Debug, Deserialize)]
pub(super) struct Download {
    project: Option<String>,
    config: Option<String>,
    format: Option<String>,
    /// Names, with commas between: only these.
    secrets: Option<String>,
}

pub(super) async fn download(
    State(doppler): State<Doppler>,
    Query(wanted): Query<Download>,
    headers: HeaderMap,
) -> Response {
    let mut store = doppler.store();
    let (token, bound) = match authenticated(&store, &headers) {
        Ok(found) => found,
        Err(words) => return with_id(&mut store, refusal(StatusCode::UNAUTHORIZED, words)),
    };
    let allowance = store.read_by(&token, Instant::now());
    let mut response = match allowance.exceeded {
        true => too_many(&allowance),
        false => answer(&mut store, &wanted, bound, &headers),
    };
    let limits = [
        ("limit", u64::from(allowance.limit)),
        ("remaining", u64::from(allowance.remaining)),
        ("reset", reset(&allowance)),
    ];
    for (name, value) in limits {
        let name = HeaderName::try_from(format!("x-ratelimit-{name}"));
        if let Ok(name) = name {
            response.headers_mut().insert(name, HeaderValue::from(value));
        }
    }
    with_id(&mut store, response)
}

fn answer(store: &mut Store, wanted: &Download, bound: Name, headers: &HeaderMap) -> Response {
    // A service token belongs to one config: it may be named, and no other.
    for (kind, named, own) in [("project", &wanted.project, &bound.0), ("config", &wanted.config, &bound.1)] {
        if let Some(named) = named.as_deref().filter(|named| named != own) {
            let words = format!("This token does not have access to requested {kind} '{named}'");
            return refusal(StatusCode::FORBIDDEN, &words);
        }
    }
    let Some(mut secrets) = store.secrets(&bound) else {
        return refusal(StatusCode::NOT_FOUND, &format!("Could not find requested config '{}'", bound.1));
    };
    if let Some(names) = &wanted.secrets {
        secrets.retain(|name, _| names.split(',').any(|wanted| wanted == name));
    }
    let (content_type, body) = match wanted.format.as_deref() {
        None | Some("json") => ("application/json; charset=utf-8", json!(secrets).to_string()),
        Some("env") => ("text/plain; charset=utf-8", env_file(&secrets)),
        Some(other) => return refusal(StatusCode::BAD_REQUEST, &format!("Invalid format '{other}'")),
    };
    let tag = store::etag(&body);
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let not_modified = known.is_some_and(|known| known.split(',').any(|one| one.trim() == tag || one.trim() == "*"));
    store.count(&bound, not_modified);
    let headers = [(header::ETAG, tag.as_str()), (header::CONTENT_TYPE, content_type)];
    match not_modified {
        true => (StatusCode::NOT_MODIFIED, headers).into_response(),
        false => (headers, body).into_response(),
    }
}

pub(super) async fn me(State(doppler): State<Doppler>, headers: HeaderMap) -> Response {
    let mut store = doppler.store();
    let response = match authenticated(&store, &headers) {
        Ok((_, (project, config))) => Json(json!({
            "name": format!("{project} {config}"),
            "slug": "lab",
            "type": "service_token",
            "workplace": {"name": "lab", "slug": "lab"},
        }))
        .into_response(),
        Err(words) => refusal(StatusCode::UNAUTHORIZED, words),
    };
    with_id(&mut store, response)
}

pub(super) async fn not_found() -> Response {
    refusal(StatusCode::NOT_FOUND, "Could not find requested resource")
}

fn authenticated(store: &Store, headers: &HeaderMap) -> Result<(String, Name), &'static str> {
    let token = auth::token(headers).unwrap_or_default();
    match store.bound_to(&token) {
        Some(name) => Ok((token, name.clone())),
        None if token.starts_with("dp.st.") => Err("Invalid Service token"),
        None => Err("Invalid Auth token"),
    }
}

fn too_many(allowance: &Allowance) -> Response {
    let words = format!(
        "Exceeded rate limit of {} secret read requests within 60 seconds. Retry in {} seconds.",
        allowance.limit,
        reset(allowance)
    );
    let mut response = refusal(StatusCode::TOO_MANY_REQUESTS, &words);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(reset(allowance)));
    response
}

/// Whole seconds, never less than what is left.
fn reset(allowance: &Allowance) -> u64 {
    allowance.resets_in.as_secs() + 1
}

fn refusal(status: StatusCode, words: &str) -> Response {
    (status, Json(json!({"messages": [words], "success": false}))).into_response()
}

fn env_file(secrets: &BTreeMap<String, String>) -> String {
    secrets
        .iter()
        .map(|(name, value)| format!("{name}=\"{}\"\n", value.replace('\\', "\\\\").replace('"', "\\\"")))
        .collect()
}

fn with_id(store: &mut Store, mut response: Response) -> Response {
    if let Ok(id) = HeaderValue::try_from(store.request_id()) {
        response.headers_mut().insert("x-request-id", id);
    }
    response
}

#[cfg(test)]
#[path = "routes_tests.rs"]
mod tests;
