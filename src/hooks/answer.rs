//! The answer to a request: a status code, and the envelope that berth's commands print.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::body::NotTaken;
use crate::{envelope::Envelope, exit::Exit};

/// The pause that a sender is asked for, in seconds.
const RETRY_AFTER: &str = "5";

/// The reason why nothing can be said about an app that is not known.
pub(super) const UNKNOWN_APPS: &str =
    "an app file cannot be used, so this app may be unknown: see the log of berth hooks";

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    envelope: Box<Envelope>,
}

impl Answer {
    pub(super) fn new(status: StatusCode, envelope: Envelope) -> Self {
        Self { status, envelope: Box::new(envelope) }
    }

    /// The request is refused, for this reason.
    pub(super) fn refused(status: StatusCode, why: impl Into<String>) -> Self {
        Self::new(status, Envelope::sentence("refused", Exit::Error, why))
    }

    /// The request may succeed later.
    pub(super) fn later(why: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, Envelope::sentence("error", Exit::Error, why))
    }

    /// The outcome, for the log.
    pub(super) fn outcome(&self) -> &str {
        &self.envelope.outcome
    }

    /// Names the environment that the request is about.
    pub(super) fn about(mut self, environment: String, page: Option<String>) -> Self {
        self.envelope.environment = Some(environment);
        self.envelope.temporal_ui_url = page;
        self
    }
}

impl From<NotTaken> for Answer {
    fn from(why: NotTaken) -> Self {
        match why {
            NotTaken::TooLong => Self::refused(StatusCode::PAYLOAD_TOO_LARGE, "the body is too long"),
            NotTaken::TooSlow => Self::refused(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time"),
            NotTaken::Broken => Self::refused(StatusCode::BAD_REQUEST, "the body did not arrive"),
            NotTaken::Busy => Self::later("too many requests at once"),
        }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        // An envelope always serialises: it is made of texts and JSON.
        let body = serde_json::to_vec(&self.envelope).unwrap_or_default();
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
        }
        response
    }
}
