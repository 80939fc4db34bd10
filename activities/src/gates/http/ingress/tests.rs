//! Requests to a server in the test's own process, as an ingress controller.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use berth_workflows::contract::{
    checks::{CheckGatesInput, GatesChecked, Outcome},
    verdict::{FailureType, Verdict},
};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::PrivatePkcs8KeyDer;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::{
    context::Context,
    examples::{environment, settings},
    fake_api_server::{FakeApiServer, status_object},
    gates::check_gates,
    heartbeat::Progress,
    release::stored_release::StoredRelease,
    rollout::fixtures::{case, deployment, pod, replica_set, rolled_out, workload},
    settings::Settings,
};

const INGRESSES: &str = "/apis/networking.k8s.io/v1/namespaces/pr-1/ingresses";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
const NOT_FOUND: &str = "HTTP/1.1 404 Not Found\r\nContent-Length: 18\r\nConnection: close\r\n\r\n404 page not found";

/// A controller that gives every request the same answer. It notes what it was asked.
struct Controller {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Controller {
    async fn start(answer: &'static str, tls: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, asked) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<String>>>::default());
        let noted = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let noted = Arc::clone(&noted);
                tokio::spawn(async move {
                    if !tls {
                        return respond(stream, answer, &noted).await;
                    }
                    let Ok(stream) = acceptor().accept(stream).await else { return };
                    let name = stream.get_ref().1.server_name().unwrap_or_default().to_owned();
                    noted.lock().unwrap().push(format!("server name {name}"));
                    respond(stream, answer, &noted).await;
                });
            }
        });
        Self { address, asked }
    }

    fn address(&self) -> Option<IngressAddress> {
        Some(self.address.to_string().parse().unwrap())
    }

    fn asked(&self) -> String {
        self.asked.lock().unwrap().join("\n")
    }
}

/// Has a certificate for another host, from nobody that a client knows.
fn acceptor() -> TlsAcceptor {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["other.example.com".to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der()).into();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    TlsAcceptor::from(Arc::new(config.with_no_client_auth().with_single_cert(vec![cert.der().clone()], key).unwrap()))
}

async fn respond(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &str, noted: &Mutex<Vec<String>>) {
    let mut request = Vec::new();
    // A TLS client's first byte is no letter.
    while !request.ends_with(b"\r\n\r\n") && request.first() != Some(&0x16) {
        let Ok(byte) = stream.read_u8().await else { return };
        request.push(byte);
    }
    noted.lock().unwrap().push(String::from_utf8_lossy(&request).to_lowercase());
    _ = stream.write_all(answer.as_bytes()).await;
    _ = stream.shutdown().await;
}

fn ingress(host: &str) -> Value {
    let backend = json!({"service": {"name": "web", "port": {"number": 80}}});
    let path = json!({"path": "/", "pathType": "Prefix", "backend": backend});
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "page"},
        "spec": {"rules": [{"host": host, "http": {"paths": [path]}}]}})
}

fn release(host: &str, gate: &Value) -> StoredRelease {
    // `ExternalName` keeps the gate `endpoints` out of these tests.
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"type": "ExternalName", "selector": {"app": "web"}, "ports": [{"port": 80}]}});
    let gate = json!({"name": "page", "deadline": "2s", "http": gate});
    StoredRelease {
        version: None,
        commit: "c".into(),
        secret: "web-secrets-1".into(),
        objects: vec![service, ingress(host)],
        pod_security: None,
        pull_secret: None,
        gates: vec![serde_json::from_value(gate).unwrap()],
    }
}

/// The release, serving.
fn live() -> FakeApiServer {
    let server = FakeApiServer::default();
    server.put("/apis/apps/v1/namespaces/pr-1/deployments", &deployment(rolled_out()));
    server.put("/apis/apps/v1/namespaces/pr-1/replicasets", &replica_set("web-5d8f", "2", &json!(null)));
    let mut web = pod("web-5d8f-abcde", "pod-uid", "web-5d8f", &case("ready")["pod"]);
    web["metadata"]["labels"] = json!({"app": "web"});
    server.put("/api/v1/namespaces/pr-1/pods", &web);
    server.put("/api/v1/namespaces/pr-1/secrets", &json!({"metadata": {"name": "web-secrets-1"}, "data": {}}));
    server.answer("/api/v1/namespaces/pr-1/pods/web-5d8f-abcde/log", 200, "GET / 404\n");
    server
}

/// Checks the usual gate, on the environment's own host.
async fn checked(server: &FakeApiServer, scheme: &str, address: Option<IngressAddress>) -> GatesChecked {
    let gate = json!({"through": "ingress", "path": "/x?y=1", "body": "ok"});
    checked_release(server, scheme, address, &release("pr-1.example.com", &gate)).await
}

async fn checked_release(
    server: &FakeApiServer,
    scheme: &str,
    address: Option<IngressAddress>,
    release: &StoredRelease,
) -> GatesChecked {
    let mut environment = environment();
    environment.scheme = scheme.to_owned();
    let input = CheckGatesInput {
        environment,
        workloads: vec![workload("Deployment", "web", 2)],
        stored_release: String::new(),
        secret: "web-secrets-1".into(),
        stability_seconds: 0,
        temporal_server_address: None,
        deploy_id: 1,
        unobserved_seconds: 2,
        observe_seconds: 0,
    };
    let (client, progress) = (server.client(), Progress::new());
    let settings = Settings { ingress_address: address, ..settings() };
    check_gates(Context { client: &client, settings: &settings, progress: &progress }, input, release).await.unwrap()
}

