//! The gate `temporal_poller`: a worker polls the task queue. If none does, the state of the worker's container
//! explains it.

use std::time::Duration;

use futures::FutureExt;
use temporalio_common::protos::temporal::api::{
    enums::v1::TaskQueueType,
    taskqueue::v1::{PollerInfo, TaskQueue},
    workflowservice::v1::{DescribeTaskQueueRequest, workflow_service_client::WorkflowServiceClient},
};
use tokio::time::Instant;
use tonic::transport::Channel;

use super::super::attempt::{self, Asked, Miss};
use super::{TRY, TemporalServer, call, describe_address, worker};
use crate::{
    gates::checks::{Checks, NotPassed},
    unix_time::unix_time,
};
use berth_manifests::app::{Gate, TemporalPollerGate};

/// The age up to which a poll counts. A server lists a poller for five minutes after its last poll, and one poll lasts
/// a minute.
const RECENT: Duration = Duration::from_secs(90);
/// The largest difference between the clocks of a node and a server.
const SKEW_SECONDS: i64 = 2;

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
    attempt::until_passed(checks, &asked, |deadline| try_once(checks, poller, deadline)).await
}

fn worker_workload(poller: &TemporalPollerGate) -> &str {
    poller.worker_workload.as_deref().unwrap_or(&poller.workload)
}

async fn try_once(checks: &Checks<'_>, gate: &TemporalPollerGate, deadline: Instant) -> Result<(), Miss> {
    let until = deadline.min(Instant::now() + TRY);
    let find_worker = || worker::find(checks, worker_workload(gate), gate.worker_container.as_deref());
    let mut server = match TemporalServer::reach(checks, &gate.server(), until).await {
        Ok(server) => server,
        // No pod is ready, and the worker may be the reason.
        Err(miss) if miss.pod.is_none() => return Err(worker::explain(find_worker(), miss)),
        Err(miss) => return Err(miss),
    };
    let client = server.client();
    let (workflows, activities) = server
        .await_call(
            async {
                tokio::try_join!(
                    pollers(client.clone(), gate, TaskQueueType::Workflow, until),
                    pollers(client.clone(), gate, TaskQueueType::Activity, until),
                )
            }
            .boxed(),
        )
        .await?;
    let worker = find_worker();
    let now = i64::try_from(unix_time().as_secs()).unwrap_or(i64::MAX);
    let started = worker.as_ref().and_then(|worker| worker.running_since);
    let Some(message) = missing_polls(&workflows, &activities, now, started) else { return Ok(()) };
    let miss = Miss::new(message).advise(
        "The worker runs but does not poll. Its last log lines say why. It has to reach the server at \
         TEMPORAL_SERVER_ADDRESS and to use this namespace and task queue.",
    );
    Err(worker::explain(worker, miss))
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

/// Describes the tasks that no worker polls for. A poll counts if it is recent and not older than the worker's
/// container, by the node's clock.
fn missing_polls(
    workflows: &[PollerInfo],
    activities: &[PollerInfo],
    now: i64,
    started: Option<i64>,
) -> Option<String> {
    let recent = i64::try_from(RECENT.as_secs()).unwrap_or(i64::MAX);
    let since = started.map_or(now - recent, |started| (started - SKEW_SECONDS).max(now - recent));
    let last = |pollers: &[PollerInfo]| pollers.iter().filter_map(seen).max();
    let lacks = |pollers| last(pollers).is_none_or(|last| last < since);
    let what = match (lacks(workflows), lacks(activities)) {
        (false, false) => return None,
        (true, true) => "workflow tasks or activity tasks",
        (true, false) => "workflow tasks",
        (false, true) => "activity tasks",
    };
    let before = last(workflows).max(last(activities)).filter(|last| *last < since);
    let before = before.map_or_else(String::new, |last| format!(" (the last poll was {} s ago)", now - last));
    Some(format!("no worker polls it for {what}{before}"))
}

fn seen(poller: &PollerInfo) -> Option<i64> {
    poller.last_access_time.as_ref().map(|at| at.seconds)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn at(seconds: i64) -> Vec<PollerInfo> {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.unsigned_abs());
        vec![PollerInfo { last_access_time: Some(time.into()), ..Default::default() }]
    }

    #[test]
    fn a_queue_needs_recent_polls_for_both_kinds_of_tasks() {
        assert_eq!(missing_polls(&at(950), &at(940), 1000, None), None);
        let none = missing_polls(&[], &[], 1000, None);
        assert_eq!(none.as_deref(), Some("no worker polls it for workflow tasks or activity tasks"));
        assert_eq!(missing_polls(&at(990), &[], 1000, None).as_deref(), Some("no worker polls it for activity tasks"));
        let long_ago = "no worker polls it for workflow tasks or activity tasks (the last poll was 200 s ago)";
        assert_eq!(missing_polls(&at(800), &at(800), 1000, None).as_deref(), Some(long_ago));
    }

    #[test]
    fn a_poll_older_than_the_worker_does_not_count() {
        assert!(missing_polls(&at(980), &at(980), 1000, Some(990)).is_some());
        assert_eq!(missing_polls(&at(989), &at(995), 1000, Some(990)), None);
    }
}
