//! A plain HTTP client for one GET request.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context as _, Result};

/// Generous: a workflow may run before the answer comes.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// Sends `GET path` with the header `Host: host` to an address.
///
/// HTTP/1.0, because this client cannot read a chunked answer.
pub(crate) fn get(address: SocketAddr, host: &str, path: &str) -> Result<Answer> {
    let asked = || format!("asking {address} for http://{host}{path}");
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_WITHIN).with_context(asked)?;
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {host}\r\nAccept: */*\r\n\r\n").with_context(asked)?;
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
