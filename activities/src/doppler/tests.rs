use axum::{
    Router,
    extract::Query,
    http::{HeaderMap, StatusCode as Code},
    response::IntoResponse,
    routing::get,
};

use super::*;

/// A real HTTP server that gives one answer, and notes nothing but what it is asked with.
async fn answering<A: IntoResponse + Clone + Send + Sync + 'static>(answer: A) -> Doppler {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let handler = move |headers: HeaderMap, Query(query): Query<BTreeMap<String, String>>| async move {
        assert_eq!(headers["authorization"], "Bearer dp.st.preview.canary");
        assert_eq!((query["project"].as_str(), query["config"].as_str()), ("web", "preview"));
        match headers.get("if-none-match") {
            Some(etag) if etag == "W/\"1\"" => Code::NOT_MODIFIED.into_response(),
            _ => answer.into_response(),
        }
    };
    let app = Router::new().route("/v3/configs/config/secrets/download", get(handler));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    Doppler::new(&format!("http://{address}/")).unwrap()
}

async fn download(doppler: &Doppler, etag: Option<&str>) -> Result<Download, DopplerError> {
    doppler.download(&Token::new("dp.st.preview.canary").unwrap(), "web", "preview", etag).await
}

fn error(result: Result<Download, DopplerError>) -> DopplerError {
    result.err().expect("an error")
}

#[tokio::test]
async fn values_come_with_their_version_and_an_unchanged_version_without_values() {
    let doppler = answering(([("etag", "W/\"1\"")], r#"{"A":"1","B":""}"#)).await;
    let Ok(Download::Values { values, etag }) = download(&doppler, None).await else { panic!("no values") };
    assert_eq!((values["A"].as_str(), values["B"].as_str(), etag.as_deref()), ("1", "", Some("W/\"1\"")));
    assert!(matches!(download(&doppler, Some("W/\"1\"")).await, Ok(Download::NotModified)));
}

#[tokio::test]
async fn a_refused_token_is_final_and_keeps_dopplers_words() {
    for code in [401, 403, 404] {
        let answer = (Code::from_u16(code).unwrap(), r#"{"messages":["Invalid Service token"],"success":false}"#);
        let error = error(download(&answering(answer).await, None).await);
        assert_eq!(error, DopplerError::Denied(format!("Invalid Service token (HTTP {code})")));
    }
}

#[tokio::test]
async fn a_rate_limit_says_when_to_come_back_by_header_or_in_words_or_not_at_all() {
    let words = r#"{"messages":["Exceeded rate limit of 240. Retry in 3 seconds. Upgrade"],"success":false}"#;
    for (header, body, expected) in
        [(Some("7"), words, Some(7)), (None, words, Some(3)), (None, "<html>1015</html>", None)]
    {
        let mut headers = HeaderMap::new();
        headers.extend(header.map(|seconds| (RETRY_AFTER, seconds.parse().unwrap())));
        let error = error(download(&answering((Code::TOO_MANY_REQUESTS, headers, body)).await, None).await);
        let DopplerError::RateLimited { retry_after, .. } = error else { panic!("{error}") };
        assert_eq!(retry_after, expected.map(Duration::from_secs));
    }
}

#[tokio::test]
async fn an_outage_in_html_is_told_by_its_size_and_not_shown() {
    let error = error(download(&answering((Code::BAD_GATEWAY, "<html>secret</html>")).await, None).await);
    assert_eq!(error, DopplerError::Unavailable("19 bytes (HTTP 502)".into()));
}

#[tokio::test]
async fn a_value_that_is_no_string_is_named_by_its_key_and_not_shown() {
    let error = error(download(&answering(r#"{"A":"1","B":{"canary":1}}"#).await, None).await);
    assert_eq!(error.to_string(), "Doppler's answer is not understood: the value of B is not a string");
}

#[tokio::test]
async fn nobody_there_is_an_outage_and_no_error_shows_the_token() {
    let doppler = Doppler::new("http://127.0.0.1:1").unwrap();
    let error = error(download(&doppler, None).await);
    assert!(matches!(error, DopplerError::Unavailable(_)));
    assert!(!format!("{error:?} {error} {:?}", Token::new("dp.st.canary")).contains("canary"));
}

#[test]
fn a_persons_token_is_refused() {
    for bad in ["", "dp.pt.canary", "dp.ct.canary"] {
        let error = Token::new(bad).unwrap_err();
        assert!(!error.contains("canary"), "{error}");
    }
}
