//! `berth preview close`: closes an environment, and waits until nothing of it is left.

use anyhow::Context;
use berth_workflows::{contract::signals::Close, preview_environment::PreviewEnvironment};
use temporalio_client::{
    Client, WorkflowGetResultOptions, WorkflowHandle, WorkflowStartOptions, errors::WorkflowGetResultError,
};

use super::{Preview, args::CloseArgs, late, output, sent, summary, wait, while_waiting};
use crate::{envelope::Envelope, exit::Exit, temporal};

impl Preview {
    /// Closes the environment, even if no workflow runs: a terminated one may have left objects, and the new one finds them.
    pub(super) async fn close(&self, client: &Client, close: &CloseArgs) -> anyhow::Result<Envelope> {
        let input = close.pull_request.input();
        let id = input.workflow_id();
        let options =
            WorkflowStartOptions::new(self.client.task_queue.clone(), id.clone()).static_summary(summary(&input));
        let handle = client
            .signal_with_start_workflow(
                PreviewEnvironment::run,
                input.into(),
                PreviewEnvironment::close,
                Close { sequence: close.sequence }.into(),
                options.build(),
            )
            .await
            .with_context(|| format!("signalling close to {id}"))?;
        if close.no_wait {
            return Ok(sent(format!("{id} has the close")));
        }
        let handle: WorkflowHandle<_, PreviewEnvironment> =
            client.get_workflow_handle(handle.info().workflow_id.clone());
        temporal::warn_if_no_worker_polls(client, &self.client.task_queue).await;
        if close.sequence.is_some()
            && let Some(status) = wait::observe(&handle, &id).await?
            && !status.is_closing()
        {
            let ignored = format!("{id} ignores the close: it is older than a push already seen");
            return Ok(Envelope::sentence("skipped", Exit::Skipped, ignored));
        }
        let timeout = close.patience.timeout;
        let gone = while_waiting(&handle, handle.get_result(WorkflowGetResultOptions::default()));
        match tokio::time::timeout(timeout, gone).await {
            Err(_) => late(&handle, &id, timeout).await,
            Ok(Ok(report)) => output::from_report(&report),
            // A cancelled environment ends only after its teardown: it is gone.
            Ok(Err(WorkflowGetResultError::Cancelled { .. })) => {
                Ok(Envelope::sentence("gone", Exit::Done, format!("{id} is gone: its workflow was cancelled")))
            }
            Ok(Err(e)) => Err(e).with_context(|| format!("waiting for {id} to be gone")),
        }
    }
}
