//! The end of a rollout, as temporal-ui and its environment get it.

use temporalio_common::error::ApplicationFailure;
use temporalio_workflow::{WorkflowContext, WorkflowTermination};

use super::Rollout;
use crate::contract::{
    phase::Phase,
    rollout::{FailedRollout, RolledOut},
    rollout_input::RolloutInput,
    search_attributes,
    stop_reason::StopReason,
    verdict::{FailureType, Verdict},
};

impl Rollout {
    /// Ends the rollout as live.
    pub(super) fn succeed(ctx: &WorkflowContext<Self>, rollout: &RolloutInput, rolled_out: RolledOut) -> RolledOut {
        ctx.upsert_search_attributes([search_attributes::PHASE.value_set(Phase::Live.name().into())]);
        ctx.set_current_details(format!("`{}` is live at {}", rollout.release.commit, rolled_out.url));
        rolled_out
    }

    /// Ends the rollout as failed. The failure's type, message and details are the verdict.
    pub(super) fn fail(ctx: &WorkflowContext<Self>, rollout: &RolloutInput, verdict: Verdict) -> WorkflowTermination {
        Self::end_step(ctx);
        ctx.upsert_search_attributes([
            search_attributes::PHASE.value_set(Phase::Failed.name().into()),
            search_attributes::FAILURE.value_set(verdict.failure.name().into()),
        ]);
        ctx.set_current_details(format!("`{}` failed: {}", rollout.release.commit, verdict.headline()));
        let kind = verdict.failure.name().to_owned();
        let headline = verdict.headline();
        let (mut made, steps) = ctx.state_mut(|s| (s.made.clone(), s.steps.clone()));
        if !made.serves && may_serve_later(verdict.failure) {
            made.waited = ctx.state_mut(|s| s.waited.take()).map(Box::new);
        }
        ApplicationFailure::builder(anyhow::anyhow!(headline))
            .type_name(kind)
            .non_retryable(true) // A push or a redeploy tries again, as a new rollout.
            .details(FailedRollout { verdict, made, steps })
            .build()
            .into()
    }

    /// Ends the rollout as cancelled, with the reason. Reports to the environment first if the release serves by now.
    pub(super) async fn stop(ctx: &WorkflowContext<Self>, rollout: &RolloutInput) -> WorkflowTermination {
        Self::end_step(ctx);
        if ctx.state(|s| s.made.serves) {
            Self::report_step(ctx, rollout).await;
        }
        let reason = StopReason::from_cancellation(ctx.cancellation_token().reason().as_deref());
        ctx.upsert_search_attributes([search_attributes::PHASE.value_set(reason.phase().into())]);
        ctx.set_current_details(format!("`{}` was stopped: {reason}.", rollout.release.commit));
        WorkflowTermination::cancelled_with_details(reason.to_string())
    }
}

/// Whether the workloads may serve the release after this verdict. A failed Job stays failed, and another rollout's workloads
/// stay that one's.
fn may_serve_later(failure: FailureType) -> bool {
    !matches!(failure, FailureType::JobFailed | FailureType::Overtaken)
}
