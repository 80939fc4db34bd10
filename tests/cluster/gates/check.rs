//! The check of a gate, a worker that only polls, and a server that only reports itself healthy.

use std::{future::Future, time::Duration};

use axum::{Router, body::Body, http::HeaderMap, response::Response, routing::post};
use berth_activities::{Context, gates, heartbeat::Progress, release::stored_release::StoredRelease};
use berth_lab::Lab;
use berth_manifests::app::Gate;
use berth_workflows::contract::{
    checks::{CheckGatesInput, GatesChecked, Outcome, UNOBSERVED_SECONDS},
    verdict::{FailureType, Verdict},
};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use serde_json::{Value, json};
use temporalio_client::tonic::{
    Request, Status,
    transport::{Channel, Endpoint},
};
use temporalio_common::protos::temporal::api::{
    command::v1::{Command, command::Attributes},
    enums::v1::CommandType,
    taskqueue::v1::TaskQueue,
    workflowservice::v1::{
        PollActivityTaskQueueRequest, PollWorkflowTaskQueueRequest, RespondWorkflowTaskCompletedRequest,
        workflow_service_client::WorkflowServiceClient,
    },
};

use crate::in_process::{client, settings};

/// Checks a gate for an environment with its Temporal at that address.
pub(crate) async fn checked(lab: &Lab, address: &str, pr: u64, gate: &Value) -> GatesChecked {
    let (client, settings, progress) = (client(lab).await, settings(lab), Progress::new());
    let environment = json!({
        "app": "gates", "pr": pr, "workflow_id": format!("preview-gates-{pr}"), "namespace": format!("gates-pr-{pr}"),
        "host": "gates.localhost", "temporal_ui_host": "gates-temporal.localhost", "scheme": "http",
    });
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let input = CheckGatesInput {
        environment: serde_json::from_value(environment).unwrap(),
        workloads: Vec::new(),
        stored_release: String::new(),
        secret: String::new(),
        stability_seconds: 0,
        temporal_server_address: Some(address.to_owned()),
        // The lab may outlive this run of the test.
        deploy_id: DEPLOY_ID.get_or_init(|| u64::try_from(now.as_millis()).unwrap()).to_owned(),
        unobserved_seconds: UNOBSERVED_SECONDS,
        observe_seconds: 0,
    };
    let gate: Gate = serde_json::from_value(gate.clone()).unwrap();
    let (commit, secret) = (String::new(), String::new());
    let release = StoredRelease { commit, secret, gates: vec![gate], ..StoredRelease::default() };
    let context = Context { client: &client, settings: &settings, progress: &progress };
    Box::pin(gates::check_gates(context, input, &release)).await.unwrap()
}

static DEPLOY_ID: std::sync::OnceLock<u64> = std::sync::OnceLock::new();

/// Asserts that the gate passed.
pub(crate) fn passed(checked: &GatesChecked) {
    assert_eq!(checked.outcome, Outcome::Complete, "{checked:?}");
    assert_eq!(checked.gates.len(), 1, "{checked:?}");
}

/// Asserts that the gate failed and that its verdict has all of these texts.
pub(crate) fn failed(checked: GatesChecked, texts: &[&str]) -> Verdict {
    let Outcome::Failed { verdict } = checked.outcome else { panic!("should have failed: {:?}", checked.gates) };
    assert_eq!(verdict.failure, FailureType::GateFailed);
    let text = format!("{}\n{}", verdict.message, verdict.advice);
    for expected in texts {
        assert!(text.contains(expected), "{expected:?} should be in: {text}");
    }
    println!("{text}");
    verdict
}

/// A plain client of a Temporal server.
pub(crate) async fn temporal(address: &str) -> WorkflowServiceClient<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    WorkflowServiceClient::new(Box::pin(endpoint.connect()).await.unwrap())
}

/// Gives a poll the timeout that a server wants of it.
fn long<T>(poll: T) -> Request<T> {
    let mut request = Request::new(poll);
    request.set_timeout(Duration::from_secs(60));
    request
}

/// Polls for activities without end, as a worker does.
pub(crate) async fn poll_activities(address: &str, queue: &str) {
    let mut client = temporal(address).await;
    loop {
        let poll = PollActivityTaskQueueRequest {
            namespace: "default".into(),
            task_queue: Some(TaskQueue { name: queue.into(), ..Default::default() }),
            identity: "test".into(),
            ..Default::default()
        };
        Box::pin(client.poll_activity_task_queue(long(poll))).await.unwrap();
    }
}

/// Polls for workflow tasks without end, and answers each with that command.
pub(crate) async fn run_workflows(address: &str, queue: &str, kind: CommandType, attributes: Attributes) {
    let mut client = temporal(address).await;
    loop {
        let poll = PollWorkflowTaskQueueRequest {
            namespace: "default".into(),
            task_queue: Some(TaskQueue { name: queue.into(), ..Default::default() }),
            identity: "test".into(),
            ..Default::default()
        };
        let task = Box::pin(client.poll_workflow_task_queue(long(poll))).await.unwrap().into_inner();
        if task.task_token.is_empty() {
            continue;
        }
        let command = Command { command_type: kind.into(), attributes: Some(attributes.clone()), ..Default::default() };
        let done = RespondWorkflowTaskCompletedRequest {
            task_token: task.task_token,
            commands: vec![command],
            identity: "test".into(),
            namespace: "default".into(),
            ..Default::default()
        };
        Box::pin(client.respond_workflow_task_completed(done)).await.unwrap();
    }
}

/// Runs the test beside a future that never ends.
pub(crate) async fn during<T>(endless: impl Future<Output = ()>, test: impl Future<Output = T>) -> T {
    tokio::select! {
        () = endless => panic!("it ended"),
        result = test => result,
    }
}

/// A frontend that reports itself healthy and refuses everything else, as one without its database does. Returns its address,
/// and a future to keep running.
pub(crate) async fn serving_and_nothing_else() -> (String, impl Future<Output = ()>) {
    // A HealthCheckResponse that says SERVING, in the frame that gRPC gives a message.
    let healthy = || async {
        let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), "0".parse().unwrap())]);
        let body = Full::from(&[0, 0, 0, 0, 2, 8, 1][..]).with_trailers(async { Some(Ok(trailers)) });
        Response::builder().header("content-type", "application/grpc").body(Body::new(body)).unwrap()
    };
    let router = Router::new()
        .route("/grpc.health.v1.Health/Check", post(healthy))
        .fallback(|| async { Status::unavailable("shard status unknown").into_http::<Body>() });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serving = async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = TowerToHyperService::new(router.clone());
            let server = auto::Builder::new(TokioExecutor::new()).http2_only();
            // A client that hangs up is no error to this server.
            tokio::spawn(
                async move { server.serve_connection(TokioIo::new(stream), service).await.unwrap_or_default() },
            );
        }
    };
    (address, serving)
}
