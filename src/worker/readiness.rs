//! What Temporal's namespace must have before a worker may take work: search attributes, and a retention worth its name.

use std::time::{Duration, Instant};

use anyhow::Context;
use berth_workflows::contract::search_attributes::ALL;
use temporalio_client::{
    Client,
    tonic::{Code, Request, Status},
};
use temporalio_common::protos::temporal::api::{
    enums::v1::{IndexedValueType, TaskQueueType},
    operatorservice::v1::{AddSearchAttributesRequest, ListSearchAttributesRequest},
    workflowservice::v1::DescribeNamespaceRequest,
};

use super::health::Health;
use crate::temporal;

/// Closed rollouts vanish from temporal-ui after the retention; below this many days nobody finds last month's.
const RETENTION_DAYS: i64 = 30;

/// How long a server that has just started may take to know its namespaces.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(500);

/// Between two looks at what takes a fraction of a second: short at first, so that a worker is soon known to be ready.
const FIRST_LOOK: Duration = Duration::from_millis(10);
const LAST_LOOK: Duration = Duration::from_secs(5);

/// As [`make_ready`], tried again while the server is still coming up.
///
/// # Errors
/// Those of [`make_ready`], once they are final or have lasted a minute.
pub(super) async fn await_ready(client: &Client) -> anyhow::Result<()> {
    let end = Instant::now() + PATIENCE;
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

/// Registers the search attributes and looks at the retention.
///
/// # Errors
/// They are not there and may not be registered: an unregistered one would make every workflow task fail, so the worker
/// must not start. The error is the commands that somebody with the right may run.
async fn make_ready(client: &Client) -> anyhow::Result<()> {
    let namespace = client.options().namespace.clone();
    register_search_attributes(client, &namespace).await?;
    let describe = DescribeNamespaceRequest { namespace: namespace.clone(), ..Default::default() };
    let described = client.connection().workflow_service().describe_namespace(Request::new(describe)).await;
    let described = described.with_context(|| format!("looking at Temporal's namespace {namespace}"))?.into_inner();
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

async fn register_search_attributes(client: &Client, namespace: &str) -> anyhow::Result<()> {
    let missing = missing(client, namespace).await?;
    if missing.is_empty() {
        return Ok(());
    }
    let add = AddSearchAttributesRequest {
        namespace: namespace.to_owned(),
        search_attributes: missing.iter().map(|(name, kind)| ((*name).to_owned(), indexed(kind) as i32)).collect(),
    };
    client.connection().operator_service().add_search_attributes(Request::new(add)).await.with_context(|| {
        let line = |(name, kind): &(&str, &str)| {
            format!("temporal operator search-attribute create --namespace {namespace} --name {name} --type {kind}")
        };
        let lines: Vec<_> = missing.iter().map(line).collect();
        format!("registering search attributes; somebody with the right to it may run:\n{}\n", lines.join("\n"))
    })?;
    tracing::info!(temporal.namespace = %namespace, "Registered {} search attributes", missing.len());
    Ok(())
}

async fn missing(client: &Client, namespace: &str) -> anyhow::Result<Vec<(&'static str, &'static str)>> {
    let list = ListSearchAttributesRequest { namespace: namespace.to_owned() };
    let listed = client.connection().operator_service().list_search_attributes(Request::new(list)).await;
    let registered = listed.context("listing Temporal's search attributes")?.into_inner().custom_attributes;
    Ok(ALL.into_iter().filter(|(name, _)| !registered.contains_key(*name)).collect())
}

fn indexed(kind: &str) -> IndexedValueType {
    match kind {
        "Int" => IndexedValueType::Int,
        _ => IndexedValueType::Keyword,
    }
}

/// Waits until work is polled and Kubernetes has answered once.
pub(super) async fn await_works(
    client: &Client,
    task_queue: &str,
    identity: &str,
    kubernetes: &kube::Client,
    health: &Health,
) {
    let polled = async {
        await_polled(client, task_queue, identity).await;
        Health::holds(&health.polling);
    };
    let reached = async {
        await_kubernetes(kubernetes).await;
        Health::holds(&health.kubernetes);
    };
    tokio::join!(polled, reached);
}

/// Waits until Temporal itself says that this worker polls for workflows and for activities.
async fn await_polled(client: &Client, task_queue: &str, identity: &str) {
    for kind in [TaskQueueType::Workflow, TaskQueueType::Activity] {
        let mut pause = FIRST_LOOK;
        while !is_polled(client, task_queue, identity, kind).await {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LAST_LOOK);
        }
    }
}

async fn is_polled(client: &Client, task_queue: &str, identity: &str, kind: TaskQueueType) -> bool {
    // An error is as good as a no: it is asked again.
    let pollers = temporal::pollers(client, task_queue, kind).await;
    pollers.is_ok_and(|pollers| pollers.iter().any(|poller| poller == identity))
}

/// Waits until the Kubernetes API has answered once.
async fn await_kubernetes(client: &kube::Client) {
    let mut pause = FIRST_LOOK;
    loop {
        match client.apiserver_version().await {
            Ok(_) => return,
            Err(error) => {
                pause = (pause * 2).min(LAST_LOOK);
                tracing::warn!(%error, "Waiting for Kubernetes");
                tokio::time::sleep(pause).await;
            }
        }
    }
}
