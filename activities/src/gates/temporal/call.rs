//! Calls of a Temporal server, each with a deadline, and the meaning of their failures.

use std::time::Duration;

use futures::{FutureExt, future::BoxFuture};
use temporalio_common::protos::temporal::api::{
    common::v1::WorkflowExecution,
    enums::v1::HistoryEventFilterType,
    history::v1::history_event::Attributes,
    workflowservice::v1::{GetWorkflowExecutionHistoryRequest, workflow_service_client::WorkflowServiceClient},
};
use tokio::time::{Instant, timeout_at};
use tonic::{Code, Request, Response, Status, transport::Channel};

use super::super::attempt::Miss;
use crate::redaction::message::Message;

/// The identity that the server records.
pub(super) const IDENTITY: &str = "berth";

/// The most bytes of a server's message in a verdict.
const SHOWN_BYTES: usize = 1000;
/// The shortest wait of a long poll. A server refuses less than two seconds, and answers a second before the end.
const SHORTEST_WAIT: Duration = Duration::from_secs(4);

/// A request with the deadline `until`.
pub(super) fn request<T>(message: T, until: Instant) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(until.saturating_duration_since(Instant::now()));
    request
}

/// A request that the server may hold until something happens.
pub(super) fn long_request<T>(message: T, until: Instant) -> Request<T> {
    request(message, until.max(Instant::now() + SHORTEST_WAIT))
}

/// Waits for the answer to a call.
///
/// # Errors
/// The call failed. The message has the server's reason.
pub(super) async fn answered<T>(
    what: &str,
    namespace: &str,
    until: Instant,
    call: BoxFuture<'_, Result<Response<T>, Status>>,
) -> Result<T, Miss> {
    match within(until, call).await {
        Ok(answer) => Ok(answer),
        Err(status) => Err(refused(what, namespace, &status)),
    }
}

/// Waits for the answer, or the status of a failed call. Boxed, because each call has twenty kilobytes.
pub(super) async fn within<T>(until: Instant, call: BoxFuture<'_, Result<Response<T>, Status>>) -> Result<T, Status> {
    let begun = Instant::now();
    let late = || Status::deadline_exceeded(format!("no answer within {} ms", begun.elapsed().as_millis()));
    timeout_at(until, call).await.unwrap_or_else(|_| Err(late())).map(Response::into_inner)
}

/// Returns the miss that a failed call means.
pub(super) fn refused(what: &str, namespace: &str, status: &Status) -> Miss {
    let timed_out = matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled);
    let message = Message::from(format!("the server did not {what}: ")).foreign(describe_status(status), SHOWN_BYTES);
    let miss = Miss { timed_out, ..Miss::new(message) };
    match status.code() {
        Code::NotFound if status.message().contains("amespace") => miss.advise(format!(
            "Register the namespace ({}), or name another one in the gate.",
            format_args!("`temporal operator namespace create --namespace {namespace}`"),
        )),
        Code::PermissionDenied | Code::Unauthenticated => {
            miss.advise("The Temporal server requires credentials, and berth's gates have none.")
        }
        Code::InvalidArgument => miss.advise("Correct the gate in the app file as the server says."),
        _ => miss
            .advise("The server answers but does not work. Look at its log, and check that it reaches its database."),
    }
}

fn describe_status(status: &Status) -> String {
    let mut cause = std::error::Error::source(status);
    let mut text = format!("{:?}: {}", status.code(), status.message());
    while let Some(error) = cause {
        let message = error.to_string();
        if !text.contains(&message) {
            text.push_str(&format!(": {message}"));
        }
        cause = error.source();
    }
    text
}

/// Returns an error with its causes. The outermost one of a connection has no details.
pub(super) fn with_causes(error: tonic::transport::Error) -> String {
    format!("{:#}", anyhow::Error::from(error))
}

/// Waits for the end of a run. Returns `None` if it is still running at `until`.
///
/// # Errors
/// The server does not answer.
pub(super) async fn end_of_run(
    client: &mut WorkflowServiceClient<Channel>,
    namespace: &str,
    run: &WorkflowExecution,
    until: Instant,
) -> Result<Option<Attributes>, Miss> {
    let mut next_page_token = Vec::new();
    while Instant::now() < until {
        let message = GetWorkflowExecutionHistoryRequest {
            namespace: namespace.to_owned(),
            execution: Some(run.clone()),
            maximum_page_size: 1,
            next_page_token: std::mem::take(&mut next_page_token),
            wait_new_event: true,
            history_event_filter_type: HistoryEventFilterType::CloseEvent.into(),
            ..Default::default()
        };
        let call = client.get_workflow_execution_history(long_request(message, until)).boxed();
        let answer = match within(until, call).await {
            Ok(answer) => answer,
            Err(_) if Instant::now() >= until => return Ok(None),
            Err(status) => return Err(refused("describe the workflow", namespace, &status)),
        };
        let last = answer.history.and_then(|mut history| history.events.pop());
        if let Some(attributes) = last.and_then(|event| event.attributes) {
            return Ok(Some(attributes));
        }
        next_page_token = answer.next_page_token;
    }
    Ok(None)
}
