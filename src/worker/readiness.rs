//! Readiness of Temporal's namespace: search attributes are registered, and closed workflows are kept long enough.

use std::time::{Duration, Instant};

use anyhow::Context;
use temporalio_client::{
    Client,
    tonic::{Code, Request, Status},
};
use temporalio_common::protos::temporal::api::{
    enums::v1::TaskQueueType, workflowservice::v1::DescribeNamespaceRequest,
};

use super::{health::Health, search_attributes};
use crate::temporal;

/// Closed rollouts vanish from temporal-ui after the retention. Below this many days the last month's are gone.
const RETENTION_DAYS: i64 = 30;

/// How long a server that has just started may take to know its namespaces.
const STARTUP_TIMEOUT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(500);

/// Pauses between two polls of a condition: short at first, so that a worker is soon known to be ready.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Makes the namespace ready, and retries while the server is starting.
///
/// # Errors
/// The errors of [`make_ready`], once they are permanent or have lasted a minute.
pub(super) async fn await_ready(client: &Client) -> anyhow::Result<()> {
    let end = Instant::now() + STARTUP_TIMEOUT;
    loop {
        match make_ready(client).await {
            Err(error) if is_transient(&error) && Instant::now() < end => {
                tracing::warn!("Waiting for Temporal: {error:#}");
                tokio::time::sleep(PAUSE).await;
            }
            done => return done,
        }
    }
}

fn is_transient(error: &anyhow::Error) -> bool {
    let status = error.chain().find_map(|cause| cause.downcast_ref::<Status>());
    status.is_some_and(|status| {
        matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded | Code::NotFound | Code::Internal)
    })
}

/// Registers the search attributes, and warns about a short retention.
///
/// # Errors
/// Those of [`search_attributes::ensure`], and Temporal does not describe the namespace.
async fn make_ready(client: &Client) -> anyhow::Result<()> {
    let namespace = client.options().namespace.clone();
    search_attributes::ensure(client, &namespace).await?;
    let describe = DescribeNamespaceRequest { namespace: namespace.clone(), ..Default::default() };
    let described = client.connection().workflow_service().describe_namespace(Request::new(describe)).await;
    let described = described.with_context(|| format!("describing Temporal's namespace {namespace}"))?.into_inner();
    let retention = described.config.and_then(|config| config.workflow_execution_retention_ttl);
    if let Some(days) = retention.map(|ttl| ttl.seconds / 86_400).filter(|days| *days < RETENTION_DAYS) {
        tracing::warn!(
            temporal.namespace = %namespace,
            retention_days = days,
            "Closed rollouts vanish from temporal-ui after {days} days: temporal operator namespace update \
             --namespace {namespace} --retention {RETENTION_DAYS}d"
        );
    }
    Ok(())
}

/// Waits until the task queue is polled and Kubernetes has answered once.
pub(super) async fn await_polling_and_kubernetes(
    client: &Client,
    task_queue: &str,
    identity: &str,
    kubernetes: &kube::Client,
    health: &Health,
) {
    let polled = async {
        await_polled(client, task_queue, identity).await;
        Health::set(&health.polling);
    };
    let reached = async {
        await_kubernetes(kubernetes).await;
        Health::set(&health.kubernetes);
    };
    tokio::join!(polled, reached);
}

/// Waits until Temporal reports that this worker polls for workflows and for activities.
async fn await_polled(client: &Client, task_queue: &str, identity: &str) {
    for kind in [TaskQueueType::Workflow, TaskQueueType::Activity] {
        let mut pause = FIRST_PAUSE;
        while !is_polled(client, task_queue, identity, kind).await {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

async fn is_polled(client: &Client, task_queue: &str, identity: &str, kind: TaskQueueType) -> bool {
    // An error counts as no: the question is repeated.
    let pollers = temporal::pollers(client, task_queue, kind).await;
    pollers.is_ok_and(|pollers| pollers.iter().any(|poller| poller == identity))
}

/// Waits until the Kubernetes API has answered once.
async fn await_kubernetes(client: &kube::Client) {
    let mut pause = FIRST_PAUSE;
    loop {
        match client.apiserver_version().await {
            Ok(_) => return,
            Err(error) => {
                pause = (pause * 2).min(LONGEST_PAUSE);
                tracing::warn!(%error, "Waiting for Kubernetes");
                tokio::time::sleep(pause).await;
            }
        }
    }
}
