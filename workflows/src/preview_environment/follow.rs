//! The main loop: what [`Record::step`](super::record::Record::step) says, one step after the other.

use temporalio_workflow::{ContinueAsNewOptions, WorkflowContext, WorkflowTermination};

use super::PreviewEnvironment;
use crate::{
    clock::now_ms,
    contract::{
        environment::{EnvironmentKind, PullRequest},
        load_app::LoadAppInput,
        teardown::LeakReport,
    },
    environment::{arrival::Arrival, carry, publish::publish, reporting::resume_reporting},
    preview_environment::life::{Message, Step, Taken},
};

impl PreviewEnvironment {
    /// Does what is next, until nothing of the environment is left. Returns the report of the teardown, and whether the
    /// workflow was cancelled. The error is a continue-as-new.
    pub(super) async fn live(
        ctx: &WorkflowContext<Self>,
        pull_request: &PullRequest,
    ) -> Result<(LeakReport, bool), WorkflowTermination> {
        let PullRequest { app, pr, timings, .. } = pull_request;
        let names = LoadAppInput::names(app, EnvironmentKind::Preview { pr: *pr }, &pull_request.workflow_id());
        let mut report = LeakReport::default();
        Self::recall(ctx, pull_request).await;
        loop {
            match ctx.state_mut(|s| s.record.step()) {
                Step::Wait => Self::wait(ctx, pull_request).await?,
                Step::RollOut(push) => {
                    Self::roll_out(ctx, names.clone(), timings, *push).await;
                    publish(ctx);
                }
                Step::Look(push) => Self::look(ctx, *push).await,
                Step::AwaitScripts => Self::await_scripts(ctx).await,
                Step::TearDown => report = Self::tear_down(ctx, pull_request).await,
                Step::Pause { attempts } => Self::pause(ctx, pull_request, attempts).await?,
                Step::PrepareEnd => Self::prepare_end(ctx, pull_request).await,
                Step::Remember(memory) => Self::write_memory(ctx, pull_request, *memory).await,
                // From there to the end there is no wait, so nothing comes between.
                Step::End { cancelled } => return Ok((report, cancelled)),
                Step::Reopen => {
                    resume_reporting(ctx);
                    publish(ctx);
                }
                Step::ContinueInNewRun => Self::continue_in_new_run(ctx, pull_request).await?,
            }
        }
    }

    /// Takes in what a step, or a routine beside the main loop, has found.
    pub(super) fn take(ctx: &WorkflowContext<Self>, message: Message) -> Taken {
        let (arrival, now) = (Arrival::signal(ctx.history_length()), now_ms(ctx));
        ctx.state_mut(|s| s.record.take(message, arrival, now))
    }

    /// Waits for a message. Continues as new only while there is nothing else to do: a rollout in flight would be closed with
    /// its parent.
    async fn wait(ctx: &WorkflowContext<Self>, pull_request: &PullRequest) -> Result<(), WorkflowTermination> {
        let is_due = || Self::may_continue(ctx, pull_request);
        // An error is a cancel, which is a message too.
        let _ = ctx.wait_condition(|s| !s.record.is_waiting() || is_due()).await;
        if ctx.state(|s| s.record.is_waiting()) {
            Self::continue_as_new(ctx, pull_request)?;
        }
        Ok(())
    }

    /// Whether the run is to continue with a fresh history, and nothing beside its life goes on.
    pub(super) fn may_continue(ctx: &WorkflowContext<Self>, pull_request: &PullRequest) -> bool {
        let is_idle = |s: &Self| {
            !s.record.mailbox.facts.are_rules_due()
                && s.reporting.is_idle()
                && s.proofs.is_empty()
                && s.confirmation.is_idle()
        };
        carry::is_due(ctx, &pull_request.timings) && ctx.state(is_idle)
    }

    /// Continues with a fresh history and the same record.
    pub(super) fn continue_as_new(
        ctx: &WorkflowContext<Self>,
        pull_request: &PullRequest,
    ) -> Result<(), WorkflowTermination> {
        let carried = carry::write(&ctx.state(|s| s.record.to_carry()))?;
        let next = PullRequest { carried: Some(carried), ..pull_request.clone() };
        ctx.continue_as_new(next.into(), ContinueAsNewOptions::default())?;
        Ok(())
    }
}
