//! What a rollout tells its environment while it runs.

use std::time::Duration;

use temporalio_workflow::{
    SignalWorkflowOptions, TimerOptions, TimerResult, WorkflowCancellationToken, WorkflowContext, workflows::join,
};

use super::Rollout;
use crate::{
    contract::{
        environment::ClusterObject,
        rollout::{RolloutProgress, RolloutStepSignal},
        rollout_input::RolloutInput,
        verdict::{FailureType, Verdict},
    },
    failure::Unfinished,
};

/// Nobody who asks for `status` minds that it is so late, and most gates have passed by then.
const SLOW_AFTER: Duration = Duration::from_secs(1);

impl Rollout {
    /// Tells the environment which step has begun, for its `status`. Beside the long steps only: each telling costs
    /// both workflows some events.
    pub(super) async fn report_step(ctx: &WorkflowContext<Self>, rollout: &RolloutInput) {
        // An environment that is gone cannot be told; its end cancels this rollout anyway.
        let _ = Self::signal_environment(ctx, rollout, Vec::new()).await;
    }

    /// Does a step's work, and tells the environment of the step if it lasts: often it takes less than the telling would.
    pub(super) async fn report_step_if_slow<T>(
        ctx: &WorkflowContext<Self>,
        rollout: &RolloutInput,
        work: impl Future<Output = T>,
    ) -> T {
        let lasts = ctx.cancellation_token().child_token();
        let timer = TimerOptions::builder(SLOW_AFTER).cancellation_token(lasts.clone());
        let timer = ctx.timer(timer.summary("before the environment is told of this step".to_owned()).build());
        let work = async {
            let done = work.await;
            lasts.cancel();
            done
        };
        let tell = async {
            if timer.await == TimerResult::Fired {
                Self::report_step(ctx, rollout).await;
            }
        };
        join!(work, tell).0
    }

    /// Says what it waits for, where that is not what the step usually waits for, or no longer.
    pub(super) async fn wait_for(ctx: &WorkflowContext<Self>, rollout: &RolloutInput, waiting_for: Option<String>) {
        if let Some(waiting_for) = &waiting_for {
            ctx.set_current_details(format!("Rolling out `{}`: waits for {waiting_for}.", rollout.release.commit));
        }
        ctx.state_mut(|s| s.waiting_for = waiting_for);
        Self::report_step(ctx, rollout).await;
    }

    /// Has the environment write down what will be made outside its namespace. What is not written down is not made.
    pub(super) async fn record_cluster_objects(
        ctx: &WorkflowContext<Self>,
        rollout: &RolloutInput,
        objects: &[ClusterObject],
    ) -> Result<(), Unfinished> {
        if objects.is_empty() {
            return Ok(());
        }
        ctx.state_mut(|s| s.made.cluster_objects = objects.to_vec());
        Self::signal_environment(ctx, rollout, objects.to_vec()).await.map_err(|why| {
            let message = format!("the environment could not be told what will be made outside its namespace: {why}");
            Verdict::new(FailureType::NotReady, message).advise("push again, or signal redeploy").into()
        })
    }

    async fn signal_environment(
        ctx: &WorkflowContext<Self>,
        rollout: &RolloutInput,
        cluster_objects: Vec<ClusterObject>,
    ) -> Result<(), String> {
        let told = ctx.state(|s| RolloutProgress {
            number: rollout.number,
            step: s.step,
            waiting_for: s.waiting_for.clone(),
            cluster_objects,
            serving: s.made.serving().cloned(),
        });
        let info = ctx.info();
        let parent = info.parent().ok_or("the rollout has no parent")?;
        // The newest run: the parent may have continued as new, or may have been reset.
        let environment = ctx.external_workflow(parent.workflow_id(), None);
        // On a token of its own: a rollout that is stopped has something to tell, too.
        let options = SignalWorkflowOptions::builder().cancellation_token(WorkflowCancellationToken::new());
        let told = environment.signal(RolloutStepSignal, told.into(), options.build()).await;
        told.map(|_| ()).map_err(|e| e.to_string())
    }
}
