//! Signals to Temporal, each within a bound. A sender without an answer sends the message again, which changes nothing more.

use std::time::Duration;

use anyhow::{Context, anyhow};
use berth_workflows::{
    contract::{environment::PullRequest, signals::ConfirmClosed},
    preview_environment::PreviewEnvironment,
};
use temporalio_client::{Client, WorkflowSignalOptions, WorkflowStartOptions, errors::WorkflowInteractionError};

use super::outgoing::{Outgoing, Signal};
use crate::preview::summary;

/// How long Temporal may take for a signal. GitHub gives a webhook up after ten seconds.
const SIGNAL: Duration = Duration::from_secs(7);

/// The end of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivered {
    Taken,
    /// No workflow runs that could take it, and it starts none.
    NoEnvironment,
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
    let handle = client.get_workflow_handle::<PreviewEnvironment>(input.workflow_id());
    let (signal, claim) = (PreviewEnvironment::confirm_closed, ConfirmClosed {}.into());
    let sent = tokio::time::timeout(SIGNAL, handle.signal(signal, claim, WorkflowSignalOptions::default())).await;
    delivered(sent.map_err(|_| anyhow!("no answer within {SIGNAL:?}"))?)
}
