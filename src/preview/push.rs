//! `berth preview push`: sends a commit, and waits for its outcome.

use std::process::ExitCode;

use anyhow::{Context, anyhow};
use berth_workflows::{contract::signals::DeployAnswer, preview_environment::PreviewEnvironment};
use temporalio_client::{
    Client, WorkflowIdConflictPolicy, WorkflowStartOptions, WorkflowUpdateWithStartOptions,
    errors::{WorkflowUpdateError, WorkflowUpdateWithStartError},
};

use super::{Preview, args::PushArgs, summary};
use crate::{exit, progress, temporal};

impl Preview {
    /// Starts the environment if it does not run, pushes, and waits for the answer, in one request.
    pub(super) async fn push(&self, client: &Client, push: &PushArgs) -> anyhow::Result<ExitCode> {
        let input = push.pull_request.input();
        let id = input.workflow_id();
        let options = WorkflowUpdateWithStartOptions::new(
            self.task_queue.clone(),
            id.clone(),
            WorkflowIdConflictPolicy::UseExisting,
        )
        .static_summary(summary(&input));
        let answer = client.execute_update_with_start_workflow(
            PreviewEnvironment::run,
            input.into(),
            PreviewEnvironment::deploy,
            push.payload().into(),
            options.build(),
        );
        let handle = client.get_workflow_handle::<PreviewEnvironment>(&id);
        temporal::warn_if_no_worker_polls(client, &self.task_queue).await;
        let answer = tokio::time::timeout(push.patience.timeout, progress::while_waiting(&handle, answer)).await;
        let Ok(answer) = answer else { return Ok(exit::timed_out(push.patience.timeout)) };
        let answer: DeployAnswer = answer.map_err(|e| refused(&id, e))?;
        self.output.answer(&answer)?;
        Ok(exit::from_outcome(answer.outcome))
    }

    pub(super) async fn signal_push(&self, client: &Client, push: &PushArgs) -> anyhow::Result<ExitCode> {
        let input = push.pull_request.input();
        let id = input.workflow_id();
        let options = WorkflowStartOptions::new(self.task_queue.clone(), id.clone()).static_summary(summary(&input));
        client
            .signal_with_start_workflow(
                PreviewEnvironment::run,
                input.into(),
                PreviewEnvironment::push,
                push.payload().into(),
                options.build(),
            )
            .await
            .with_context(|| format!("signalling push to {id}"))?;
        self.output.note(&format!("{id} has the push of {}", push.commit))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Turns a refused update into its failure's message, which the error's own text hides.
fn refused(id: &str, error: WorkflowUpdateWithStartError) -> anyhow::Error {
    match error {
        WorkflowUpdateWithStartError::Update(WorkflowUpdateError::Failed(failure)) => {
            anyhow!("{id} refused the push: {}", failure.message)
        }
        other => anyhow::Error::from(other).context(format!("pushing to {id}")),
    }
}
