//! The cancel of an environment's workflow, recorded as the message that it is, in the task that brings it.
//!
//! In that task the handlers of signals run before the workflow's token is cancelled, the handlers of updates after it and
//! before the main routine. So the handler of an update records the cancel first.

use std::pin::pin;

use futures::FutureExt;
use temporalio_workflow::{WorkflowContext, workflows::select};

use super::{EnvironmentWorkflow, arrival::Arrival};

/// Lives a workflow's life, and records a cancel at once, whatever the life waits for.
pub async fn recording_cancel<W: EnvironmentWorkflow, T>(ctx: &WorkflowContext<W>, life: impl Future<Output = T>) -> T {
    let mut life = pin!(life.fuse());
    select! {
        _ = ctx.cancelled() => record_cancel(ctx),
        ended = life => return ended,
    }
    life.await
}

/// Records a cancel, if there is one.
pub fn record_cancel<W: EnvironmentWorkflow>(ctx: &WorkflowContext<W>) {
    if ctx.cancellation_token().is_cancelled() {
        let arrival = Arrival::cancel(ctx.history_length());
        ctx.state_mut(|s| s.record_cancel(arrival));
    }
}
