//! Answers to updates.

use temporalio_workflow::{WaitConditionOptions, WorkflowCancellationToken, WorkflowContext};

/// The error of an update's handler, for its caller.
pub type HandlerError = Box<dyn std::error::Error + Send + Sync>;

/// Waits until every update has taken its answer. An open one would be an error to its caller.
pub async fn await_handlers<W>(ctx: &WorkflowContext<W>) {
    // A detached wait is not cancelled, so there is no error to look at.
    let _ = ctx.wait_condition_with_options(|_| ctx.all_handlers_finished(), detached()).await;
}

/// Options of a wait that goes on while the workflow is being cancelled.
pub fn detached() -> WaitConditionOptions {
    WaitConditionOptions::builder().cancellation_token(WorkflowCancellationToken::new()).build()
}
