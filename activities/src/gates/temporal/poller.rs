//! The gate `temporal_poller`: a worker of the release polls the task queue. If none does, the state of the worker's container
//! explains it. A poll of the worker before, which may still be ending, does not count.

mod hosts;
mod polls;

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use futures::FutureExt;
use temporalio_common::protos::temporal::api::{
    enums::v1::TaskQueueType,
    taskqueue::v1::{PollerInfo, TaskQueue},
    workflowservice::v1::{DescribeTaskQueueRequest, workflow_service_client::WorkflowServiceClient},
};
use tokio::time::Instant;
use tonic::transport::Channel;

use super::super::attempt::{self, Asked, Miss};
use hosts::Hosts;
use polls::missing_polls;

use super::{TRY, TemporalServer, call, describe_address, worker};
use crate::{
    gates::checks::{Checks, NotPassed},
    unix_time::unix_time,
};
use berth_manifests::app::{Gate, TemporalPollerGate};

/// The longest time of one poll, and a moment more. A server notes a poll's begin and its end.
const POLL_LASTS: Duration = Duration::from_secs(65);

/// The unix time in seconds since which no old worker is seen. 0 if none has been there, `i64::MAX` while one is.
#[derive(Default)]
struct OldWorkerUnseen(AtomicI64);

impl OldWorkerUnseen {
    /// Notes what is seen now. Returns the time from which a poll of an unknown worker counts.
    fn note(&self, hosts: &Hosts, now: i64) -> i64 {
        let since = match (hosts.old_worker(), self.0.load(Ordering::Relaxed)) {
            (Some(_), _) => i64::MAX,
            (None, i64::MAX) => now,
            (None, since) => since,
        };
        self.0.store(since, Ordering::Relaxed);
        since
    }
}

/// Repeats the request until a worker polls or the deadline is over.
pub(in super::super) async fn check(
    checks: &Checks<'_>,
    gate: &Gate,
    poller: &TemporalPollerGate,
) -> Result<(), NotPassed> {
    let TemporalPollerGate { task_queue, namespace, .. } = poller;
    let place = describe_address(checks, &poller.server());
    let what = format!("pollers of task queue {task_queue} in namespace {namespace} of {place}");
    let asked = Asked { gate, what, workload: worker_workload(poller) };
    let unseen = OldWorkerUnseen::default();
    attempt::until_passed(checks, &asked, |deadline| try_once(checks, poller, &unseen, deadline)).await
}

fn worker_workload(poller: &TemporalPollerGate) -> &str {
    poller.worker_workload.as_deref().unwrap_or(&poller.workload)
}

async fn try_once(
    checks: &Checks<'_>,
    gate: &TemporalPollerGate,
    unseen: &OldWorkerUnseen,
    deadline: Instant,
) -> Result<(), Miss> {
    let until = deadline.min(Instant::now() + TRY);
    let container = gate.worker_container.as_deref();
    let find_worker = || worker::find(checks, worker_workload(gate), container);
    let mut server = match TemporalServer::reach(checks, &gate.server(), until).await {
        Ok(server) => server,
        // No pod is ready, and the worker may be the reason.
        Err(miss) if miss.pod.is_none() => return Err(worker::explain(find_worker(), miss)),
        Err(miss) => return Err(miss),
    };
    let client = server.client();
    let polls = async {
        let of = |kind| pollers(client.clone(), gate, kind, until);
        tokio::try_join!(of(TaskQueueType::Workflow), of(TaskQueueType::Activity))
    };
    let (workflows, activities) = server.await_call(polls.boxed()).await?;
    let hosts = Hosts::of(&checks.current.borrow(), &checks.check.workloads, worker_workload(gate), container);
    let now = i64::try_from(unix_time().as_secs()).unwrap_or(i64::MAX);
    let since = unseen.note(&hosts, now);
    let Some(missing) = missing_polls(&workflows, &activities, &hosts, since, now) else { return Ok(()) };
    // A worker without its host's name in its identity is known once the old one is gone, and has polled again.
    let gone_for = Duration::from_secs(now.saturating_sub(since).try_into().unwrap_or_default());
    let decided_at = missing.is_undecided.then(|| Instant::now() + POLL_LASTS.saturating_sub(gone_for));
    let miss = Miss { decided_at, ..Miss::new(missing.message).advise(missing.advice) };
    Err(worker::explain(find_worker(), miss))
}

async fn pollers(
    mut client: WorkflowServiceClient<Channel>,
    gate: &TemporalPollerGate,
    kind: TaskQueueType,
    until: Instant,
) -> Result<Vec<PollerInfo>, Miss> {
    let describe = DescribeTaskQueueRequest {
        namespace: gate.namespace.clone(),
        task_queue: Some(TaskQueue { name: gate.task_queue.clone(), ..Default::default() }),
        task_queue_type: kind.into(),
        ..Default::default()
    };
    let answer = client.describe_task_queue(call::request(describe, until)).boxed();
    Ok(call::answered("describe the task queue", &gate.namespace, until, answer).await?.pollers)
}
