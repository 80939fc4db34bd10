//! Watches workflows and activities as they run: for log lines that say whose they are, and for the metrics.
//!
//! Both are the worker's and not the workflows': nothing here is in a history. A rollout is counted where its workflow ends
//! and never while a history is replayed, so neither a restart nor a query of a closed workflow counts again.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use berth_workflows::contract::{
    rollout::RolledOut, search_attributes, stop_reason::StopReason, teardown::LeakReport, verdict::FailureType,
};
use futures::FutureExt;
use temporalio_common::error::OutgoingWorkflowError;
use temporalio_sdk::{
    WorkflowTermination,
    activities::ActivityError,
    interceptors::{ActivityInboundInterceptor, ExecuteActivityInput, ExecuteActivityOutput, Next},
    workflow_interceptors::{
        ExecuteWorkflowInput, ExecuteWorkflowResult, WorkflowInterceptor, WorkflowInterceptorConstructor,
        WorkflowInterceptorContext, WorkflowInterceptorFuture, WorkflowNext,
    },
};
use tracing::{Instrument, info_span};

use super::metrics::{Ended, Metrics};

/// Watches one workflow.
struct OfWorkflow(Arc<Metrics>);

/// Watches every activity.
pub(super) struct OfActivities(pub(super) Arc<Metrics>);

/// Watches each workflow.
pub(super) fn workflows(metrics: &Arc<Metrics>) -> WorkflowInterceptorConstructor {
    let metrics = Arc::clone(metrics);
    WorkflowInterceptorConstructor::new(move |_| OfWorkflow(Arc::clone(&metrics)))
}

impl WorkflowInterceptor for OfWorkflow {
    fn execute<'a>(
        &'a self,
        ctx: WorkflowInterceptorContext,
        input: ExecuteWorkflowInput,
        next: WorkflowNext<'a, ExecuteWorkflowInput, WorkflowInterceptorFuture<'a, ExecuteWorkflowResult>>,
    ) -> WorkflowInterceptorFuture<'a, ExecuteWorkflowResult> {
        let span = info_span!("workflow", workflow.id = ctx.workflow_id(), workflow.r#type = ctx.workflow_type());
        let watched = async move {
            let began = ctx.workflow_time();
            let ended = next.run(input).await;
            if ctx.workflow_type() == "Rollout" && !ctx.is_replaying() {
                self.count(&ctx, began, &ended);
            }
            ended
        };
        WorkflowInterceptorFuture::new(watched.instrument(span))
    }
}

impl OfWorkflow {
    fn count(&self, ctx: &WorkflowInterceptorContext, began: Option<SystemTime>, result: &ExecuteWorkflowResult) {
        let rolled_out = result.as_ref().ok().and_then(|output| output.downcast_ref::<RolledOut>());
        // Refused at its start, or not ended at all: its search attributes are anybody's claim.
        let Some(ended) = ended(result) else { return };
        tracing::info!(outcome = ?ended, "The rollout has ended");
        let app = ctx.search_attributes().get(&search_attributes::APP).unwrap_or_default();
        let took = ctx.workflow_time().zip(began).and_then(|(now, began)| now.duration_since(began).ok());
        let steps = rolled_out.map(|rolled_out| rolled_out.steps.as_slice()).unwrap_or_default();
        self.0.rollout_ended(ctx.run_id(), &app, &ended, took.unwrap_or(Duration::ZERO), steps);
    }
}

fn ended(result: &ExecuteWorkflowResult) -> Option<Ended> {
    match result {
        Ok(_) => Some(Ended::Live),
        Err(WorkflowTermination::Cancelled { details }) => {
            let reason = details.as_ref().and_then(|details| (**details).as_any().downcast_ref::<String>());
            Some(Ended::Stopped(StopReason::from_cancellation(reason.map(String::as_str))))
        }
        Err(WorkflowTermination::Failed(OutgoingWorkflowError::Application(failure))) => {
            let failure = failure.type_name().and_then(FailureType::from_name)?;
            (failure != FailureType::InvalidInput).then_some(Ended::Failed(failure))
        }
        Err(_) => None,
    }
}

impl ActivityInboundInterceptor for OfActivities {
    fn execute_activity<'a>(
        &'a self,
        input: ExecuteActivityInput,
        next: Next<'a, ExecuteActivityInput, ExecuteActivityOutput<'a>>,
    ) -> ExecuteActivityOutput<'a> {
        let info = input.activity_info();
        let activity = info.activity_type.clone();
        let span = info_span!(
            "activity",
            activity.r#type = %activity,
            attempt = info.attempt,
            workflow.id = info.workflow_id.as_deref().unwrap_or_default(),
        );
        let run = next.run(input);
        let watched = async move {
            let result = run.await;
            if let Err(ActivityError::Application(failure)) = &result {
                tracing::warn!(error = %failure, "{activity} failed");
                self.0.activity_failed(&activity, failure.type_name());
            }
            if !matches!(result, Err(ActivityError::Cancelled { .. })) {
                let report = result.as_ref().ok().and_then(|output| output.downcast_ref::<LeakReport>());
                self.0.removed(&activity, report);
            }
            result
        };
        watched.instrument(span).boxed()
    }
}
