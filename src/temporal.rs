//! Connecting to Temporal, as configured by `TEMPORAL_*` and temporal.toml.

use std::{io::Write, time::Duration};

use anyhow::{Context, anyhow};
use temporalio_client::{
    Client, ClientOptions, Connection, ConnectionOptions, RetryOptions, RpcOptions,
    envconfig::LoadClientConfigProfileOptions,
    errors::{WorkflowUpdateError, WorkflowUpdateWithStartError},
    tonic::{Request, Status},
};
use temporalio_common::{
    protos::temporal::api::{
        enums::v1::TaskQueueType,
        failure::v1::Failure,
        taskqueue::v1::TaskQueue,
        workflowservice::v1::{DescribeTaskQueueRequest, GetSystemInfoRequest},
    },
    telemetry::metrics::TemporalMeter,
};

/// The longest pause between two attempts to connect.
const MAX_PAUSE: Duration = Duration::from_secs(5);
/// How often an update is sent that no run takes in, and the pause between two tries. A run that ends is over within a second.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(250);

/// Connects once.
///
/// # Errors
/// The configuration is wrong, or the server does not answer.
pub(crate) async fn connect() -> anyhow::Result<Client> {
    let (connection, client) = configured()?;
    let address = connection.target.to_string();
    let connected = Connection::connect(connection).await;
    let connected = connected.with_context(|| format!("connecting to Temporal at {address} (TEMPORAL_ADDRESS)"))?;
    Ok(Client::new(connected, client)?)
}

/// Options of a request that is repeated while the server is away. Its caller bounds the time.
pub(crate) fn until_the_timeout() -> RpcOptions {
    let retries = RetryOptions::builder().max_elapsed_time(None).max_retries(0);
    RpcOptions::builder().retry_options(retries.build()).build()
}

/// Sends an update with start, and sends it again if a run ended before it took the update in: the next try begins another run.
pub(crate) async fn until_taken<T, F>(send: impl Fn() -> F) -> Result<T, WorkflowUpdateWithStartError>
where
    F: Future<Output = Result<T, WorkflowUpdateWithStartError>>,
{
    for _ in 1..TRIES {
        match send().await {
            Err(WorkflowUpdateWithStartError::Update(WorkflowUpdateError::Failed(failure))) if is_untaken(&failure) => {
                tokio::time::sleep(PAUSE).await;
            }
            sent => return sent,
        }
    }
    send().await
}

/// Whether no handler has seen the update. The server itself says so, in these words of its version 1.32.
fn is_untaken(failure: &Failure) -> bool {
    failure.source == "Server" && failure.message.contains("wasn't processed by worker")
}

/// The Temporal namespace that is configured, if the configuration can be read.
pub(crate) fn namespace() -> Option<String> {
    configured().ok().map(|(_, client)| client.namespace)
}

/// Connects, and retries without a limit: a worker may start before its server.
pub(crate) async fn connect_with_retry(identity: &str, meter: Option<TemporalMeter>) -> anyhow::Result<Client> {
    let mut pause = Duration::from_millis(200);
    loop {
        let (mut connection, client) = configured()?;
        connection.identity = identity.to_owned();
        connection.metrics_meter.clone_from(&meter);
        let address = connection.target.to_string();
        match Connection::connect(connection).await {
            Ok(connected) => return Ok(Client::new(connected, client)?),
            Err(error) => {
                tracing::warn!(temporal.address = %address, error = %error, "Waiting for Temporal at {address}");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(MAX_PAUSE);
            }
        }
    }
}

fn configured() -> anyhow::Result<(ConnectionOptions, ClientOptions)> {
    ClientOptions::load_from_config(LoadClientConfigProfileOptions::default())
        .map_err(|e| anyhow!("{e}"))
        .context("reading Temporal's configuration (TEMPORAL_* and temporal.toml)")
}

/// Checks that Temporal answers within this time.
///
/// # Errors
/// A line for a probe's answer.
pub(crate) async fn check_answers(client: &Client, within: Duration) -> Result<(), String> {
    let mut service = client.connection().workflow_service();
    let asked = service.get_system_info(Request::new(GetSystemInfoRequest::default()));
    match tokio::time::timeout(within, asked).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(status)) => Err(format!("Temporal does not answer: {}", status.message())),
        Err(_) => Err(format!("Temporal does not answer within {within:?}")),
    }
}

/// Identities of the workers that polled a task queue for this kind of task in the last minutes.
///
/// # Errors
/// Temporal does not answer.
pub(crate) async fn pollers(client: &Client, task_queue: &str, kind: TaskQueueType) -> Result<Vec<String>, Status> {
    let describe = DescribeTaskQueueRequest {
        namespace: client.options().namespace.clone(),
        task_queue: Some(TaskQueue { name: task_queue.to_owned(), ..Default::default() }),
        task_queue_type: kind as i32,
        ..Default::default()
    };
    let described = client.connection().workflow_service().describe_task_queue(Request::new(describe)).await?;
    Ok(described.into_inner().pollers.into_iter().map(|poller| poller.identity).collect())
}

/// Warns on standard error if no worker polls the task queue: Temporal itself would only wait.
pub(crate) async fn warn_if_no_worker_polls(client: &Client, task_queue: &str) {
    // A caller without the right to ask this may still push.
    if pollers(client, task_queue, TaskQueueType::Workflow).await.is_ok_and(|pollers| pollers.is_empty()) {
        let _ = writeln!(
            std::io::stderr(),
            "berth: no worker takes work from the task queue {task_queue} (--task-queue): this waits until one does"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn failed(source: &str, message: &str) -> WorkflowUpdateWithStartError {
        let failure = Failure { source: source.into(), message: message.into(), ..Failure::default() };
        WorkflowUpdateWithStartError::Update(WorkflowUpdateError::Failed(Box::new(failure)))
    }

    #[tokio::test(start_paused = true)]
    async fn update_is_sent_again_only_if_no_run_has_taken_it_in() {
        // As a server of version 1.32 writes it.
        const UNTAKEN: &str = "Workflow Update is rejected because it wasn't processed by worker.";
        for (error, tries) in [(("Server", UNTAKEN), 2), (("", UNTAKEN), 1), (("Server", "no"), 1)] {
            let tried = Cell::new(0);
            let sent = until_taken(async || {
                tried.set(tried.get() + 1);
                if tried.get() == 1 { Err(failed(error.0, error.1)) } else { Ok(()) }
            });
            assert_eq!((sent.await.is_ok(), tried.get()), (tries == 2, tries), "{error:?}");
        }
    }
}
