//! The gate `temporal_server`: the server reports that it serves, and does. It accepts a workflow, hands out its task,
//! and ends it.
//!
//! A server that has lost its database still reports that it serves, is Ready, and lists pollers.

use std::time::Duration;

use futures::FutureExt;
use temporalio_common::protos::{
    grpc::health::v1::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient},
    temporal::api::{
        command::v1::{Command, CompleteWorkflowExecutionCommandAttributes, command::Attributes as CommandAttributes},
        common::v1::{WorkflowExecution, WorkflowType},
        enums::v1::{CommandType, WorkflowIdConflictPolicy, WorkflowIdReusePolicy},
        history::v1::history_event::Attributes,
        taskqueue::v1::TaskQueue,
        workflowservice::v1::{
            PollWorkflowTaskQueueRequest, RespondWorkflowTaskCompletedRequest, StartWorkflowExecutionRequest,
            workflow_service_client::WorkflowServiceClient,
        },
    },
};
use tokio::time::Instant;
use tonic::transport::Channel;

use super::super::attempt::{self, Asked, Miss};
use super::{TRY, TemporalServer, call, describe_address};
use crate::gates::checks::{Checks, NotPassed};
use berth_manifests::app::{Gate, TemporalServerGate};

const FRONTEND: &str = "temporal.api.workflowservice.v1.WorkflowService";
const PROBE: &str = "berth-probe";

/// The timeout of a probe. An abandoned probe must end before the next attempt finds it.
const PROBE_LASTS: Duration = Duration::from_secs(15);
/// The timeout of a task. A task that was handed to a caller that died is handed out again.
const TASK_LASTS: Duration = Duration::from_secs(2);

/// Repeats the probe until the server works or the deadline is over.
pub(in super::super) async fn check(
    checks: &Checks<'_>,
    gate: &Gate,
    server: &TemporalServerGate,
) -> Result<(), NotPassed> {
    let what = format!("a probe workflow in namespace {} of {}", server.namespace, describe_address(checks, server));
    let asked = Asked { gate, what, workload: &server.workload };
    attempt::until_passed(checks, &asked, |deadline| try_once(checks, server, deadline)).await
}

async fn try_once(checks: &Checks<'_>, gate: &TemporalServerGate, deadline: Instant) -> Result<(), Miss> {
    let until = deadline.min(Instant::now() + TRY);
    let mut server = TemporalServer::reach(checks, gate, until).await?;
    let health = HealthClient::new(server.channel.clone());
    let client = server.client();
    let probe = Probe { id: format!("{PROBE}-{}", checks.check.environment.workflow_id), gate, until };
    server
        .await_call(
            async {
                serves(health, &gate.namespace, until).await?;
                probe.run(client).await
            }
            .boxed(),
        )
        .await
}

async fn serves(mut health: HealthClient<Channel>, namespace: &str, until: Instant) -> Result<(), Miss> {
    let check = call::request(HealthCheckRequest { service: FRONTEND.to_owned() }, until);
    let answer = call::answered("report its health", namespace, until, health.check(check).boxed()).await?;
    match answer.status() {
        ServingStatus::Serving => Ok(()),
        other => Err(Miss::new(format!("the server's health is {}", other.as_str_name()))
            .advise("The server runs but does not serve yet. Its log says what it waits for.")),
    }
}

/// A workflow that does nothing. Its id and task queue are the environment's: concurrent workers share the probe, and
/// any of them may complete it.
struct Probe<'a> {
    id: String,
    gate: &'a TemporalServerGate,
    until: Instant,
}

impl Probe<'_> {
    async fn run(&self, mut client: WorkflowServiceClient<Channel>) -> Result<(), Miss> {
        let Self { id, gate: TemporalServerGate { namespace, .. }, until } = self;
        let start = call::request(self.start(), *until);
        let started = call::answered(
            "accept the probe workflow",
            namespace,
            *until,
            client.start_workflow_execution(start).boxed(),
        );
        let run = WorkflowExecution { workflow_id: id.clone(), run_id: started.await?.run_id };
        let mut waiting = client.clone();
        let ended = call::end_of_run(&mut waiting, namespace, &run, *until);
        tokio::pin!(ended);
        let ended = tokio::select! {
            biased;
            worked = self.work(client, &run) => {
                worked?;
                ended.await?
            }
            ended = &mut ended => ended?,
        };
        match ended {
            Some(Attributes::WorkflowExecutionCompletedEventAttributes(_)) => Ok(()),
            Some(_) => Err(Miss::new("the probe workflow did not complete: a person or the server ended it")),
            None => Err(Miss::new("the server did not complete the probe workflow after its task was done").advise(
                "The server answers but does not work. Look at its log, and check that it reaches its database.",
            )),
        }
    }

    fn start(&self) -> StartWorkflowExecutionRequest {
        StartWorkflowExecutionRequest {
            namespace: self.gate.namespace.clone(),
            workflow_id: self.id.clone(),
            workflow_type: Some(WorkflowType { name: PROBE.to_owned() }),
            task_queue: Some(self.task_queue()),
            workflow_execution_timeout: PROBE_LASTS.try_into().ok(),
            workflow_task_timeout: TASK_LASTS.try_into().ok(),
            identity: call::IDENTITY.to_owned(),
            workflow_id_reuse_policy: WorkflowIdReusePolicy::AllowDuplicate.into(),
            workflow_id_conflict_policy: WorkflowIdConflictPolicy::UseExisting.into(),
            ..Default::default()
        }
    }

    fn task_queue(&self) -> TaskQueue {
        TaskQueue { name: self.id.clone(), ..Default::default() }
    }

    /// Completes the run's only task, as a worker would.
    async fn work(&self, mut client: WorkflowServiceClient<Channel>, run: &WorkflowExecution) -> Result<(), Miss> {
        let Self { gate: TemporalServerGate { namespace, .. }, until, .. } = self;
        while Instant::now() < *until {
            let poll = PollWorkflowTaskQueueRequest {
                namespace: namespace.clone(),
                task_queue: Some(self.task_queue()),
                identity: call::IDENTITY.to_owned(),
                ..Default::default()
            };
            let poll = client.poll_workflow_task_queue(call::long_request(poll, *until)).boxed();
            let task = call::answered("hand out the probe workflow's task", namespace, *until, poll).await?;
            if task.task_token.is_empty() {
                continue;
            }
            let is_ours = task.workflow_execution.as_ref().is_some_and(|of| of.run_id == run.run_id);
            let done = client.respond_workflow_task_completed(call::request(self.complete(task.task_token), *until));
            let done = call::answered("accept the probe workflow's completion", namespace, *until, done.boxed()).await;
            if is_ours {
                return done.map(drop);
            }
        }
        Err(Miss::new("the server accepted the probe workflow and did not hand out its task"))
    }

    fn complete(&self, task_token: Vec<u8>) -> RespondWorkflowTaskCompletedRequest {
        let complete = CompleteWorkflowExecutionCommandAttributes::default();
        RespondWorkflowTaskCompletedRequest {
            task_token,
            commands: vec![Command {
                command_type: CommandType::CompleteWorkflowExecution.into(),
                attributes: Some(CommandAttributes::CompleteWorkflowExecutionCommandAttributes(complete)),
                ..Default::default()
            }],
            identity: call::IDENTITY.to_owned(),
            namespace: self.gate.namespace.clone(),
            ..Default::default()
        }
    }
}
