//! Rollouts of an environment, one at a time. Each is a child workflow.

use temporalio_common::WorkflowDefinition;
use temporalio_workflow::{
    ChildWorkflowExecutionError, StartedChildWorkflow, WorkflowCancellationToken, WorkflowContext, workflows::select,
};

use super::{
    EnvironmentWorkflow,
    answers::detached,
    book::RolloutEnd,
    children::{Child, is_id_taken},
    publish::publish,
    stuck::await_stopped,
};
use crate::{
    clock::now_ms,
    contract::{phase::Phase, rollout::RolledOut, rollout_input::RolloutInput, stop_reason::StopReason},
    failure::{self, Unfinished},
    rollout::Rollout,
};

/// Runs a rollout as a child, and stops it once there is a reason to. Its remarks become notes of the status.
///
/// `input` numbers the rollout in the book, and is called again if its id is taken. It gets the time as Unix
/// milliseconds. None: there is no environment to roll out to.
pub async fn run_rollout<W: EnvironmentWorkflow>(
    ctx: &WorkflowContext<W>,
    input: impl Fn(&mut W, u64) -> Option<RolloutInput>,
) -> RolloutEnd {
    let end = run_child(ctx, input).await;
    if let RolloutEnd::Live(rolled_out) = &end {
        ctx.state_mut(|s| {
            let commit = s.book().rolling_out.as_ref().map(|rolling_out| rolling_out.queued.release.commit.clone());
            let rollout =
                commit.map_or_else(|| "rollout".to_owned(), |commit| format!("rollout of {}", commit.short()));
            rolled_out.notes.iter().for_each(|note| s.note(format!("{rollout}: {note}")));
        });
    }
    end
}

async fn run_child<W: EnvironmentWorkflow>(
    ctx: &WorkflowContext<W>,
    input: impl Fn(&mut W, u64) -> Option<RolloutInput>,
) -> RolloutEnd {
    let token = WorkflowCancellationToken::new();
    let started = match start_rollout(ctx, input, &token).await {
        Ok(started) => started,
        Err(end) => return end,
    };
    publish(ctx);

    let mut result = started.result();
    let result = select! {
        result = result => result,
        // Also when the workflow is cancelled.
        _ = ctx.wait_condition(|s| s.stop_reason().is_some()) => {
            if stop_reason(ctx).is_none() {
                // A cancel that stops nothing: the wait goes on.
                let _ = select! {
                    result = result => return ended(result),
                    stop = ctx.wait_condition_with_options(|s| s.stop_reason().is_some(), detached()) => stop,
                };
            }
            let reason = stop_rollout(ctx, &token);
            let id = ctx.state(|s| s.book().rolling_out.as_ref().map(|now| now.rollout.clone()).unwrap_or_default());
            return match await_stopped(ctx, &id, result).await {
                // It was done before the cancel reached it: the release is live.
                Ok(rolled_out) => RolloutEnd::Live(Box::new(rolled_out)),
                Err(e) => RolloutEnd::Stopped(reason, Box::new(failure::from_rollout(&e).1)),
            };
        }
    };
    ended(result)
}

/// How a child ended that was not stopped from here.
fn ended(result: Result<RolledOut, ChildWorkflowExecutionError>) -> RolloutEnd {
    match result.map_err(|e| failure::from_rollout(&e)) {
        Ok(rolled_out) => RolloutEnd::Live(Box::new(rolled_out)),
        Err((Unfinished::Failed(verdict), made)) => RolloutEnd::Failed(verdict, Box::new(made)),
        // This environment did not ask for it.
        Err((Unfinished::Cancelled, _)) => RolloutEnd::unreported("the rollout was cancelled from outside"),
    }
}

async fn start_rollout<W: EnvironmentWorkflow>(
    ctx: &WorkflowContext<W>,
    input: impl Fn(&mut W, u64) -> Option<RolloutInput>,
    token: &WorkflowCancellationToken,
) -> Result<StartedChildWorkflow<impl WorkflowDefinition<Output = RolledOut>>, RolloutEnd> {
    loop {
        let now = now_ms(ctx);
        let Some(rollout) = ctx.state_mut(|s| input(s, now)) else {
            return Err(RolloutEnd::not_started("the environment has no names yet"));
        };
        let options = child(&rollout).options(&rollout.environment, token);
        match ctx.start_child_workflow(Rollout::run, rollout, options).await {
            Ok(started) => return Ok(started),
            Err(e) if is_id_taken(&e) => {}
            Err(e) => return Err(RolloutEnd::not_started(format!("the rollout could not be started: {e}"))),
        }
    }
}

fn child(rollout: &RolloutInput) -> Child<'_> {
    let commit = &rollout.release.commit;
    Child {
        workflow_id: rollout.workflow_id(),
        summary: format!("{} {}", rollout.environment.workflow_id, commit.short()),
        commit: commit.as_str(),
        author: rollout.release.author.as_ref(),
        phase: Phase::RollingOut.name(),
    }
}

fn stop_rollout<W: EnvironmentWorkflow>(ctx: &WorkflowContext<W>, token: &WorkflowCancellationToken) -> StopReason {
    let reason = stop_reason(ctx).unwrap_or(StopReason::EnvironmentCloses);
    ctx.state_mut(|s| s.book_mut().stop());
    token.cancel_with_reason(reason.to_string());
    reason
}

/// The reason to stop the rollout in flight, if there is one.
pub fn stop_reason<W: EnvironmentWorkflow>(ctx: &WorkflowContext<W>) -> Option<StopReason> {
    ctx.state(W::stop_reason)
}
