//! Observes workflows and activities as they run, for log lines with their ids and for metrics.
//!
//! Nothing here is in a history. A rollout is counted where its workflow ends, and never during a replay: neither a restart
//! nor a query of a closed workflow counts again.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use berth_workflows::{
    contract::{
        checks::{Awaited, GatesChecked, Outcome},
        janitor::FindingsReported,
        lenient::Lenient,
        rollout::RolledOut,
        rollout_input::RolloutInput,
        search_attributes,
        stop_reason::StopReason,
        stuck::StuckReported,
        teardown::LeakReport,
        verdict::FailureType,
    },
    failure::{self, Unfinished},
};
use futures::FutureExt;
use temporalio_common::error::OutgoingWorkflowError;
use temporalio_sdk::{
    WorkflowTermination,
    activities::ActivityError,
    interceptors::{ActivityInboundInterceptor, ExecuteActivityInput, ExecuteActivityOutput, Next},
    workflow_interceptors::{
        CancellableWorkflowOutboundFuture, ExecuteWorkflowInput, ExecuteWorkflowResult, ScheduleActivityInput,
        ScheduleActivityResult, WorkflowInterceptor, WorkflowInterceptorConstructor, WorkflowInterceptorContext,
        WorkflowInterceptorFuture, WorkflowNext,
    },
};
use tracing::{Instrument, info_span};

use super::metrics::{EndedRollout, Metrics, RolloutEnd};

/// Observes one workflow.
struct WorkflowObserver(Arc<Metrics>);

/// Observes every activity.
pub(super) struct ActivityObserver(pub(super) Arc<Metrics>);

/// Makes an observer for each workflow.
pub(super) fn workflow_observers(metrics: &Arc<Metrics>) -> WorkflowInterceptorConstructor {
    let metrics = Arc::clone(metrics);
    WorkflowInterceptorConstructor::new(move |_| WorkflowObserver(Arc::clone(&metrics)))
}

impl WorkflowInterceptor for WorkflowObserver {
    fn execute<'a>(
        &'a self,
        ctx: WorkflowInterceptorContext,
        input: ExecuteWorkflowInput,
        next: WorkflowNext<'a, ExecuteWorkflowInput, WorkflowInterceptorFuture<'a, ExecuteWorkflowResult>>,
    ) -> WorkflowInterceptorFuture<'a, ExecuteWorkflowResult> {
        let span = info_span!("workflow", workflow.id = ctx.workflow_id(), workflow.r#type = ctx.workflow_type());
        let observed = async move {
            let started = ctx.workflow_time();
            let is_rollback = input.input_ref::<Lenient<RolloutInput>>().and_then(is_rollback);
            if is_rollback.is_some() {
                self.0.expect_rollbacks(&app(&ctx));
            }
            let result = next.run(input).await;
            if ctx.workflow_type() == "Rollout" && !ctx.is_replaying() {
                self.count(&ctx, started, &result, is_rollback.unwrap_or_default());
            }
            result
        };
        WorkflowInterceptorFuture::new(observed.instrument(span))
    }

    #[expect(clippy::result_large_err, reason = "it is the SDK's error, and only passed on")]
    fn schedule_activity(
        &self,
        ctx: WorkflowInterceptorContext,
        input: ScheduleActivityInput,
        next: WorkflowNext<'static, ScheduleActivityInput, CancellableWorkflowOutboundFuture<ScheduleActivityResult>>,
    ) -> CancellableWorkflowOutboundFuture<ScheduleActivityResult> {
        if ctx.workflow_type() != "Rollout" {
            return next.run(input);
        }
        let (activity, metrics) = (input.activity_type().to_owned(), Arc::clone(&self.0));
        next.run(input).map(move |result| {
            if !ctx.is_replaying()
                && let Some(reason) = not_observed(&activity, &result)
            {
                tracing::warn!(activity = %activity, "{activity} saw nothing of the release: {reason}");
                metrics.count_not_observed(&app(&ctx), &activity);
            }
            result
        })
    }
}

