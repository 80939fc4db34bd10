//! The time as a workflow sees it: the same on replay.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use temporalio_workflow::{
    SyncWorkflowContext, TimerOptions, TimerResult, WorkflowCancellationToken, WorkflowContext, workflows::select,
};

/// The workflow's time as milliseconds of Unix time. It is 0 only before the first task, when the SDK has none.
pub(crate) fn now_ms<W>(ctx: &WorkflowContext<W>) -> u64 {
    milliseconds(ctx.workflow_time())
}

/// The same in a signal's handler.
pub(crate) fn now_ms_in_handler<W>(ctx: &SyncWorkflowContext<W>) -> u64 {
    milliseconds(ctx.workflow_time())
}

/// Waits for a time that begins now, at most until the token is cancelled. Returns whether the time is over.
///
/// The timer has a token of its own. In SDK 1.1.1 a timer whose token is the workflow's, or a child of it, fails the task in
/// which it fires as the workflow is cancelled, and every attempt after it.
///
/// The future that cancels the token, other than by the cancel of the workflow, must be polled before this one: the SDK does
/// not poll again for it.
pub(crate) fn sleep<W>(
    ctx: &WorkflowContext<W>,
    time: Duration,
    until: &WorkflowCancellationToken,
    summary: String,
) -> impl Future<Output = bool> {
    let token = WorkflowCancellationToken::new();
    let timer = TimerOptions::builder(time).cancellation_token(token.clone()).summary(summary);
    let mut timer = ctx.timer(timer.build());
    async move {
        select! {
            result = timer => result == TimerResult::Fired,
            () = until.cancelled() => {
                token.cancel();
                false
            }
        }
    }
}

fn milliseconds(time: Option<SystemTime>) -> u64 {
    let since = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
