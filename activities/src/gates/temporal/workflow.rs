//! The gate `temporal_workflow`: a workflow of the app completes, once in each rollout. A second worker that checks the
//! same gate finds the same run.
//!
//! A failed run is a verdict at once. Another run would repeat the app's work, and a workflow retries transient
//! failures itself.

mod result;
mod run;

use std::{collections::HashMap, time::Duration};

use futures::FutureExt;
use serde_json::Value;
use temporalio_common::protos::temporal::api::{
    common::v1::{Payload, Payloads, WorkflowExecution, WorkflowType},
    enums::v1::{WorkflowIdConflictPolicy, WorkflowIdReusePolicy},
    history::v1::history_event::Attributes,
    taskqueue::v1::TaskQueue,
    workflowservice::v1::{StartWorkflowExecutionRequest, workflow_service_client::WorkflowServiceClient},
};
use tokio::time::Instant;
use tonic::{Code, transport::Channel};

use super::super::attempt::{self, Asked, Miss};
use super::{TRY, TemporalServer, call, describe_address, worker};
use crate::gates::checks::{Checks, NotPassed};
use berth_manifests::app::{Gate, TemporalWorkflowGate};

/// The part of an attempt that is left to find out why the run has not ended.
const FOR_A_LOOK: Duration = Duration::from_secs(2);
/// The time that a run outlives its gate's deadline. An abandoned run ends by itself.
const RUN_OUTLIVES: Duration = Duration::from_secs(10);
/// The most runs of a workflow that continues as new.
const RUNS: usize = 20;

/// Waits until the workflow has ended or the deadline is over.
pub(in super::super) async fn check(
    checks: &Checks<'_>,
    gate: &Gate,
    workflow: &TemporalWorkflowGate,
) -> Result<(), NotPassed> {
    let TemporalWorkflowGate { workflow_type, task_queue, namespace, .. } = workflow;
    let place = describe_address(checks, &workflow.server());
    let what = format!("workflow {workflow_type} on task queue {task_queue} in namespace {namespace} of {place}");
    let asked = Asked { gate, what, workload: &workflow.workload };
    attempt::until_passed(checks, &asked, |deadline| try_once(checks, gate, workflow, deadline)).await
}

async fn try_once(
    checks: &Checks<'_>,
    gate: &Gate,
    workflow: &TemporalWorkflowGate,
    deadline: Instant,
) -> Result<(), Miss> {
    let until = deadline.min(Instant::now() + TRY);
    let mut server = TemporalServer::reach(checks, &workflow.server(), until).await?;
    let environment = &checks.check.environment.workflow_id;
    let asked = Started {
        id: format!("berth-gate-{environment}-{}-{}", checks.check.deploy_id, gate.name),
        workflow,
        lasts: gate.deadline.as_duration() + RUN_OUTLIVES,
        until,
    };
    let client = server.client();
    let ended = server.await_call(asked.end(client).boxed()).await?;
    // The worker's state and log say more than the server.
    ended.map_err(|miss| worker::explain(worker::find(checks, &workflow.workload, None), miss))
}

/// The gate's workflow, started in this attempt or an earlier one.
struct Started<'a> {
    id: String,
    workflow: &'a TemporalWorkflowGate,
    lasts: Duration,
    until: Instant,
}

impl Started<'_> {
    /// Waits for the workflow's end, and compares its result.
    ///
    /// # Errors
    /// The server does not answer.
    async fn end(&self, mut client: WorkflowServiceClient<Channel>) -> Result<Result<(), Miss>, Miss> {
        let Self { workflow: TemporalWorkflowGate { namespace, expect, .. }, until, .. } = self;
        let mut run = self.start(&mut client).await?;
        let remaining = until.saturating_duration_since(Instant::now());
        let wait_until = *until - FOR_A_LOOK.min(remaining / 2);
        for _ in 0..RUNS {
            let ended = call::end_of_run(&mut client, namespace, &run, wait_until).await?;
            match ended {
                Some(Attributes::WorkflowExecutionCompletedEventAttributes(completed)) => {
                    return Ok(result::contains(expect.as_ref(), completed.result.as_ref()));
                }
                Some(Attributes::WorkflowExecutionContinuedAsNewEventAttributes(next)) => {
                    run.run_id = next.new_execution_run_id;
                }
                Some(other) => return Ok(Err(run::ended_badly(&other))),
                None => return Ok(Err(run::still_open(&mut client, namespace, &run, *until).await?)),
            }
        }
        Ok(Err(Miss::new(format!("it continued as a new run {RUNS} times and has not ended"))))
    }

    async fn start(&self, client: &mut WorkflowServiceClient<Channel>) -> Result<WorkflowExecution, Miss> {
        let namespace = &self.workflow.namespace;
        let start = client.start_workflow_execution(call::request(self.request(), self.until)).boxed();
        let run_id = match call::within(self.until, start).await {
            Ok(started) => started.run_id,
            // A worker that died had started it, and it has ended: the newest run counts.
            Err(status) if status.code() == Code::AlreadyExists => String::new(),
            Err(status) => return Err(call::refused("accept the workflow", namespace, &status)),
        };
        Ok(WorkflowExecution { workflow_id: self.id.clone(), run_id })
    }

    fn request(&self) -> StartWorkflowExecutionRequest {
        let TemporalWorkflowGate { namespace, task_queue, workflow_type, input, .. } = self.workflow;
        StartWorkflowExecutionRequest {
            namespace: namespace.clone(),
            workflow_id: self.id.clone(),
            workflow_type: Some(WorkflowType { name: workflow_type.clone() }),
            task_queue: Some(TaskQueue { name: task_queue.clone(), ..Default::default() }),
            input: input.as_ref().map(|input| Payloads { payloads: vec![json_payload(input)] }),
            workflow_execution_timeout: self.lasts.try_into().ok(),
            identity: call::IDENTITY.to_owned(),
            workflow_id_reuse_policy: WorkflowIdReusePolicy::AllowDuplicateFailedOnly.into(),
            workflow_id_conflict_policy: WorkflowIdConflictPolicy::UseExisting.into(),
            ..Default::default()
        }
    }
}

/// A payload in the JSON encoding of every SDK.
fn json_payload(value: &Value) -> Payload {
    Payload {
        metadata: HashMap::from([("encoding".to_owned(), b"json/plain".to_vec())]),
        data: value.to_string().into_bytes(),
        ..Default::default()
    }
}
