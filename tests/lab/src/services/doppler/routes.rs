//! Doppler's own routes: their parameters, answers and refusals.

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
    Doppler, auth, formats,
    store::{self, Allowance, Name, Store},
};

#[derive(Debug, Deserialize)]
pub(super) struct Parameters {
    project: Option<String>,
    config: Option<String>,
    format: Option<String>,
    /// The only names to answer, separated by commas.
    secrets: Option<String>,
    name_transformer: Option<String>,
}

type Secrets = BTreeMap<String, String>;

/// A refusal: its status and message.
struct Refusal(StatusCode, String);

pub(super) async fn download(
    State(doppler): State<Doppler>,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
) -> Response {
    read(&doppler, &parameters, &headers, |store, name, secrets| {
        let Some((content_type, body)) = formats::body(named(&parameters.format).unwrap_or("json"), secrets) else {
            return refusal(StatusCode::BAD_REQUEST, "Invalid format");
        };
        let tag = store::etag(&body);
        let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
        let unchanged = known.is_some_and(|known| known.split(',').any(|one| one.trim() == tag || one.trim() == "*"));
        store.requests_of(name).not_modified += u64::from(unchanged);
        let headers = [(header::ETAG, tag.as_str()), (header::CONTENT_TYPE, content_type)];
        match unchanged {
            true => (StatusCode::NOT_MODIFIED, headers).into_response(),
            false => (headers, body).into_response(),
        }
    })
}

/// Answers each secret's value, as `raw` with references and as `computed` without. Here both are the same.
pub(super) async fn secrets(
    State(doppler): State<Doppler>,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
) -> Response {
    read(&doppler, &parameters, &headers, |_, _, secrets| {
        let secrets: BTreeMap<_, _> =
            secrets.iter().map(|(name, value)| (name, json!({"raw": value, "computed": value, "note": ""}))).collect();
        Json(json!({"secrets": secrets, "success": true})).into_response()
    })
}

pub(super) async fn names(
    State(doppler): State<Doppler>,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
) -> Response {
    read(&doppler, &parameters, &headers, |_, _, secrets| {
        Json(json!({"names": secrets.keys().collect::<Vec<_>>(), "success": true})).into_response()
    })
}

/// Answers a read of a config's secrets, after checking its token and rate limit, with a request id.
fn read(
    doppler: &Doppler,
    parameters: &Parameters,
    headers: &HeaderMap,
    answer: impl FnOnce(&mut Store, &Name, &Secrets) -> Response,
) -> Response {
    let mut store = doppler.store();
    let (token, bound) = match authenticated(&store, headers) {
        Ok(found) => found,
        Err(message) => return with_id(&mut store, refusal(StatusCode::UNAUTHORIZED, message)),
    };
    let allowance = store.read_by(&token, Instant::now());
    let mut response = match allowance.exceeded {
        true => too_many(&allowance),
        false => match opened(&store, parameters, &token, &bound) {
            Ok(secrets) => answer(&mut store, &bound, &secrets),
            Err(Refusal(status, message)) => refusal(status, &message),
        },
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

/// The secrets that the parameters select, with transformed names.
fn opened(store: &Store, parameters: &Parameters, token: &str, bound: &Name) -> Result<Secrets, Refusal> {
    for (kind, asked, own) in [("project", &parameters.project, &bound.0), ("config", &parameters.config, &bound.1)] {
        match named(asked) {
            Some(asked) if asked != own => {
                let message = format!("This token does not have access to requested {kind} '{asked}'");
                return Err(Refusal(StatusCode::FORBIDDEN, message));
            }
            // A service token belongs to one config, which may be left out. Every other kind opens many.
            // Doppler's own message for this case is not known here.
            None if !token.starts_with("dp.st.") => {
                return Err(Refusal(StatusCode::BAD_REQUEST, format!("You must specify a {kind}")));
            }
            _ => {}
        }
    }
    let not_found = || Refusal(StatusCode::NOT_FOUND, format!("Could not find requested config '{}'", bound.1));
    let mut secrets = store.secrets(bound).ok_or_else(not_found)?;
    if let Some(names) = named(&parameters.secrets) {
        secrets.retain(|name, _| names.split(',').any(|wanted| wanted == name));
    }
    let Some(transformer) = named(&parameters.name_transformer) else { return Ok(secrets) };
    let rename = |(name, value): (String, String)| Some((formats::transformed(transformer, &name)?, value));
    let invalid = || Refusal(StatusCode::BAD_REQUEST, format!("Invalid name transformer '{transformer}'"));
    secrets.into_iter().map(rename).collect::<Option<_>>().ok_or_else(invalid)
}

/// The value of a parameter. Doppler's CLI sends an empty one such as `project=` where it has none.
fn named(parameter: &Option<String>) -> Option<&str> {
    parameter.as_deref().filter(|text| !text.is_empty())
}

pub(super) async fn me(State(doppler): State<Doppler>, headers: HeaderMap) -> Response {
    let mut store = doppler.store();
    let response = match authenticated(&store, &headers) {
        Ok((token, (project, config))) => Json(json!({
            "name": format!("{project} {config}"),
            "slug": "lab",
            "type": kind_of(&token),
            "token_preview": format!("{}…", token.chars().take(8).collect::<String>()),
            "workplace": {"name": "lab", "slug": "lab"},
            "created_at": "2026-01-01T00:00:00.000Z",
            "last_seen_at": "2026-01-01T00:00:00.000Z",
        }))
        .into_response(),
        Err(message) => refusal(StatusCode::UNAUTHORIZED, message),
    };
    with_id(&mut store, response)
}

pub(super) async fn not_found() -> Response {
    refusal(StatusCode::NOT_FOUND, "Could not find requested resource")
}

fn kind_of(token: &str) -> &'static str {
    match token.get(..6) {
        Some("dp.st.") => "service_token",
        Some("dp.sa.") => "service_account",
        Some("dp.ct.") => "cli",
        _ => "personal",
    }
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
    let message = format!(
        "Exceeded rate limit of {} secret read requests within 60 seconds. Retry in {} seconds.",
        allowance.limit,
        reset(allowance)
    );
    let mut response = refusal(StatusCode::TOO_MANY_REQUESTS, &message);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(reset(allowance)));
    response
}

/// The seconds until the limit resets, rounded up.
fn reset(allowance: &Allowance) -> u64 {
    allowance.resets_in.as_secs() + 1
}

fn refusal(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({"messages": [message], "success": false}))).into_response()
}

fn with_id(store: &mut Store, mut response: Response) -> Response {
    if let Ok(id) = HeaderValue::try_from(store.request_id()) {
        response.headers_mut().insert("x-request-id", id);
    }
    response
}

#[cfg(test)]
mod tests;
