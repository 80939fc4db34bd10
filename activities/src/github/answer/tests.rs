use http::{HeaderName, HeaderValue};
use serde_json::json;

use super::*;

const NOW: Duration = Duration::from_secs(1_000_000);

fn answer(status: u16, headers: &[(&'static str, &str)], message: &str) -> Answer {
    let headers =
        headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()));
    let body = json!({"message": message}).to_string().into_bytes();
    Answer { status: StatusCode::from_u16(status).unwrap(), headers: headers.collect(), body }
}

fn pause(answer: &Answer) -> Option<Duration> {
    match answer.failure_at("asking", NOW) {
        Failure::Transient { retry_after, failure: FailureType::GithubUnavailable, .. } => retry_after,
        other => panic!("{other:?}"),
    }
}

fn verdict(answer: &Answer) -> Verdict {
    match answer.failure_at("asking", NOW) {
        Failure::Permanent(verdict) if verdict.failure == FailureType::GithubDenied => *verdict,
        other => panic!("{other:?}"),
    }
}

#[test]
fn limit_pauses_for_as_long_as_github_asks() {
    let secondary = "You have exceeded a secondary rate limit.";
    for (status, headers, message, seconds) in [
        (403, &[("retry-after", "72")][..], secondary, 72),
        (429, &[("retry-after", "5")], "slow down", 5),
        (503, &[("retry-after", "30")], "maintenance", 30),
        (403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1000090")], "API rate limit exceeded", 90),
        // A reset in the past, and one beyond any limit's hour.
        (403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1")], "API rate limit exceeded", 1),
        (403, &[("retry-after", "999999")], secondary, 3600),
        // GitHub names no time.
        (403, &[], secondary, 60),
        (403, &[("x-accepted-github-permissions", "issues=write")], secondary, 60),
        (429, &[], "slow down", 60),
        (403, &[], "Request forbidden by administrative rules", 60),
    ] {
        let paused = pause(&answer(status, headers, message));
        assert_eq!(paused, Some(Duration::from_secs(seconds)), "{status} {message}");
    }
}

#[test]
fn outage_is_retried_by_the_policy() {
    for status in [500, 502, 503, 504, 302, 408] {
        assert_eq!(pause(&answer(status, &[], "no")), None, "{status}");
    }
}

#[test]
fn missing_permission_is_named() {
    let lacking = [("x-accepted-github-permissions", "issues=write; pull_requests=write")];
    let verdict = verdict(&answer(403, &lacking, "Resource not accessible by integration"));
    assert!(verdict.message.contains("lacks the permission issues=write; pull_requests=write"), "{}", verdict.message);
    assert!(verdict.advice.contains("in its settings"), "{}", verdict.advice);
}

#[test]
fn refusal_that_needs_a_person_has_advice() {
    for (status, message, advice) in [
        (401, "Bad credentials", "--github-key-file"),
        (403, "Resource not accessible by integration", "a permission in its settings"),
        (403, "Unable to create comment because issue is locked.", "unlock the conversation"),
        (403, "This installation has been suspended", "unsuspend"),
        (404, "Not Found", "not installed"),
        (409, "Conflict merging main into web.", "the request itself"),
        (422, "Validation Failed", "the request itself"),
    ] {
        let verdict = verdict(&answer(status, &[], message));
        assert!(verdict.message.contains(message) && verdict.advice.contains(advice), "{status}: {verdict:?}");
    }
}

#[test]
fn refused_field_is_named_and_a_message_is_bounded() {
    let mut refused = answer(422, &[], "");
    let errors = json!([{"field": "body", "code": "missing_field"}, {"message": "too\u{1b}[2J long"}, "x".repeat(900)]);
    refused.body = json!({"message": "Validation Failed", "errors": errors}).to_string().into_bytes();
    let message = verdict(&refused).message;
    assert!(message.contains("Validation Failed: body missing_field; too [2J long; xxx"), "{message}");
    assert!(message.len() < 400 && !message.contains('\u{1b}'), "{message}");
    refused.body = b"<html>Unicorn!</html>".to_vec();
    assert!(!verdict(&refused).message.contains("html"));
}
