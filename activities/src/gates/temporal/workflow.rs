//! The gate `temporal_workflow`: a workflow of the app's own ends well, once in each rollout. A second worker that checks the same
//! gate meets the same run. A run that has failed is a verdict at once: another would do the app's work once more, and a
//! workflow retries what may pass by itself.

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
use super::{TRY, TemporalServer, call, place, worker};
use crate::gates::checks::{Checks, NotPassed};
use berth_manifests::app::{Gate, TemporalWorkflowGate};

/// Each wait for the run's end leaves so much of its time for a look at why it has not ended.
const FOR_A_LOOK: Duration = Duration::from_secs(2);
/// A run that its gate has given up on ends by itself: so long after the gate's deadline.
const RUN_OUTLIVES: Duration = Duration::from_secs(10);
/// A workflow may continue as a new run; so often at most while its gate looks on.
const RUNS: usize = 20;

/// Waits until the workflow has ended or the gate's deadline has passed.
pub(in super::super) async fn check(
    checks: &Checks<'_>,
    gate: &Gate,
    workflow: &TemporalWorkflowGate,
) -> Result<(), NotPassed> {
    let TemporalWorkflowGate { workflow_type, task_queue, namespace, .. } = workflow;
    let place = place(checks, &workflow.server());
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
    let ended = server.hear(asked.end(client).boxed()).await?;
    // The worker did it, or should have: what it says tells more than what the server says.
    ended.map_err(|miss| worker::explain(worker::find(checks, &workflow.workload, None), miss))
}

/// The gate's workflow, started in this try or before.
struct Started<'a> {
    id: String,
    workflow: &'a TemporalWorkflowGate,
    lasts: Duration,
    until: Instant,
}

impl Started<'_> {
    /// How it ended, as far as the gate cares.
    ///
    /// # Errors
    /// The server does not do what it is asked.
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
            // It ran to its end for a worker that is gone: the newest run is the one.
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

/// JSON as every SDK takes it.
fn json_payload(value: &Value) -> Payload {
    Payload {
        metadata: HashMap::from([("encoding".to_owned(), b"json/plain".to_vec())]),
        data: value.to_string().into_bytes(),
        ..Default::default()
    }
}
