//! A gate that asks a pod over HTTP, through a port-forward: it works in and out of the cluster, and needs no open network.

use std::time::Duration;

use http::{Request, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client, ResourceExt};
use tokio::io::{AsyncRead, AsyncWrite};

use berth_workflows::activity_definitions::CheckGatesInput;

use super::{Seen, pods};
use crate::app::HttpGate;

/// One answer of a page that works takes less; a longer one is tried again until the gate's deadline.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How much of an answer is read: enough for a page, little enough for any number of gates.
const MAX_BODY_BYTES: usize = 64 * 1024;
/// How much of an answer a verdict quotes.
const QUOTED_CHARACTERS: usize = 300;

/// One try.
pub(super) async fn look(client: &Client, check: &CheckGatesInput, gate: &HttpGate) -> Seen {
    let not_yet = |why: String, pod: Option<String>| Seen::NotYet { why, pod };
    let Some(workload) = check.workloads.iter().find(|workload| workload.name == gate.workload) else {
        return not_yet(format!("the release has no workload {}", gate.workload), None);
    };
    let snapshot = match pods::snapshot(client, check).await {
        Ok(snapshot) => snapshot,
        Err(e) => return not_yet(format!("the Kubernetes API did not answer: {e}"), None),
    };
    let Some(pod) = pods::ready_pods(&snapshot, workload).first().map(|pod| pod.name_any()) else {
        return not_yet(format!("{} has no ready pod of the new revision", gate.workload), None);
    };
    match tokio::time::timeout(TIMEOUT, ask_pod(client, check, gate, &pod)).await {
        Ok(Ok(())) => Seen::Holds,
        Ok(Err(why)) => not_yet(why, Some(pod)),
        Err(_) => not_yet(format!("no answer within {} s", TIMEOUT.as_secs()), Some(pod)),
    }
}

async fn ask_pod(client: &Client, check: &CheckGatesInput, gate: &HttpGate, pod: &str) -> Result<(), String> {
    let pods = Api::<Pod>::namespaced(client.clone(), &check.environment.namespace);
    let mut forward = pods.portforward(pod, &[gate.port]).await.map_err(|e| format!("port-forward to {pod}: {e}"))?;
    let stream = forward.take_stream(gate.port).ok_or_else(|| format!("port-forward to {pod}: no stream"))?;
    ask(stream, &check.environment.host, gate).await
}

/// Asks whoever is at the other end of the stream. The error is what it answered, in words.
async fn ask<S>(stream: S, host: &str, gate: &HttpGate) -> Result<(), String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let words = |e: hyper::Error| match std::error::Error::source(&e) {
        Some(cause) => format!("GET {}: {e}: {cause}", gate.path),
        None => format!("GET {}: {e}", gate.path),
    };
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(words)?;
    let request = Request::get(&gate.path)
        .header(header::HOST, host)
        .header(header::CONNECTION, "close")
        .header(header::USER_AGENT, "berth")
        .body(Empty::<Bytes>::new())
        .map_err(|e| format!("GET {}: {e}", gate.path))?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(words)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_BODY_BYTES).collect().await;
        let body = body.map_err(|e| format!("GET {}: reading the answer: {e}", gate.path))?.to_bytes();
        judge(gate, status.as_u16(), &String::from_utf8_lossy(&body))
    };
    // Somebody has to drive the connection; it may end before the answer has been read to its end.
    tokio::pin!(exchange);
    tokio::select! {
        judged = &mut exchange => judged,
        ended = connection => match ended {
            Ok(()) => exchange.await,
            Err(e) => Err(words(e)),
        },
    }
}

fn judge(gate: &HttpGate, status: u16, body: &str) -> Result<(), String> {
    let quote: String = body.trim().chars().take(QUOTED_CHARACTERS).collect();
    if status != gate.status {
        return Err(format!("GET {} answers {status}, not {}: {quote}", gate.path, gate.status));
    }
    match &gate.body {
        Some(text) if !body.contains(text) => Err(format!("the answer to GET {} has no {text:?}: {quote}", gate.path)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    fn gate(status: u16, body: Option<&str>) -> HttpGate {
        serde_json::from_value(serde_json::json!({
            "workload": "web", "port": 8080, "path": "/api/health", "status": status, "body": body,
        }))
        .unwrap()
    }

    async fn asked(gate: &HttpGate, answer: &'static str) -> (Result<(), String>, String) {
        let (ours, mut theirs) = duplex(1024);
        let server = async move {
            let mut request = vec![0; 1024];
            let bytes = theirs.read(&mut request).await.unwrap();
            theirs.write_all(answer.as_bytes()).await.unwrap();
            theirs.shutdown().await.unwrap();
            String::from_utf8(request[..bytes].to_vec()).unwrap()
        };
        tokio::join!(ask(ours, "pr-1.example.com", gate), server)
    }

    #[tokio::test]
    async fn the_status_that_is_wanted_passes_and_the_pod_is_asked_by_its_public_name() {
        let (result, request) = asked(&gate(200, None), "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        assert_eq!(result, Ok(()));
        assert!(request.starts_with("GET /api/health HTTP/1.1\r\n") && request.contains("host: pr-1.example.com"));
    }

    #[tokio::test]
    async fn another_status_is_told_with_the_answer() {
        let answer = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 8\r\n\r\nstarting";
        let (result, _) = asked(&gate(200, None), answer).await;
        assert_eq!(result, Err("GET /api/health answers 503, not 200: starting".to_owned()));
    }

    #[tokio::test]
    async fn a_text_that_is_missing_from_the_answer_is_told() {
        let (result, _) = asked(&gate(200, Some("\"ok\"")), "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nno").await;
        assert!(result.is_err_and(|why| why.contains("has no")));
    }

    #[tokio::test]
    async fn a_connection_that_closes_without_an_answer_is_told() {
        let (result, _) = asked(&gate(200, None), "").await;
        assert!(result.is_err());
    }
}