fn verdict(checked: GatesChecked) -> Verdict {
    let Outcome::Failed { verdict } = checked.outcome else { panic!("should have failed: {:?}", checked.outcome) };
    assert_eq!(verdict.failure, FailureType::GateFailed);
    verdict
}

#[tokio::test]
async fn request_has_the_environments_host() {
    let controller = Controller::start(OK, false).await;
    let result = checked(&live(), "http", controller.address()).await;
    assert_eq!(result.outcome, Outcome::Complete);
    let asked = controller.asked();
    assert!(asked.starts_with("get /x?y=1 http/1.1\r\n") && asked.contains("host: pr-1.example.com\r\n"), "{asked}");
}

#[tokio::test]
async fn request_over_tls_has_the_server_name_and_takes_any_certificate() {
    let controller = Controller::start(OK, true).await;
    let result = checked(&live(), "https", controller.address()).await;
    assert_eq!(result.outcome, Outcome::Complete);
    let asked = controller.asked();
    assert!(
        asked.starts_with("server name pr-1.example.com\n") && asked.contains("host: pr-1.example.com\r\n"),
        "{asked}"
    );
}

#[tokio::test]
async fn host_of_the_gate_wins_over_the_environments() {
    let controller = Controller::start(OK, false).await;
    let gate = json!({"through": "ingress", "host": "ui.example.com", "path": "/"});
    let release = release("ui.example.com", &gate);
    let result = checked_release(&live(), "http", controller.address(), &release).await;
    assert_eq!(result.outcome, Outcome::Complete);
    assert!(controller.asked().contains("host: ui.example.com\r\n"), "{}", controller.asked());
}

#[tokio::test]
async fn unexpected_answer_is_a_verdict_with_the_log_behind_the_service() {
    let controller = Controller::start(NOT_FOUND, false).await;
    let verdict = verdict(checked(&live(), "http", controller.address()).await);
    let expected = "gate page: GET http://pr-1.example.com/x?y=1 through the ingress controller by Ingress page: answered 404, \
        expected 200: 404 page not found, for 2 s";
    assert_eq!((verdict.message.as_str(), verdict.advice.as_str()), (expected, NOT_AS_EXPECTED));
    assert_eq!((verdict.workload.as_deref(), verdict.container.as_deref()), (Some("Deployment/web"), Some("web")));
    assert_eq!(verdict.log_tail, ["GET / 404"]);
}

#[tokio::test]
async fn peer_without_tls_is_a_verdict() {
    let controller = Controller::start(OK, false).await;
    let verdict = verdict(checked(&live(), "https", controller.address()).await);
    assert!(verdict.message.contains(" did not answer: TLS"), "{}", verdict.message);
}

#[tokio::test]
async fn silent_controller_is_a_verdict() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string().parse().unwrap();
    let verdict = verdict(checked(&live(), "http", Some(address)).await);
    assert!(verdict.message.contains(" did not answer within 2 s, for 2 s"), "{}", verdict.message);
}

#[tokio::test]
async fn controller_that_cannot_be_reached_is_no_verdict() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let result = checked(&live(), "http", Some(address.parse().unwrap())).await;
    let Outcome::NotObserved { reason, .. } = result.outcome else { panic!("{:?}", result.outcome) };
    assert!(reason.contains("cannot be reached by the worker: Connection refused"), "{reason}");
}

#[tokio::test]
async fn ingress_without_an_address_is_a_verdict() {
    let server = live();
    let absent = verdict(checked(&server, "http", None).await);
    assert!(absent.message.contains("Ingress page is not there"), "{}", absent.message);
    server.put(INGRESSES, &ingress("pr-1.example.com"));
    let unpublished = verdict(checked(&server, "http", None).await);
    assert!(unpublished.message.contains("Ingress page has no address in its status"), "{}", unpublished.message);
    assert_eq!(unpublished.advice, NO_ADDRESS);
    server.answer(&format!("{INGRESSES}/page"), 403, status_object(403, "ingresses is forbidden"));
    let result = checked(&server, "http", None).await;
    assert!(matches!(result.outcome, Outcome::NotObserved { .. }), "{:?}", result.outcome);
}

#[test]
fn address_is_the_first_in_the_status() {
    for (status, expected) in [
        (json!({"ingress": [{"ip": "10.0.0.5"}, {"ip": "10.0.0.6"}]}), Some("10.0.0.5")),
        (json!({"ingress": [{}, {"hostname": "lb.example.com"}]}), Some("lb.example.com")),
        (json!({"ingress": [{"ip": "fd00::1", "hostname": "lb.example.com"}]}), Some("fd00::1")),
        (json!({}), None),
    ] {
        let mut ingress = ingress("pr-1.example.com");
        ingress["status"] = json!({"loadBalancer": status});
        let address = published_address(&serde_json::from_value(ingress).unwrap()).map(|address| address.to_string());
        assert_eq!(address.as_deref(), expected);
    }
}

#[tokio::test]
async fn request_without_a_route_fails_at_once() {
    let controller = Controller::start(OK, false).await;
    let gate = json!({"through": "ingress", "path": "/"});
    let release = release("other.example.com", &gate);
    let verdict = verdict(checked_release(&live(), "http", controller.address(), &release).await);
    assert!(verdict.message.ends_with("no Ingress of the release has a rule for it, after 0 s"), "{}", verdict.message);
    assert_eq!(controller.asked(), "");
}
