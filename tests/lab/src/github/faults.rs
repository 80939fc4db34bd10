//! Failures that a test asks for.

use std::time::Duration;

use axum::{
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde_json::json;

const ABOUT_LIMITS: &str =
    "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits";
const UNICORN: &str = "<!DOCTYPE html><html><head><title>Unicorn! &middot; GitHub</title></head><body></body></html>";

/// A failure of the next requests. Without limits, all requests fail until [`clear_faults`](super::GithubServer::clear_faults).
#[derive(Debug, Clone)]
pub struct Fault {
    status: Option<StatusCode>,
    headers: Vec<(String, String)>,
    body: String,
    delay: Duration,
    method: Option<String>,
    route: Option<String>,
    times: Option<u32>,
    lasting: Option<Duration>,
    after_work: bool,
    /// The end in milliseconds of the stand-in's clock.
    ends: Option<u64>,
}

impl Fault {
    /// Answers with a status, and the body that GitHub has for it.
    pub fn status(status: u16) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let message = match status.as_u16() {
            401 => "Bad credentials",
            403 => "Resource not accessible by integration",
            404 => "Not Found",
            422 => "Validation Failed",
            429 => "API rate limit exceeded",
            _ => "Server Error",
        };
        let body =
            json!({"message": message, "documentation_url": "https://docs.github.com/rest", "status": status.as_str()});
        let html = matches!(status.as_u16(), 502..=504);
        let (content_type, body) = match html {
            true => ("text/html; charset=utf-8", UNICORN.to_owned()),
            false => ("application/json; charset=utf-8", body.to_string()),
        };
        let fault = Self {
            status: Some(status),
            headers: Vec::new(),
            body,
            delay: Duration::ZERO,
            method: None,
            route: None,
            times: None,
            lasting: None,
            after_work: false,
            ends: None,
        };
        fault.header("content-type", content_type)
    }

    /// Answers 403 as GitHub's secondary limit does: with `Retry-After` in seconds, or without it.
    pub fn secondary_limit(retry_after: Option<u64>) -> Self {
        let message = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
        let fault = Self::status(403).body(&json!({"message": message, "documentation_url": ABOUT_LIMITS}).to_string());
        match retry_after {
            Some(seconds) => fault.header("retry-after", &seconds.to_string()),
            None => fault,
        }
    }

    /// Answers properly, after a delay.
    pub fn slow(delay: Duration) -> Self {
        Self { status: None, delay, ..Self::status(500) }
    }

    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    #[must_use]
    pub fn body(self, body: &str) -> Self {
        Self { body: body.to_owned(), ..self }
    }

    /// Waits before it answers, and before the work unless that is done first.
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// Fails requests of one route alone, written as in GitHub's description: `/repos/{owner}/{repo}/check-runs`.
    #[must_use]
    pub fn on(self, method: &str, route: &str) -> Self {
        Self { method: Some(method.to_owned()), route: Some(route.to_owned()), ..self }
    }

    /// Fails requests of one method alone.
    #[must_use]
    pub fn on_method(self, method: &str) -> Self {
        Self { method: Some(method.to_owned()), ..self }
    }

    /// Ends after a number of requests.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times: Some(times), ..self }
    }

    /// Ends after a time of the stand-in's clock.
    #[must_use]
    pub fn lasting(self, time: Duration) -> Self {
        Self { lasting: Some(time), ..self }
    }

    /// Does the work first, so that only its answer is lost or late.
    #[must_use]
    pub fn after_work(self) -> Self {
        Self { after_work: true, ..self }
    }

    pub(super) fn delay(&self) -> Duration {
        self.delay
    }

    pub(super) fn is_after_work(&self) -> bool {
        self.after_work
    }

    /// The answer, unless the fault is a delay alone.
    pub(super) fn answer(&self) -> Option<Response> {
        let mut response = (self.status?, self.body.clone()).into_response();
        response.headers_mut().remove(header::CONTENT_TYPE);
        for (name, value) in &self.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name.as_str()), HeaderValue::from_str(value)) {
                response.headers_mut().insert(name, value);
            }
        }
        Some(response)
    }

    fn concerns(&self, method: &Method, route: &str) -> bool {
        self.method.as_ref().is_none_or(|own| own == method.as_str())
            && self.route.as_ref().is_none_or(|own| own == route)
    }

    fn is_over(&self, now: u64) -> bool {
        self.times == Some(0) || self.ends.is_some_and(|ends| ends <= now)
    }
}

/// The faults in force. Of several the newest counts.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    pub(super) fn add(&mut self, mut fault: Fault, now: u64) {
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        fault.ends = fault.lasting.map(|time| now.saturating_add(milliseconds(time)));
        self.0.push(fault);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The fault of a request at a time in milliseconds. It is counted.
    pub(super) fn next(&mut self, method: &Method, route: &str, now: u64) -> Option<Fault> {
        self.0.retain(|fault| !fault.is_over(now));
        let fault = self.0.iter_mut().rev().find(|fault| fault.concerns(method, route))?;
        fault.times = fault.times.map(|times| times - 1);
        Some(fault.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTE: &str = "/repos/{owner}/{repo}/check-runs";

    fn status(faults: &mut Faults, method: &Method, route: &str, now: u64) -> Option<u16> {
        Some(faults.next(method, route, now)?.answer()?.status().as_u16())
    }

    #[test]
    fn fault_ends_after_its_requests() {
        let mut faults = Faults::default();
        faults.add(Fault::status(502).times(2), 0);
        let answers = [0, 0, 0].map(|now| status(&mut faults, &Method::GET, "/meta", now));
        assert_eq!(answers, [Some(502), Some(502), None]);
    }

    #[test]
    fn fault_ends_after_its_time() {
        let mut faults = Faults::default();
        faults.add(Fault::status(403).lasting(Duration::from_secs(72)), 1000);
        assert_eq!(status(&mut faults, &Method::GET, "/meta", 72_999), Some(403));
        assert_eq!(status(&mut faults, &Method::GET, "/meta", 73_000), None);
    }

    #[test]
    fn fault_of_a_route_leaves_others_alone() {
        let mut faults = Faults::default();
        faults.add(Fault::status(422).on("POST", ROUTE), 0);
        assert_eq!(status(&mut faults, &Method::GET, ROUTE, 0), None);
        assert_eq!(status(&mut faults, &Method::POST, "/meta", 0), None);
        assert_eq!(status(&mut faults, &Method::POST, ROUTE, 0), Some(422));
    }

    #[test]
    fn newest_fault_counts() {
        let mut faults = Faults::default();
        faults.add(Fault::status(500), 0);
        faults.add(Fault::secondary_limit(Some(60)), 0);
        let answer = faults.next(&Method::GET, "/meta", 0).unwrap().answer().unwrap();
        assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].to_str().unwrap()), (403, "60"));
    }
}
