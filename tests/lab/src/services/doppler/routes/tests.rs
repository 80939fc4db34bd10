//! The stand-in's routes over HTTP, as a client uses them.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpStream},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::services::doppler::{PREVIEW_TOKEN, start};

struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: String,
}

fn ask(address: std::net::SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: lab\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers =
        lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_owned(), value.to_owned()));
    Answer { status, headers: headers.collect(), body: body.to_owned() }
}

const DOWNLOAD: &str = "/v3/configs/config/secrets/download?format=json";

fn bearer() -> (&'static str, String) {
    ("authorization", format!("Bearer {PREVIEW_TOKEN}"))
}

#[test]
fn unchanged_config_is_answered_with_304() {
    let doppler = start(Ipv4Addr::LOCALHOST).unwrap();
    let (name, value) = bearer();
    let first = ask(doppler, "GET", DOWNLOAD, &[(name, &value)], "");
    assert_eq!(first.status, 200);
    assert!(first.body.contains("\"DOPPLER_CONFIG\":\"preview\""));
    assert!(first.headers.contains_key("x-request-id") && first.headers.contains_key("x-ratelimit-remaining"));

    let again = ask(doppler, "GET", DOWNLOAD, &[(name, &value), ("if-none-match", &first.headers["etag"])], "");
    assert_eq!((again.status, again.body.as_str()), (304, ""));

    ask(doppler, "PUT", "/lab/configs/web/preview", &[], r#"{"GREETING":"changed"}"#);
    let changed = ask(doppler, "GET", DOWNLOAD, &[(name, &value), ("if-none-match", &first.headers["etag"])], "");
    assert_eq!(changed.status, 200);
    assert!(changed.body.contains("changed"));

    let counted = ask(doppler, "GET", "/lab/requests", &[], "");
    assert_eq!(counted.body, r#"{"web/preview":{"total":3,"not_modified":1}}"#);
}

#[test]
fn token_opens_its_own_config_only() {
    let doppler = start(Ipv4Addr::LOCALHOST).unwrap();
    let basic = format!("Basic {}", STANDARD.encode(format!("{PREVIEW_TOKEN}:")));
    let status = |path: &str| ask(doppler, "GET", path, &[("authorization", &basic)], "").status;
    assert_eq!(status(&format!("{DOWNLOAD}&project=web&config=preview")), 200);
    assert_eq!(status(&format!("{DOWNLOAD}&project=web&config=production")), 403);
    assert_eq!(status("/v3/me"), 200);
}

#[test]
fn unknown_token_is_refused_with_dopplers_message() {
    let doppler = start(Ipv4Addr::LOCALHOST).unwrap();
    let answer = ask(doppler, "GET", DOWNLOAD, &[("authorization", "Bearer dp.st.none")], "");
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (401, r#"{"messages":["Invalid Service token"],"success":false}"#)
    );
}

#[test]
fn injected_failure_ends_after_its_requests() {
    let doppler = start(Ipv4Addr::LOCALHOST).unwrap();
    let (name, value) = bearer();
    let failure = r#"{"status":429,"retry_after":"7","body":"<html>1015</html>","content_type":"text/html","times":1}"#;
    assert_eq!(ask(doppler, "PUT", "/lab/failure", &[], failure).status, 204);
    let failed = ask(doppler, "GET", DOWNLOAD, &[(name, &value)], "");
    assert_eq!((failed.status, failed.body.as_str()), (429, "<html>1015</html>"));
    assert_eq!((failed.headers["retry-after"].as_str(), failed.headers["content-type"].as_str()), ("7", "text/html"));
    assert_eq!(ask(doppler, "GET", DOWNLOAD, &[(name, &value)], "").status, 200);
}

#[test]
fn revoked_token_is_refused() {
    let doppler = start(Ipv4Addr::LOCALHOST).unwrap();
    let (name, value) = bearer();
    ask(doppler, "DELETE", &format!("/lab/tokens/{PREVIEW_TOKEN}"), &[], "");
    assert_eq!(ask(doppler, "GET", DOWNLOAD, &[(name, &value)], "").status, 401);
}
