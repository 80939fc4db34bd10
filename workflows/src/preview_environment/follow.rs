//! While the pull request is open: one rollout at a time, the newest push always next.

use temporalio_workflow::{ContinueAsNewOptions, WorkflowContext, WorkflowTermination};

use super::PreviewEnvironment;
use crate::{
    contract::{
        environment::{EnvironmentKind, PullRequest},
        load_app::LoadAppInput,
    },
    environment::{carry, publish::publish},
};

impl PreviewEnvironment {
    /// Rolls out push after push until a close or a cancel. The error is a continue-as-new.
    pub(super) async fn follow_pull_request(
        ctx: &WorkflowContext<Self>,
        pull_request: &PullRequest,
    ) -> Result<(), WorkflowTermination> {
        let PullRequest { app, pr, timings, .. } = pull_request;
        let names = LoadAppInput::names(app, EnvironmentKind::Preview { pr: *pr }, &pull_request.workflow_id());
        // A teardown may have continued as new: then it goes on.
        while !ctx.state(|s| s.record.tearing_down) && Self::await_push(ctx, pull_request).await? {
            if let Some(push) = ctx.state_mut(|s| s.record.mailbox.take_push()) {
                Self::roll_out(ctx, names.clone(), timings, push).await;
                publish(ctx);
            }
        }
        Ok(())
    }

    /// Waits for a push, and returns whether there is one: a close or a cancel comes before it. Continues as new only
    /// while there is nothing else to do: a rollout in flight would be closed with its parent.
    async fn await_push(ctx: &WorkflowContext<Self>, pull_request: &PullRequest) -> Result<bool, WorkflowTermination> {
        let is_due = || Self::may_continue(ctx, pull_request);
        // An error is a cancel, which is looked for next.
        let _ = ctx.wait_condition(|s| s.record.mailbox.has_work() || is_due()).await;
        if ctx.state(|s| s.record.mailbox.is_close_requested()) {
            return Ok(false);
        }
        if !ctx.state(|s| s.record.mailbox.has_work()) {
            Self::continue_as_new(ctx, pull_request)?;
        }
        Ok(true)
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
