//! The worker's start, by what Temporal's front end has and allows: a proxy before a dev server denies the operator service.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use axum::{Router, body::Body, extract::Request, response::Response};
use berth_lab::{DevServer, temporal_cli};
use berth_workflows::contract::search_attributes::ALL;
use hyper::client::conn::http2;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tempfile::TempDir;
use temporalio_client::tonic::{Code, Status};
use tokio::net::{TcpListener, TcpStream};

use crate::BERTH;

const OPERATOR: &str = "/temporal.api.operatorservice.";
/// A line of the worker's log once its start has succeeded.
const STARTED: &str = "Taking work from";

/// Serves a front end that answers requests of the operator service with that code, and passes on all others.
async fn front_end_without_operator(upstream: &str, code: Code) -> String {
    let stream = TcpStream::connect(upstream).await.unwrap();
    let (to_server, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let router = Router::new().fallback(move |request: Request| {
        let mut to_server = to_server.clone();
        async move {
            if request.uri().path().starts_with(OPERATOR) {
                return Status::new(code, "not for you").into_http::<Body>();
            }
            to_server.send_request(request).await.map_or_else(|_| Response::default(), |answer| answer.map(Body::new))
        }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = TowerToHyperService::new(router.clone());
            let server = auto::Builder::new(TokioExecutor::new()).http2_only();
            // A worker that is killed is no error to this server.
            tokio::spawn(
                async move { server.serve_connection(TokioIo::new(stream), service).await.unwrap_or_default() },
            );
        }
    });
    address
}

/// A worker whose Kubernetes is away. Dropped, it is killed.
struct Started {
    child: Child,
    _folder: TempDir,
}

impl Drop for Started {
    fn drop(&mut self) {
        berth_lab::kill(&mut self.child);
    }
}

/// Starts a worker. Returns its log until it has started, or until it has ended.
async fn log_of_start(temporal: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let cluster = "clusters: [{name: x, cluster: {server: 'http://127.0.0.1:1'}}]";
    let context =
        "contexts: [{name: x, context: {cluster: x, user: x}}]\ncurrent-context: x\nusers: [{name: x, user: {}}]";
    fs::write(folder.path().join("kubeconfig"), format!("apiVersion: v1\nkind: Config\n{cluster}\n{context}\n"))
        .unwrap();
    let mut command = Command::new(BERTH);
    command.args(["worker", "--metrics-address", "off", "--apps"]).arg(folder.path());
    command.env("KUBECONFIG", folder.path().join("kubeconfig")).env("TEMPORAL_ADDRESS", temporal);
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut worker = Started { child, _folder: folder };
    let read = move || {
        let lines = BufReader::new(worker.child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let mut log = String::new();
        for line in lines {
            log += &format!("{line}\n");
            if line.contains(STARTED) {
                break;
            }
        }
        log
    };
    tokio::task::spawn_blocking(read).await.unwrap()
}

fn operator(server: &DevServer, arguments: &[&str]) {
    let mut command = Command::new(temporal_cli().unwrap());
    command.args(["operator", "search-attribute"]).args(arguments).args(["--address", &server.address]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

fn register(server: &DevServer, name: &str, kind: &str) {
    operator(server, &["create", "--name", name, "--type", kind]);
}

#[tokio::test]
async fn worker_starts_without_operator_service_if_all_is_registered() {
    let server = DevServer::start().unwrap();
    ALL.iter().for_each(|(name, kind)| register(&server, name, kind));
    for code in [Code::PermissionDenied, Code::Unimplemented, Code::Unauthenticated] {
        let log = log_of_start(&front_end_without_operator(&server.address, code).await).await;
        assert!(log.contains(STARTED), "{code:?}: {log}");
    }
}

#[tokio::test]
async fn worker_without_the_right_to_register_prints_the_missing_commands() {
    let server = DevServer::start().unwrap();
    register(&server, "BerthApp", "Keyword");
    let log = log_of_start(&front_end_without_operator(&server.address, Code::PermissionDenied).await).await;
    eprintln!("{log}");
    assert!(!log.contains(STARTED) && log.contains("has no right to register search attributes"), "{log}");
    assert!(log.contains("search-attribute create --namespace default --name BerthPullRequest --type Int"), "{log}");
    assert!(!log.contains("--name BerthApp"), "{log}");
}

#[tokio::test]
async fn worker_names_both_types_of_an_attribute_of_another_type() {
    let server = DevServer::start().unwrap();
    register(&server, "BerthPullRequest", "Keyword");
    let denied = front_end_without_operator(&server.address, Code::PermissionDenied).await;
    for address in [&server.address, &denied] {
        let log = log_of_start(address).await;
        eprintln!("{log}");
        let both = "search attribute BerthPullRequest has the type Keyword, and berth needs Int";
        assert!(!log.contains(STARTED) && log.contains(both), "{log}");
    }
    operator(&server, &["remove", "--name", "BerthPullRequest", "--yes"]);
    let log = log_of_start(&server.address).await;
    assert!(log.contains(STARTED), "{log}");
}

#[tokio::test]
async fn worker_says_that_the_namespace_has_no_room_for_attributes() {
    let server = DevServer::start().unwrap();
    // A visibility store in SQL has ten columns for keywords.
    (0..10).for_each(|number| register(&server, &format!("Other{number}"), "Keyword"));
    let log = log_of_start(&server.address).await;
    eprintln!("{log}");
    assert!(!log.contains(STARTED) && log.contains("takes no more search attributes of a type"), "{log}");
}
