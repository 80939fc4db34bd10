//! Rollouts of an environment, one at a time. Each is a child workflow.

use temporalio_common::WorkflowDefinition;
use temporalio_workflow::{StartedChildWorkflow, WorkflowCancellationToken, WorkflowContext, workflows::select};

use super::{
    EnvironmentWorkflow,
    book::RolloutEnd,
    children::{Child, is_id_taken},
    publish::publish,
    queue::QueuedRelease,
};
use crate::{
    activity_options as options,
    clock::now_ms,
    contract::{
        activity_definitions as activities, environment::Environment, phase::Phase, preparation::LoadAppInput,
        rollout::RolledOut, rollout_input::RolloutInput, stop_reason::StopReason, timings::Timings,
        verdict::FailureType,
    },
    failure::{self, Unfinished},
    rollout::Rollout,
};

/// Rolls a release out, from the queue to the answer. `names` asks how the environment is named.
pub async fn roll_out<W: EnvironmentWorkflow>(
    ctx: &WorkflowContext<W>,
    names: LoadAppInput,
    timings: &Timings,
    queued: QueuedRelease,
) {
    let started_ms = now_ms(ctx);
    ctx.state_mut(|s| s.book_mut().expect(&names.workflow_id, &queued, started_ms));
    let end = match identify(ctx, names).await {
        Ok(_) if stop_reason(ctx) == Some(StopReason::EnvironmentCloses) => {
            RolloutEnd::Stopped(StopReason::EnvironmentCloses)
        }
        Ok(environment) => run_rollout(ctx, &environment, timings, &queued).await,
        Err(Unfinished::Cancelled) => RolloutEnd::Stopped(StopReason::EnvironmentCloses),
        Err(Unfinished::Failed(verdict)) => RolloutEnd::Failed(verdict, Box::default()),
    };
    let ended_ms = now_ms(ctx);
    ctx.state_mut(|s| {
        let ticket = queued.ticket;
        let answer = s.book_mut().conclude(queued, end, started_ms, ended_ms);
        // A redeploy of the same release has taken the ticket over.
        if s.queue().next_ticket() != Some(ticket) {
            s.queue_mut().answer(ticket, answer);
        }
    });
}

/// The names of the environment. They are recorded before anything of it is made, and used until all of it is gone.
async fn identify<W: EnvironmentWorkflow>(
    ctx: &WorkflowContext<W>,
    names: LoadAppInput,
) -> Result<Environment, Unfinished> {
    if let Some(environment) = ctx.state(|s| s.book().environment.clone()) {
        return Ok(environment);
    }
    // Detached: the activity answers at once, and a close or a cancel is looked for after it.
    let options = options::load_app(&WorkflowCancellationToken::new(), format!("what {} is called", names.workflow_id));
    let loaded = ctx
        .execute_activity(activities::LoadApp, names, options)
        .await
        .map_err(|e| failure::from_activity(&e, FailureType::UnknownApp))?;
    ctx.state_mut(|s| s.book_mut().environment = Some(loaded.environment.clone()));
    Ok(loaded.environment)
}

/// Runs the child, and stops it once there is a reason to.
async fn run_rollout<W: EnvironmentWorkflow>(
    ctx: &WorkflowContext<W>,
    environment: &Environment,
    timings: &Timings,
    queued: &QueuedRelease,
) -> RolloutEnd {
    let token = WorkflowCancellationToken::new();
    let started = match start_rollout(ctx, environment, timings, queued, &token).await {
        Ok(started) => started,
        Err(end) => return end,
    };
    publish(ctx);

    let mut result = started.result();
    let result = select! {
        result = result => result,
        // Also when the workflow is cancelled.
        _ = ctx.wait_condition(|s| s.stop_reason().is_some()) => {
            let reason = stop_rollout(ctx, &token);
            return match result.await {
                // It was done before the cancel reached it: the release is live.
                Ok(rolled_out) => RolloutEnd::Live(Box::new(rolled_out)),
                Err(_) => RolloutEnd::Stopped(reason),
            };
        }
    };
    match result.map_err(|e| failure::from_rollout(&e)) {
        Ok(rolled_out) => RolloutEnd::Live(Box::new(rolled_out)),
        Err((Unfinished::Failed(verdict), made)) => RolloutEnd::Failed(verdict, Box::new(made)),
        // This environment did not ask for it.
        Err((Unfinished::Cancelled, _)) => RolloutEnd::unreported("the rollout was cancelled from outside"),
    }
}

async fn start_rollout<W: EnvironmentWorkflow>(
    ctx: &WorkflowContext<W>,
    environment: &Environment,
    timings: &Timings,
    queued: &QueuedRelease,
    token: &WorkflowCancellationToken,
) -> Result<StartedChildWorkflow<impl WorkflowDefinition<Output = RolledOut>>, RolloutEnd> {
    loop {
        let now = now_ms(ctx);
        let rollout = ctx.state_mut(|s| s.book_mut().begin(environment, queued, timings, now));
        let options = child(&rollout).options(environment, token);
        match ctx.start_child_workflow(Rollout::run, rollout, options).await {
            Ok(started) => return Ok(started),
            Err(e) if is_id_taken(&e) => {}
            Err(e) => return Err(RolloutEnd::unreported(format!("the rollout could not be started: {e}"))),
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

/// The reason to stop, with a cancel of the workflow recorded first.
fn stop_reason<W: EnvironmentWorkflow>(ctx: &WorkflowContext<W>) -> Option<StopReason> {
    let is_cancelled = ctx.cancellation_token().is_cancelled();
    ctx.state_mut(|s| {
        if is_cancelled {
            s.record_cancel();
        }
        s.stop_reason()
    })
}