/// Gives the reason if an activity's result says nothing about the release.
fn not_observed(activity: &str, result: &ScheduleActivityResult) -> Option<String> {
    let unfinished = match result {
        Ok(output) => {
            let outcome = output.downcast_ref::<Awaited>().map(|awaited| &awaited.outcome);
            return match outcome.or_else(|| Some(&output.downcast_ref::<GatesChecked>()?.outcome))? {
                Outcome::NotObserved { reason, .. } => Some(reason.clone()),
                Outcome::Complete | Outcome::Failed { .. } => None,
            };
        }
        Err(error) if matches!(activity, "await_rollout" | "check_gates") => failure::from_observation(error),
        Err(error) => failure::from_activity(error, FailureType::KubernetesDenied),
    };
    match unfinished {
        Unfinished::Failed(verdict) if verdict.failure == FailureType::NotObserved => Some(verdict.message),
        Unfinished::Failed(_) | Unfinished::Cancelled => None,
    }
}

impl WorkflowObserver {
    fn count(
        &self,
        ctx: &WorkflowInterceptorContext,
        started: Option<SystemTime>,
        result: &ExecuteWorkflowResult,
        is_rollback: bool,
    ) {
        let rolled_out = result.as_ref().ok().and_then(|output| output.downcast_ref::<RolledOut>());
        // A rollout that was refused at its start is not counted: its search attributes may be false.
        let Some(end) = rollout_end(result) else { return };
        tracing::info!(outcome = ?end, "The rollout has ended");
        let took = ctx.workflow_time().zip(started).and_then(|(now, started)| now.duration_since(started).ok());
        let steps = rolled_out.map(|rolled_out| rolled_out.steps.as_slice()).unwrap_or_default();
        let ended = EndedRollout { end, took: took.unwrap_or(Duration::ZERO), steps, is_rollback };
        self.0.count_rollout(ctx.run_id(), &app(ctx), &ended);
    }
}

/// The app of a rollout, from its search attributes: its environment has set them.
fn app(ctx: &WorkflowInterceptorContext) -> String {
    ctx.search_attributes().get(&search_attributes::APP).unwrap_or_default()
}

/// Whether a rollout of production is a rollback. None: it is not one of production.
fn is_rollback(input: &Lenient<RolloutInput>) -> Option<bool> {
    input.0.as_ref().ok()?.source.stored().map(|stored| stored.rollback)
}

fn rollout_end(result: &ExecuteWorkflowResult) -> Option<RolloutEnd> {
    match result {
        Ok(_) => Some(RolloutEnd::Live),
        Err(WorkflowTermination::Cancelled { details }) => {
            let reason = details.as_ref().and_then(|details| (**details).as_any().downcast_ref::<String>());
            Some(RolloutEnd::Stopped(StopReason::from_cancellation(reason.map(String::as_str))))
        }
        Err(WorkflowTermination::Failed(OutgoingWorkflowError::Application(failure))) => {
            let failure = failure.type_name().and_then(FailureType::from_name)?;
            (failure != FailureType::InvalidInput).then_some(RolloutEnd::Failed(failure))
        }
        Err(_) => None,
    }
}

impl ActivityInboundInterceptor for ActivityObserver {
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
        let observed = async move {
            let result = run.await;
            if let Err(ActivityError::Application(failure)) = &result {
                tracing::warn!(error = %failure, "{activity} failed");
                self.0.count_activity_failure(&activity, failure.type_name());
            }
            if !matches!(result, Err(ActivityError::Cancelled { .. })) {
                let report = result.as_ref().ok().and_then(|output| output.downcast_ref::<LeakReport>());
                self.0.count_teardown_attempt(&activity, report);
            }
            let reported = result.as_ref().ok().and_then(|output| output.downcast_ref::<FindingsReported>());
            reported.into_iter().for_each(|reported| self.0.count_findings(reported));
            let stuck = result.as_ref().ok().and_then(|output| output.downcast_ref::<StuckReported>());
            stuck.into_iter().for_each(|stuck| self.0.count_stuck(stuck));
            result
        };
        observed.instrument(span).boxed()
    }
}
