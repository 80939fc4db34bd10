//! The rollout of a push, from the queue to the answer.

use temporalio_workflow::{WorkflowCancellationToken, WorkflowContext};

use super::PreviewEnvironment;
use crate::{
    activity_options as options,
    clock::now_ms,
    contract::{
        activity_definitions as activities, environment::Environment, load_app::LoadAppInput, signals::DeployAnswer,
        stop_reason::StopReason, timings::StartTimings, verdict::FailureType,
    },
    environment::{
        answers::{HandlerError, detached},
        book::RolloutEnd,
        queue::QueuedRelease,
        rollouts::run_rollout,
    },
    failure::{self, Unfinished},
    preview_environment::life::Message,
};

impl PreviewEnvironment {
    /// Rolls a release out, and answers its senders. `names` asks how the environment is named.
    pub(super) async fn roll_out(
        ctx: &WorkflowContext<Self>,
        names: LoadAppInput,
        timings: &StartTimings,
        queued: QueuedRelease,
    ) {
        let started_ms = now_ms(ctx);
        ctx.state_mut(|s| s.record.book.expect(&names.workflow_id, &queued, started_ms));
        let end = match Self::identify(ctx, names).await {
            Ok(environment) => match ctx.state(|s| s.record.ended_before_it_began()) {
                Some(end) => end,
                None => {
                    let begin = |s: &mut Self, now| Some(s.record.book.begin(&environment, &queued, timings, now));
                    run_rollout(ctx, begin).await
                }
            },
            Err(Unfinished::Cancelled) => RolloutEnd::stopped(StopReason::EnvironmentCloses),
            Err(Unfinished::Failed(verdict)) => RolloutEnd::Failed(verdict, Box::default()),
        };
        Self::take(ctx, Message::RolloutEnded { queued, end, started_ms });
    }

    /// The names of the environment. They are recorded before anything of it is made, and used until all of it is gone.
    async fn identify(ctx: &WorkflowContext<Self>, names: LoadAppInput) -> Result<Environment, Unfinished> {
        if let Some(environment) = ctx.state(|s| s.record.book.environment.clone()) {
            return Ok(environment);
        }
        // Detached: the activity answers at once, and a close or a cancel is looked for after it.
        let options =
            options::load_app(&WorkflowCancellationToken::new(), format!("what {} is called", names.workflow_id));
        let loaded = ctx
            .execute_activity(activities::LoadApp, names, options)
            .await
            .map_err(|e| failure::from_activity(&e, FailureType::UnknownApp))?;
        Self::take(ctx, Message::Named(loaded.environment.clone(), loaded.github));
        Ok(loaded.environment)
    }

    /// Waits for the answer under a ticket, also while the workflow is being cancelled.
    pub(super) async fn answer_to(ctx: &WorkflowContext<Self>, ticket: u64) -> Result<DeployAnswer, HandlerError> {
        let is_answered = |s: &Self| s.record.mailbox.queue.answer_to(ticket).is_some();
        ctx.wait_condition_with_options(is_answered, detached()).await?;
        ctx.state_mut(|s| s.record.mailbox.queue.take_answer(ticket)).ok_or_else(|| "the answer is gone".into())
    }
}
