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

/// Sends several messages at once, each to its end: an error of one takes none of the others back.
///
/// # Errors
/// At least one was not sent. The log has each error.
pub(super) async fn all<F>(sending: impl IntoIterator<Item = F>) -> anyhow::Result<Vec<Delivered>>
where
    F: Future<Output = anyhow::Result<Delivered>>,
{
    let sent = futures::future::join_all(sending).await;
    for error in sent.iter().filter_map(|sent| sent.as_ref().err()) {
        tracing::warn!(error = format!("{error:#}"), "Could not pass a webhook on");
    }
    sent.into_iter().collect()
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn failed_signal_leaves_the_others_on_their_way() {
        let arrived = Cell::new(0);
        let send = async |fails: bool| {
            if fails {
                return Err(anyhow!("no answer"));
            }
            tokio::task::yield_now().await;
            arrived.set(arrived.get() + 1);
            Ok(Delivered::Taken)
        };
        assert!(all([send(false), send(true), send(false)]).await.is_err(), "GitHub is asked to send it again");
        assert_eq!(arrived.get(), 2);
        assert_eq!(all([send(false), send(false)]).await.unwrap(), [Delivered::Taken; 2]);
    }
}
