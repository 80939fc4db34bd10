//! Messages to Temporal, each within a bound. A sender without an answer sends the message again, which changes nothing more.

use std::time::Duration;

use anyhow::{Context, anyhow};
use berth_workflows::{
    contract::{
        environment::PullRequest,
        production::Production,
        production_answer::ProductionAnswer,
        signals::{Close, CloseAnswer, ConfirmClosed, DeployAnswer, Push},
    },
    preview_environment::PreviewEnvironment,
    production_environment::ProductionEnvironment,
};
use temporalio_client::{
    Client, UntypedSignal, WorkflowIdConflictPolicy, WorkflowSignalOptions, WorkflowStartOptions,
    WorkflowUpdateWithStartOptions,
    errors::{WorkflowInteractionError, WorkflowUpdateError, WorkflowUpdateWithStartError},
};
use temporalio_common::{
    HasWorkflowDefinition, UpdateDefinition,
    data_converters::{PayloadConverter, RawValue},
};

use super::outgoing::{Outgoing, Signal};
use crate::preview::summary;

/// How long Temporal may take for a signal. GitHub gives a webhook up after ten seconds.
const SIGNAL: Duration = Duration::from_secs(7);
/// How long the worker may take to answer an update. A restarted worker takes work again within 11 seconds.
const UPDATE: Duration = Duration::from_secs(20);
/// How long a deploy may take to be decided at once: skipped, or waiting for an approval.
const AT_ONCE: Duration = Duration::from_secs(1);

type PreviewRun = <PreviewEnvironment as HasWorkflowDefinition>::Run;
type ProductionRun = <ProductionEnvironment as HasWorkflowDefinition>::Run;

/// The end of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivered {
    Taken,
    /// No workflow runs that could take it, and it starts none.
    NoEnvironment,
}

/// The reason why an update has no answer.
#[derive(Debug)]
pub(super) enum Unsent {
    /// The workflow has refused it.
    Refused(String),
    /// Temporal or the worker does not answer.
    Later(anyhow::Error),
}

/// Signals an environment. `delivery` makes a signal that comes twice count once; it may be empty.
///
/// # Errors
/// Temporal does not answer.
pub(super) async fn signal(
    client: &Client,
    task_queue: &str,
    message: &Outgoing,
    delivery: &str,
) -> anyhow::Result<Delivered> {
    let id = message.input.workflow_id();
    let sent = tokio::time::timeout(SIGNAL, signal_unbounded(client, task_queue, message, delivery)).await;
    let sent = sent.unwrap_or_else(|_| Err(anyhow!("no answer within {SIGNAL:?}")));
    sent.with_context(|| format!("signalling {id}"))
}

async fn signal_unbounded(
    client: &Client,
    task_queue: &str,
    message: &Outgoing,
    delivery: &str,
) -> anyhow::Result<Delivered> {
    let Outgoing { input, signal } = message;
    let request = (!delivery.is_empty()).then(|| delivery.to_owned());
    let options = WorkflowSignalOptions::builder().maybe_request_id(request).build();
    let handle = client.get_workflow_handle::<PreviewEnvironment>(input.workflow_id());
    delivered(match signal.clone() {
        Signal::PullRequest { facts, starts: true } => {
            let options = WorkflowStartOptions::new(task_queue, input.workflow_id()).static_summary(summary(input));
            let (run, start, signal) =
                (PreviewEnvironment::run, input.clone().into(), PreviewEnvironment::pull_request);
            client.signal_with_start_workflow(run, start, signal, facts.into(), options.build()).await?;
            return Ok(Delivered::Taken);
        }
        Signal::PullRequest { facts, starts: false } => {
            handle.signal(PreviewEnvironment::pull_request, facts.into(), options).await
        }
        Signal::Command(command) => handle.signal(PreviewEnvironment::command, command.into(), options).await,
        Signal::Redeploy(redeploy) => handle.signal(PreviewEnvironment::redeploy, redeploy.into(), options).await,
    })
}

fn delivered(sent: Result<(), WorkflowInteractionError>) -> anyhow::Result<Delivered> {
    match sent {
        Ok(()) => Ok(Delivered::Taken),
        Err(WorkflowInteractionError::NotFound(_)) => Ok(Delivered::NoEnvironment),
        Err(error) => Err(error.into()),
    }
}

