//! Answers and refusals in GitHub's format.

use axum::{
    Json,
    body::Bytes,
    http::{HeaderName, HeaderValue, StatusCode},
    response::{AppendHeaders, IntoResponse, Response},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const DOCUMENTATION: &str = "https://docs.github.com/rest";

pub(super) type Answer = Result<Response, Refusal>;

/// An answer with an error.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    status: StatusCode,
    body: Value,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, message: &str) -> Self {
        let body =
            json!({"message": message, "documentation_url": DOCUMENTATION, "status": status.as_u16().to_string()});
        Self { status, body, headers: Vec::new() }
    }

    pub(super) fn bad_credentials() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Bad credentials")
    }

    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "Not Found")
    }

    /// Refuses an App that lacks a permission. The header names what would do.
    pub(super) fn not_accessible(accepted: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "Resource not accessible by integration")
            .header("x-accepted-github-permissions", accepted)
    }

    /// Refuses a request in which a field is wrong. `code` is GitHub's: `missing_field`, `invalid`, `custom`, …
    pub(super) fn invalid(resource: &str, field: &str, code: &str, message: Option<&str>) -> Self {
        let mut refusal = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Validation Failed");
        let mut error = json!({"resource": resource, "field": field, "code": code});
        if let Some(message) = message {
            error["message"] = json!(message);
        }
        refusal.body["errors"] = json!([error]);
        refusal
    }

    pub(super) fn unprocessable(message: &str) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, message)
    }

    pub(super) fn header(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((HeaderName::from_static(name), value));
        }
        self
    }

    /// Adds a field to the body.
    pub(super) fn with(mut self, field: &str, value: Value) -> Self {
        self.body[field] = value;
        self
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, AppendHeaders(self.headers), Json(self.body)).into_response()
    }
}

pub(super) fn ok(body: &Value) -> Answer {
    Ok(Json(body).into_response())
}

pub(super) fn created(body: &Value) -> Answer {
    Ok((StatusCode::CREATED, Json(body)).into_response())
}

pub(super) fn no_content() -> Answer {
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// An object with the fields of several.
pub(super) fn joined(objects: impl IntoIterator<Item = Value>) -> Value {
    let fields = objects.into_iter().filter_map(|object| match object {
        Value::Object(fields) => Some(fields),
        _ => None,
    });
    Value::Object(fields.flatten().collect())
}

/// Reads a request's body. GitHub does not look at its content type.
pub(super) fn body<T: DeserializeOwned>(bytes: &Bytes) -> Result<T, Refusal> {
    let bytes: &[u8] = if bytes.is_empty() { b"{}" } else { bytes };
    let body: Value =
        serde_json::from_slice(bytes).map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, "Problems parsing JSON"))?;
    serde_json::from_value(body).map_err(|error| Refusal::unprocessable(&format!("Invalid request.\n\n{error}.")))
}
