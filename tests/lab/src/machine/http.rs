//! A plain HTTP client for one request.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context as _, Result};
use serde_json::Value;

/// Generous: a workflow may run before the answer comes.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// Sends `GET path` with the header `Host: host` to an address.
pub(crate) fn get(address: SocketAddr, host: &str, path: &str) -> Result<Answer> {
    get_within(ANSWER_WITHIN, address, host, path)
}

/// Sends a GET request like [`get`]. Each step of it may take `limit`.
pub(crate) fn get_within(limit: Duration, address: SocketAddr, host: &str, path: &str) -> Result<Answer> {
    send(limit, address, (host, path), &format!("GET {path} HTTP/1.0\r\nHost: {host}\r\nAccept: */*\r\n\r\n"))
}

/// Sends `PUT path` with JSON to an address.
pub(crate) fn put(address: SocketAddr, path: &str, json: &Value) -> Result<Answer> {
    let (host, body) = (address.to_string(), json.to_string());
    let length = body.len();
    let head = format!("PUT {path} HTTP/1.0\r\nHost: {host}\r\nContent-Type: application/json\r\n");
    send(ANSWER_WITHIN, address, (&host, path), &format!("{head}Content-Length: {length}\r\n\r\n{body}"))
}

/// Sends a request of HTTP/1.0: this client cannot read a chunked answer.
fn send(limit: Duration, address: SocketAddr, (host, path): (&str, &str), request: &str) -> Result<Answer> {
    let asked = || format!("asking {address} for http://{host}{path}");
    let mut stream = TcpStream::connect_timeout(&address, limit).with_context(asked)?;
    stream.set_read_timeout(Some(limit))?;
    stream.write_all(request.as_bytes()).with_context(asked)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).with_context(asked)?;
    parse(&String::from_utf8_lossy(&answer)).with_context(|| format!("{}: the answer is not HTTP", asked()))
}

fn parse(answer: &str) -> Option<Answer> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/")?.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_is_parsed_into_status_and_body() {
        let answer = parse("HTTP/1.0 404 Not Found\r\nServer: x\r\n\r\nno such\r\n\r\npage").unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (404, "no such\r\n\r\npage"));
        assert!(parse("SSH-2.0-OpenSSH\r\n\r\n").is_none());
    }
}