/// Asks the environment to find out whether its pull request is closed.
///
/// # Errors
/// Temporal does not answer.
pub(super) async fn confirm_closed(client: &Client, input: &PullRequest) -> anyhow::Result<Delivered> {
    let payload = RawValue::from_value(&serde_json::to_value(ConfirmClosed {})?, &PayloadConverter::default());
    let handle = client.get_workflow_handle::<PreviewEnvironment>(input.workflow_id());
    let signal = UntypedSignal::<PreviewRun>::new("confirm_closed");
    let sent = tokio::time::timeout(SIGNAL, handle.signal(signal, payload, WorkflowSignalOptions::default())).await;
    delivered(sent.map_err(|_| anyhow!("no answer within {SIGNAL:?}"))?)
}

/// Hands a push in, and starts the environment if it does not run. None: it goes on, and the status tells how.
///
/// # Errors
/// See [`Unsent`].
pub(super) async fn deploy(
    client: &Client,
    task_queue: &str,
    input: &PullRequest,
    push: Push,
) -> Result<Option<DeployAnswer>, Unsent> {
    let options =
        WorkflowUpdateWithStartOptions::new(task_queue, input.workflow_id(), WorkflowIdConflictPolicy::UseExisting);
    let options = options.static_summary(summary(input)).build();
    let (run, start) = (PreviewEnvironment::run, input.clone().into());
    let started = client.start_update_with_start_workflow(run, start, PreviewEnvironment::deploy, push.into(), options);
    let handle = within(UPDATE, started).await?;
    // Its answer comes with the end of the rollout, unless the push is decided at once.
    match tokio::time::timeout(AT_ONCE, handle.get_result(Default::default())).await {
        Err(_) => Ok(None),
        Ok(Ok(answer)) => Ok(Some(answer)),
        Ok(Err(WorkflowUpdateError::Failed(failure))) => Err(Unsent::Refused(failure.message)),
        // The push has been accepted all the same.
        Ok(Err(_)) => Ok(None),
    }
}

/// Closes an environment.
///
/// # Errors
/// See [`Unsent`].
pub(super) async fn close(
    client: &Client,
    task_queue: &str,
    input: &PullRequest,
    close: Close,
) -> Result<CloseAnswer, Unsent> {
    let options =
        WorkflowUpdateWithStartOptions::new(task_queue, input.workflow_id(), WorkflowIdConflictPolicy::UseExisting);
    let options = options.static_summary(summary(input)).build();
    let (run, start) = (PreviewEnvironment::run, input.clone().into());
    let update = PreviewEnvironment::request_close;
    within(UPDATE, client.execute_update_with_start_workflow(run, start, update, close.into(), options)).await
}

/// Sends an update to production, and starts its workflow if it does not run.
///
/// # Errors
/// See [`Unsent`].
pub(super) async fn to_production<U>(
    client: &Client,
    task_queue: &str,
    app: &str,
    (update, message): (U, U::Input),
) -> Result<ProductionAnswer, Unsent>
where
    U: UpdateDefinition<Workflow = ProductionRun, Output = ProductionAnswer>,
    U::Input: Send,
{
    let input = Production::new(app);
    let options =
        WorkflowUpdateWithStartOptions::new(task_queue, input.workflow_id(), WorkflowIdConflictPolicy::UseExisting);
    let options = options.static_summary(format!("production of {app}")).build();
    let run = ProductionEnvironment::run;
    within(UPDATE, client.execute_update_with_start_workflow(run, input.into(), update, message, options)).await
}

async fn within<T>(
    bound: Duration,
    sending: impl Future<Output = Result<T, WorkflowUpdateWithStartError>>,
) -> Result<T, Unsent> {
    match tokio::time::timeout(bound, sending).await {
        Ok(Ok(answer)) => Ok(answer),
        // The message is the workflow's own, for the sender.
        Ok(Err(WorkflowUpdateWithStartError::Update(WorkflowUpdateError::Failed(failure)))) => {
            Err(Unsent::Refused(failure.message))
        }
        Ok(Err(error)) => Err(Unsent::Later(error.into())),
        Err(_) => Err(Unsent::Later(anyhow!("no answer within {bound:?}"))),
    }
}
