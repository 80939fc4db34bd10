//! The gate `temporal_server`: the server says that it serves, and then does: it accepts a workflow, hands out its task, and
//! ends it. A server that has lost its database says that it serves, is Ready, and lists pollers.

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
use super::{TRY, TemporalServer, call, place};
use crate::gates::checks::{Checks, NotPassed};
use berth_manifests::app::{Gate, TemporalServerGate};

const FRONTEND: &str = "temporal.api.workflowservice.v1.WorkflowService";
const PROBE: &str = "berth-probe";

/// A probe that nobody ends is none that the next try meets.
const PROBE_LASTS: Duration = Duration::from_secs(15);
/// A task that was handed to a caller who is gone is handed out again after this.
const TASK_LASTS: Duration = Duration::from_secs(2);

/// Probes until the server works or the gate's deadline has passed.
pub(in super::super) async fn check(
    checks: &Checks<'_>,
    gate: &Gate,
    server: &TemporalServerGate,
) -> Result<(), NotPassed> {
    let what = format!("a probe workflow in namespace {} of {}", server.namespace, place(checks, server));
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
        .hear(
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
    let answer = call::answered("tell its health", namespace, until, health.check(check).boxed()).await?;
    match answer.status() {
        ServingStatus::Serving => Ok(()),
        other => Err(Miss::new(format!("the server's health is {}", other.as_str_name()))
            .advise("The server runs but does not serve yet: its log says what it waits for.")),
    }
}

/// One workflow that does nothing. Its id and its task queue are the environment's own: a second worker that checks the same
/// gate meets it, and either may end it for both.
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
            Some(_) => Err(Miss::new("the probe workflow did not complete: somebody or the server ended it")),
            None => Err(Miss::new("the server did not end the probe workflow, whose task was done")
                .advise("The server answers but does not work: see its log, and whether it reaches its database.")),
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

    /// Does the run's only task, as a worker would.
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
            let done = call::answered("take the probe workflow's end", namespace, *until, done.boxed()).await;
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
