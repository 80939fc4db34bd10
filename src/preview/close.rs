//! `berth preview close`: closes an environment, and waits until nothing of it is left.

use std::time::Duration;

use anyhow::Context;
use berth_workflows::{
    contract::{
        signals::{Close, CloseAnswer, CloseOutcome},
        teardown::Removal,
    },
    preview_environment::PreviewEnvironment,
};
use temporalio_client::{Client, WorkflowGetResultOptions, WorkflowHandle, errors::WorkflowGetResultError};

use super::{Preview, args::CloseArgs, late, output, refused, sent, wait, while_waiting};
use crate::{envelope::Envelope, exit::Exit, temporal};

/// The pause between two looks at an environment that is being removed.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);

impl Preview {
    /// Closes the environment, even if no workflow runs: a terminated one may have left objects, and the new one finds them.
    pub(super) async fn close(&self, client: &Client, close: &CloseArgs) -> anyhow::Result<Envelope> {
        let id = close.pull_request.input().workflow_id();
        let handle = client.get_workflow_handle::<PreviewEnvironment>(&id);
        temporal::warn_if_no_worker_polls(client, &self.client.task_queue).await;
        let timeout = close.patience.timeout;
        let closing = while_waiting(&handle, self.close_and_await_end(client, close));
        match tokio::time::timeout(timeout, closing).await {
            Ok(closed) => closed,
            Err(_) => late(&handle, &id, timeout).await,
        }
    }

    async fn close_and_await_end(&self, client: &Client, close: &CloseArgs) -> anyhow::Result<Envelope> {
        let input = close.pull_request.input();
        let id = input.workflow_id();
        // An update, since its answer says whether the close is obeyed. Among updates it has an order with `deploy`.
        let answer = temporal::until_taken(|| {
            let (run, start, options) = (PreviewEnvironment::run, input.clone().into(), self.update_with_start(&input));
            let update = Close { sequence: close.sequence, proof: None }.into();
            let request = PreviewEnvironment::request_close;
            client.execute_update_with_start_workflow(run, start, request, update, options)
        });
        let answer: CloseAnswer = answer.await.map_err(|e| refused(&id, "close", e))?;
        if answer.outcome == CloseOutcome::Skipped {
            let ignored = format!("{id} ignores the close: {}", answer.reason.as_deref().unwrap_or_default());
            return Envelope::sentence("skipped", Exit::Skipped, ignored).with_data(&answer);
        }
        let handle = client.get_workflow_handle::<PreviewEnvironment>(&id);
        let options = WorkflowGetResultOptions::builder().rpc_options(temporal::until_the_timeout()).build();
        let ended = tokio::select! {
            ended = handle.get_result(options) => ended,
            removed = until_removed(&handle, answer.removal) => return output::from_removal(&id, &removed),
        };
        match ended {
            Ok(report) => output::from_report(&report),
            // A cancelled environment ends only after its teardown: it is gone.
            Err(WorkflowGetResultError::Cancelled { .. }) => {
                Ok(Envelope::sentence("gone", Exit::Done, format!("{id} is gone: its workflow was cancelled")))
            }
            Err(e) => Err(e).with_context(|| format!("waiting for {id} to be gone")),
        }
    }

    /// Signals the close, and does not wait.
    pub(super) async fn signal_close(&self, client: &Client, close: &CloseArgs) -> anyhow::Result<Envelope> {
        let message = Close { sequence: close.sequence, proof: None };
        let signal = ("close", PreviewEnvironment::close, message.into());
        let id = self.signal_with_start(client, close.pull_request.input(), signal).await?;
        Ok(sent(format!("{id} has the close")))
    }
}

/// Waits for a removal whose workflow goes on: the pull request was opened again meanwhile. A worker of a version that numbers no
/// removals is not asked.
async fn until_removed(handle: &WorkflowHandle<Client, PreviewEnvironment>, number: Option<u64>) -> Removal {
    let Some(number) = number else { return std::future::pending().await };
    loop {
        tokio::time::sleep(LOOK_INTERVAL).await;
        // An environment that does not answer yet is asked again.
        let removed = wait::status(handle).await.ok().and_then(|status| status.removed.clone());
        if let Some(removed) = removed.filter(|removed| removed.number >= number) {
            return removed;
        }
    }
}
