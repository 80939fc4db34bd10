//! Answers to the updates that wait for a rollout.

use temporalio_workflow::{WaitConditionOptions, WorkflowCancellationToken, WorkflowContext};

use super::EnvironmentWorkflow;
use crate::contract::signals::DeployAnswer;

/// The error of an update's handler, for its caller.
pub type HandlerError = Box<dyn std::error::Error + Send + Sync>;

/// Waits for the answer under a ticket, also while the workflow is being cancelled.
pub async fn answer_to<W: EnvironmentWorkflow>(
    ctx: &WorkflowContext<W>,
    ticket: u64,
) -> Result<DeployAnswer, HandlerError> {
    ctx.wait_condition_with_options(|s| s.queue().answer_to(ticket).is_some(), detached()).await?;
    ctx.state(|s| s.queue().answer_to(ticket).cloned()).ok_or_else(|| "the answer is gone".into())
}

/// Waits until every update has taken its answer. An open one would be an error to its caller.
pub async fn await_handlers<W>(ctx: &WorkflowContext<W>) {
    // A detached wait is not cancelled, so there is no error to look at.
    let _ = ctx.wait_condition_with_options(|_| ctx.all_handlers_finished(), detached()).await;
}

/// Options of a wait that goes on while the workflow is being cancelled.
pub fn detached() -> WaitConditionOptions {
    WaitConditionOptions::builder().cancellation_token(WorkflowCancellationToken::new()).build()
}
