//! While the pull request is open: one rollout at a time, the newest push always next.

use temporalio_common::{error::StartChildWorkflowExecutionFailedCause, search_attributes::SearchAttributes};
use temporalio_workflow::{
    ChildWorkflowOptions, ChildWorkflowStartError, ContinueAsNewOptions, ParentClosePolicy, WaitConditionOptions,
    WorkflowCancellationToken, WorkflowContext, WorkflowTermination, workflows::select,
};

use super::{HandlerError, PreviewEnvironment};
use crate::{
    activity_options as options,
    contract::{
        activity_definitions as activities,
        environment::{Environment, EnvironmentKind, PullRequest},
        phase::Phase,
        preparation::LoadAppInput,
        rollout_input::RolloutInput,
        search_attributes,
        signals::{DeployAnswer, DeployOutcome},
        stop_reason::StopReason,
        verdict::FailureType,
    },
    environment::{book::RolloutEnd, queue::QueuedRelease},
    failure::{self, Unfinished},
    rollout::Rollout,
};

impl PreviewEnvironment {
    /// Rolls out push after push until a close or a cancel. The error is a continue-as-new.
    pub(super) async fn follow_pull_request(
        ctx: &mut WorkflowContext<Self>,
        pull_request: &PullRequest,
    ) -> Result<(), WorkflowTermination> {
        // A teardown may have continued as new: then it goes on.
        while !ctx.state(|s| s.record.tearing_down) && Self::await_mail(ctx, pull_request).await? {
            if let Some(push) = ctx.state_mut(|s| s.record.mailbox.take_push()) {
                Self::roll_out(ctx, pull_request, push).await;
                Self::publish_now(ctx);
            }
        }
        Ok(())
    }

    /// Waits for a push, and says whether there is one: a close or a cancel comes before it. Continues as new while there is
    /// nothing else to do: a running rollout would be closed with its parent.
    async fn await_mail(ctx: &WorkflowContext<Self>, pull_request: &PullRequest) -> Result<bool, WorkflowTermination> {
        // An error is a cancel, which is looked for next.
        let _ = ctx.wait_condition(|s| s.record.mailbox.has_work() || Self::is_long(ctx, pull_request)).await;
        if Self::is_close_requested(ctx) {
            return Ok(false);
        }
        if !ctx.state(|s| s.record.mailbox.has_work()) {
            Self::continue_as_new(ctx, pull_request)?;
        }
        Ok(true)
    }

    fn is_close_requested(ctx: &WorkflowContext<Self>) -> bool {
        ctx.state_mut(|s| {
            s.record_cancel_as_close(ctx.cancellation_token().is_cancelled());
            s.record.mailbox.is_close_requested()
        })
    }

    /// Whether the history is so long that the workflow is to continue with a fresh one, and nobody would lose an answer by it.
    pub(super) fn is_long(ctx: &WorkflowContext<Self>, pull_request: &PullRequest) -> bool {
        let is_long = ctx.continue_as_new_suggested() || ctx.history_length() >= pull_request.timings.history_events;
        is_long && ctx.all_handlers_finished()
    }

    /// One rollout, from the mailbox to the answer.
    async fn roll_out(ctx: &WorkflowContext<Self>, pull_request: &PullRequest, push: QueuedRelease) {
        let started_ms = now_ms(ctx);
        ctx.state_mut(|s| s.record.book.expect(&pull_request.workflow_id(), &push, started_ms));
        let ended = match Self::identify(ctx, pull_request).await {
            Ok(environment) if !Self::is_close_requested(ctx) => {
                Self::run_rollout(ctx, pull_request, environment, &push).await
            }
            Ok(_) | Err(Unfinished::Cancelled) => RolloutEnd::Stopped(DeployOutcome::Closed),
            Err(Unfinished::Failed(verdict)) => RolloutEnd::Failed(verdict, Box::default()),
        };
        let now = now_ms(ctx);
        ctx.state_mut(|s| {
            let ticket = push.ticket;
            let answer = s.record.book.conclude(push, ended, started_ms, now);
            // A redeploy of the same release has taken the ticket over.
            if s.record.mailbox.queue.next_ticket() != Some(ticket) {
                s.record.mailbox.queue.answer(ticket, answer);
            }
        });
    }

    /// What the environment is called: settled before anything of it is made, and the same until all of it is gone.
    async fn identify(ctx: &WorkflowContext<Self>, pull_request: &PullRequest) -> Result<Environment, Unfinished> {
        if let Some(environment) = ctx.state(|s| s.record.book.environment.clone()) {
            return Ok(environment);
        }
        let kind = EnvironmentKind::Preview { pr: pull_request.pr };
        let load = LoadAppInput::names(&pull_request.app, kind, &pull_request.workflow_id());
        // Detached: a close or a cancel is met when it has answered, and it answers at once.
        let options =
            options::load_app(&WorkflowCancellationToken::new(), format!("what {} is called", load.workflow_id));
        let loaded = ctx
            .execute_activity(activities::LoadApp, load, options)
            .await
            .map_err(|e| failure::of_activity(&e, FailureType::UnknownApp))?;
        ctx.state_mut(|s| s.record.book.environment = Some(loaded.environment.clone()));
        Ok(loaded.environment)
    }

