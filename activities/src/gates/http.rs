//! The gate `http`: a pod of the new revision answers a request as expected, or the ingress controller does.

mod ingress;

use std::time::Duration;

use futures::TryFutureExt;
use http::header;
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, timeout_at},
};

use super::{
    attempt::{self, Asked, Miss},
    forward::{self, Forward},
};
use crate::{
    gates::checks::{Checks, NotPassed},
    redaction::message::Message,
};
use berth_manifests::app::{Gate, HttpGate, Through};

/// The time for one attempt. A slower answer is no sign of health.
const TRY: Duration = Duration::from_secs(5);
/// The most bytes of a body that are searched for the expected text.
const BODY_BYTES: usize = 64 * 1024;
/// The most bytes of a body in a verdict.
const SHOWN_BYTES: usize = 300;

/// The answer of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HttpAnswer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

/// Repeats the request until the answer is as expected or the deadline is over.
pub(super) async fn check(checks: &Checks<'_>, gate: &Gate, http: &HttpGate) -> Result<(), NotPassed> {
    if http.through == Through::Ingress {
        return ingress::check(checks, gate, http).await;
    }
    let what = format!("GET {} on port {} of {}", http.path, http.port, http.workload);
    let asked = Asked { gate, what, workload: &http.workload };
    attempt::until_passed(checks, &asked, |deadline| try_once(checks, http, deadline)).await
}

async fn try_once(checks: &Checks<'_>, gate: &HttpGate, deadline: Instant) -> Result<(), Miss> {
    let chosen = forward::ready_pod(checks, &gate.workload, gate.port, deadline).await?;
    let pod = &chosen.0;
    let answer = async {
        let (mut forward, stream) = Forward::open(checks, pod, gate.port).await?;
        let answer = get(stream, &checks.check.environment.host, &gate.path);
        let answer = answer.map_err(|error| Miss::new(format!("pod {pod} did not answer: {error:#}")));
        let begun = Instant::now();
        let answer = timeout_at(deadline.min(begun + TRY), forward.or_error(answer)).await;
        answer.unwrap_or_else(|_| Err(late(&format!("pod {pod}"), begun)))
    };
    let answer = answer.await;
    let met = answer.and_then(|answer| expect(gate, &answer).map_err(Miss::new));
    met.map_err(|miss| Miss { pod: Some(chosen), ..miss })
}

/// The miss of a request without an answer in the time of an attempt, or of the gate.
fn late(who: &str, begun: Instant) -> Miss {
    let message = format!("{who} did not answer within {:.0} s", begun.elapsed().as_secs_f64());
    Miss { timed_out: true, ..Miss::new(message) }
}

/// Sends one request over a stream of its own.
///
/// # Errors
/// The other end does not speak HTTP/1.1, or closes the connection.
pub(super) async fn get<S>(stream: S, host: &str, path: &str) -> anyhow::Result<HttpAnswer>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let request = http::Request::get(path)
        .header(header::HOST, host)
        .header(header::CONNECTION, "close")
        .header(header::USER_AGENT, "berth")
        .body(Empty::<Bytes>::new())?;
    let exchange = async {
        let response = sender.send_request(request).await?;
        let status = response.status().as_u16();
        let mut frames = response.into_body();
        let mut body = Vec::new();
        while body.len() < BODY_BYTES
            && let Some(frame) = frames.frame().await
        {
            body.extend_from_slice(frame?.data_ref().map_or(&[][..], |data| data));
        }
        body.truncate(BODY_BYTES);
        anyhow::Ok(HttpAnswer { status, body })
    };
    // The exchange gets the connection's error. The connection itself only has to be polled.
    let keep_going = async {
        _ = connection.await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        answer = exchange => answer,
        () = keep_going => anyhow::bail!("the connection ended"),
    }
}

