//! The time as a workflow sees it: the same on replay.

use std::time::{SystemTime, UNIX_EPOCH};

use temporalio_workflow::{SyncWorkflowContext, WorkflowContext};

/// The workflow's time as milliseconds of Unix time. It is 0 only before the first task, when the SDK has none.
pub(crate) fn now_ms<W>(ctx: &WorkflowContext<W>) -> u64 {
    milliseconds(ctx.workflow_time())
}

/// The same in a signal's handler.
pub(crate) fn now_ms_in_handler<W>(ctx: &SyncWorkflowContext<W>) -> u64 {
    milliseconds(ctx.workflow_time())
}

fn milliseconds(time: Option<SystemTime>) -> u64 {
    let since = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