    /// Runs the child, and stops it when a newer push, a close or a cancel comes.
    async fn run_rollout(
        ctx: &WorkflowContext<Self>,
        pull_request: &PullRequest,
        environment: Environment,
        push: &QueuedRelease,
    ) -> RolloutEnd {
        let token = WorkflowCancellationToken::new();
        let started = loop {
            let now = now_ms(ctx);
            let deploy = ctx.state_mut(|s| s.record.book.begin(&environment, push, &pull_request.timings, now));
            let options = child_options(&deploy, &token);
            match ctx.start_child_workflow(Rollout::run, deploy, options).await {
                Ok(started) => break started,
                // A rollout of a run that was terminated may still be stopping under this id: take the next number.
                Err(ChildWorkflowStartError::StartFailed {
                    cause: StartChildWorkflowExecutionFailedCause::WorkflowAlreadyExists,
                    ..
                }) => continue,
                Err(e) => return RolloutEnd::unreported(format!("the rollout could not be started: {e}")),
            }
        };
        Self::publish_now(ctx);

        let mut result = started.result();
        let result = select! {
            result = result => result,
            // Also when the workflow is cancelled.
            _ = ctx.wait_condition(|s| s.record.mailbox.stops_rollout()) => {
                let outcome = Self::stop_rollout(ctx, &token);
                return match result.await {
                    // It was done before it heard: what is live is live.
                    Ok(rolled_out) => RolloutEnd::Live(Box::new(rolled_out)),
                    Err(_) => RolloutEnd::Stopped(outcome),
                };
            }
        };
        match result.map_err(|e| failure::of_rollout(&e)) {
            Ok(rolled_out) => RolloutEnd::Live(Box::new(rolled_out)),
            Err((Unfinished::Failed(verdict), made)) => RolloutEnd::Failed(verdict, Box::new(made)),
            // Nobody here asked for it.
            Err((Unfinished::Cancelled, _)) => RolloutEnd::unreported("the rollout was cancelled from outside"),
        }
    }

    fn stop_rollout(ctx: &WorkflowContext<Self>, token: &WorkflowCancellationToken) -> DeployOutcome {
        let is_closed = Self::is_close_requested(ctx);
        let (reason, outcome) = ctx.state_mut(|s| {
            s.record.book.stop();
            match s.record.mailbox.queue.next() {
                Some(newer) if !is_closed => {
                    (StopReason::Superseded { by: newer.commit.to_string() }, DeployOutcome::Superseded)
                }
                _ => (StopReason::EnvironmentCloses, DeployOutcome::Closed),
            }
        });
        token.cancel_with_reason(reason.to_string());
        outcome
    }

    /// Waits for the answer under a ticket, also while the workflow is being cancelled: whoever asked is answered.
    pub(super) async fn answer_to(ctx: &WorkflowContext<Self>, ticket: u64) -> Result<DeployAnswer, HandlerError> {
        let detached = WaitConditionOptions::builder().cancellation_token(WorkflowCancellationToken::new()).build();
        ctx.wait_condition_with_options(|s| s.record.mailbox.queue.answer_to(ticket).is_some(), detached).await?;
        ctx.state(|s| s.record.mailbox.queue.answer_to(ticket).cloned()).ok_or_else(|| "the answer is gone".into())
    }

    /// A fresh history, with all that the record knows.
    pub(super) fn continue_as_new(
        ctx: &WorkflowContext<Self>,
        pull_request: &PullRequest,
    ) -> Result<(), WorkflowTermination> {
        let carried = serde_json::to_value(ctx.state(|s| s.record.to_carry()))
            .map_err(|why| super::invalid_input(format!("cannot carry the state: {why}")))?;
        let next = PullRequest { carried: Some(carried), ..pull_request.clone() };
        ctx.continue_as_new(next.into(), ContinueAsNewOptions::default())?;
        Ok(())
    }
}

fn child_options(deploy: &RolloutInput, token: &WorkflowCancellationToken) -> ChildWorkflowOptions {
    let environment = &deploy.environment;
    let mut attributes = vec![
        search_attributes::APP.value_set(environment.app.clone()),
        search_attributes::ENVIRONMENT.value_set(environment.kind.name().into()),
        search_attributes::COMMIT.value_set(deploy.release.commit.to_string()),
        search_attributes::PHASE.value_set(Phase::RollingOut.name().into()),
    ];
    let pr = environment.kind.pr().and_then(|pr| i64::try_from(pr).ok());
    attributes.extend(pr.map(|pr| search_attributes::PULL_REQUEST.value_set(pr)));
    let author = deploy.release.author.as_ref();
    attributes.extend(author.map(|author| search_attributes::AUTHOR.value_set(author.as_str().into())));
    ChildWorkflowOptions::builder()
        .workflow_id(deploy.workflow_id())
        .cancellation_token(token.clone())
        .parent_close_policy(ParentClosePolicy::RequestCancel)
        .static_summary(format!("{} {}", environment.workflow_id, deploy.release.commit.short()))
        .search_attributes(SearchAttributes::new(attributes))
        .build()
}

pub(super) fn now_ms(ctx: &WorkflowContext<PreviewEnvironment>) -> u64 {
    crate::milliseconds(ctx.workflow_time())
}
