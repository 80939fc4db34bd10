//! Connecting to Temporal, as configured by `TEMPORAL_*` and temporal.toml.

use std::{io::Write, time::Duration};

use anyhow::{Context, anyhow};
use temporalio_client::{
    Client, ClientOptions, Connection, ConnectionOptions, RetryOptions, RpcOptions,
    envconfig::LoadClientConfigProfileOptions,
    tonic::{Request, Status},
};
use temporalio_common::{
    protos::temporal::api::{
        enums::v1::TaskQueueType,
        taskqueue::v1::TaskQueue,
        workflowservice::v1::{DescribeTaskQueueRequest, GetSystemInfoRequest},
    },
    telemetry::metrics::TemporalMeter,
};

/// The longest pause between two attempts to connect.
const MAX_PAUSE: Duration = Duration::from_secs(5);

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