/// Compares the answer with the gate. The error describes the difference.
fn expect(gate: &HttpGate, answer: &HttpAnswer) -> Result<(), Message> {
    let body = String::from_utf8_lossy(&answer.body);
    let text = gate.body.as_deref().filter(|text| !body.contains(text));
    let lacks = match (answer.status == gate.status, text) {
        (true, None) => return Ok(()),
        (false, _) => format!("expected {}", gate.status),
        (true, Some(text)) => format!("expected a body with {text:?}"),
    };
    let message = Message::from(format!("answered {}, {lacks}", answer.status));
    let body = body.trim();
    Err(if body.is_empty() { message } else { message.own(": ").foreign(body, SHOWN_BYTES) })
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;
    use crate::redaction::redactor::Redactor;

    fn gate() -> HttpGate {
        HttpGate {
            through: Through::Pod,
            workload: "web".into(),
            port: 8080,
            host: None,
            path: "/healthz?full=1".into(),
            status: 200,
            body: Some("ok".into()),
        }
    }

    /// Runs a server that sends these bytes to any request. Returns its request.
    async fn answered(said: &[u8]) -> (anyhow::Result<HttpAnswer>, String) {
        let (near, mut far) = duplex(1024);
        let server = async {
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                asked.push(far.read_u8().await.unwrap());
            }
            _ = far.write_all(said).await;
            drop(far);
            String::from_utf8(asked).unwrap()
        };
        tokio::join!(get(near, "pr-1.example.com", "/healthz?full=1"), server)
    }

    #[tokio::test]
    async fn a_request_has_the_environments_host_and_closes_the_connection() {
        let (answer, asked) = answered(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        assert_eq!(answer.unwrap(), HttpAnswer { status: 200, body: b"ok".to_vec() });
        assert!(asked.starts_with("GET /healthz?full=1 HTTP/1.1\r\n"), "{asked}");
        assert!(asked.contains("host: pr-1.example.com\r\n") && asked.contains("connection: close\r\n"), "{asked}");
    }

    #[tokio::test]
    async fn an_endless_body_is_read_up_to_the_limit() {
        let mut said = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
        said.extend(std::iter::repeat_n(b'x', 3 * BODY_BYTES));
        assert_eq!(answered(&said).await.0.unwrap().body.len(), BODY_BYTES);
    }

    #[tokio::test]
    async fn a_peer_without_http_is_an_error() {
        assert!(answered(b"SSH-2.0-OpenSSH_9.2\r\n").await.0.is_err());
        assert!(answered(b"").await.0.is_err());
    }

    #[test]
    fn an_unexpected_answer_is_shown_with_the_start_of_its_body() {
        let answer = |status, body: &str| HttpAnswer { status, body: body.as_bytes().to_vec() };
        let expect = |answer: HttpAnswer| expect(&gate(), &answer).map_err(|message| message.unredacted());
        assert_eq!(expect(answer(200, "all ok")), Ok(()));
        let said = expect(answer(500, &"é".repeat(400))).unwrap_err();
        assert!(said.starts_with("answered 500, expected 200: éé") && said.len() < 340, "{said}");
        assert_eq!(expect(answer(200, "no")), Err(r#"answered 200, expected a body with "ok": no"#.into()));
        assert_eq!(expect(answer(204, "")), Err("answered 204, expected 200".into()));
    }

    #[tokio::test]
    async fn secret_in_an_answer_is_removed_before_the_answer_is_cut() {
        let redactor = Redactor::new([b"correct-horse-battery".as_slice()]);
        for before in SHOWN_BYTES - 30..SHOWN_BYTES + 5 {
            let body = format!("{}correct-horse-battery and more", "x".repeat(before));
            let message = expect(&gate(), &HttpAnswer { status: 500, body: body.into_bytes() }).unwrap_err();
            let shown = message.redacted(&redactor).await;
            assert!(!shown.contains("corr") && shown.len() <= SHOWN_BYTES + 30, "{before}: {shown}");
        }
    }
}
