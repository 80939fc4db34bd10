use super::{
    stub::{Answer, Stub, TOKEN, WORDS, writing},
    *,
};

async fn ask(url: &str, etag: Option<&str>) -> Result<Download, DopplerError> {
    ask_within(TIMEOUT, url, etag).await
}

async fn ask_within(timeout: Duration, url: &str, etag: Option<&str>) -> Result<Download, DopplerError> {
    let doppler = Doppler::with_timeout(url, timeout).unwrap();
    doppler.download(&Token::new(TOKEN).unwrap(), "web", "preview", etag).await
}

async fn error(answer: Answer) -> DopplerError {
    ask(&Stub::answering([answer]).await.url, None).await.err().expect("an error")
}

#[tokio::test]
async fn values_have_a_version_and_an_unchanged_version_has_no_values() {
    let stub = Stub::answering([Answer::new(200, r#"{"A":"1","B":""}"#).with("etag", "W/\"1\"")]).await;
    let Ok(Download::Values { values, etag }) = ask(&stub.url, None).await else { panic!("no values") };
    assert_eq!((values["A"].as_str(), values["B"].as_str(), etag.as_deref()), ("1", "", Some("W/\"1\"")));
    assert!(matches!(ask(&stub.url, etag.as_deref()).await, Ok(Download::NotModified)));
    let asked = "/v3/configs/config/secrets/download?format=json&project=web&config=preview";
    assert_eq!(stub.requests(), [format!("{asked} "), format!("{asked} W/\"1\"")]);
}

#[tokio::test]
async fn a_refused_token_is_denied_with_dopplers_message_and_request_id() {
    for code in [401, 403, 404] {
        let error = error(Answer::new(code, WORDS).with("x-request-id", "r-1")).await;
        assert_eq!(error, DopplerError::Denied(format!("Invalid Service token (HTTP {code}, request r-1)")));
    }
}

#[tokio::test]
async fn a_proxys_page_is_an_outage_whatever_its_status() {
    for code in [401, 403, 404, 400, 502] {
        let error = error(Answer::new(code, "<html>canary</html>")).await;
        assert_eq!(error, DopplerError::Unavailable(format!("19 bytes (HTTP {code})")));
    }
    for (code, body) in [(403, "blocked"), (404, "default backend - 404"), (401, ""), (403, r#"{"error":"blocked"}"#)] {
        let expected = DopplerError::Unavailable(format!("{} bytes (HTTP {code})", body.len()));
        assert_eq!(error(Answer::new(code, body)).await, expected);
    }
    let page = error(Answer::new(200, "<html>canary</html>")).await;
    assert_eq!(page, DopplerError::Unavailable("19 bytes is not JSON (HTTP 200)".into()));
}

#[tokio::test]
async fn an_outage_of_doppler_keeps_its_message() {
    let error = error(Answer::new(500, r#"{"messages":["Try\nlater"],"success":false}"#)).await;
    assert_eq!(error, DopplerError::Unavailable("Try later (HTTP 500)".into()));
}

#[tokio::test]
async fn a_rate_limits_retry_after_comes_from_header_or_message() {
    let words = r#"{"messages":["Exceeded rate limit of 240. Retry in 3 seconds. Upgrade"],"success":false}"#;
    for (header, body, expected) in
        [(Some("7"), words, Some(7)), (None, words, Some(3)), (None, "<html>1015</html>", None)]
    {
        let answer = Answer::new(429, body);
        let answer = header.into_iter().fold(answer, |answer, seconds| answer.with("retry-after", seconds));
        let error = error(answer).await;
        let DopplerError::RateLimited { retry_after, .. } = error else { panic!("{error}") };
        assert_eq!(retry_after, expected.map(Duration::from_secs));
    }
}

#[tokio::test]
async fn a_value_that_is_no_string_is_named_by_its_key() {
    let error = error(Answer::new(200, r#"{"A":"1","B":{"canary":1}}"#)).await;
    assert_eq!(error.to_string(), "Doppler's answer is unexpected: the value of B is not a string");
}

#[tokio::test]
async fn redirects_and_oversized_answers_are_refused() {
    let elsewhere = error(Answer::new(302, "").with("location", "http://127.0.0.1:1/")).await;
    assert_eq!(elsewhere, DopplerError::Unexpected("0 bytes (HTTP 302)".into()));
    let endless = error(Answer::new(200, "x".repeat(MAX_BODY_BYTES + 1))).await;
    assert_eq!(endless, DopplerError::Unexpected("more than 1048576 bytes".into()));
    let long_page = error(Answer::new(502, "x".repeat(MAX_BODY_BYTES + 1))).await;
    assert!(matches!(long_page, DopplerError::Unavailable(_)), "{long_page}");
}

#[tokio::test]
async fn a_truncated_answer_silence_and_a_closed_port_are_outages() {
    let half = writing("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"A\":\"canary").await;
    let silent = writing("").await;
    let soon = Duration::from_millis(50);
    for (url, timeout, words) in [
        (half.as_str(), TIMEOUT, "connection failed"),
        (&silent, soon, "timeout"),
        ("http://127.0.0.1:1", TIMEOUT, "refused"),
    ] {
        let error = ask_within(timeout, url, None).await.err().expect("an error");
        assert!(matches!(error, DopplerError::Unavailable(_)) && error.to_string().contains(words), "{error}");
        assert!(!error.to_string().contains("canary"), "{error}");
    }
}

#[tokio::test]
async fn an_answer_that_repeats_the_token_does_not_leak_it() {
    let echo = format!(r#"{{"messages":["Invalid token {TOKEN}"],"success":false}}"#);
    for code in [401, 429, 500, 400] {
        let error = error(Answer::new(code, echo.clone()).with("x-request-id", TOKEN)).await;
        assert!(!format!("{error:?} {error}").contains("canary"), "{error}");
    }
}

#[test]
fn an_invalid_url_is_refused_at_the_start() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    assert!(Doppler::new("api.doppler.com").is_err());
}
