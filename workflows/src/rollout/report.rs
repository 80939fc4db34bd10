//! Progress that a rollout reports to its environment.

use std::time::Duration;

use temporalio_workflow::{SignalWorkflowOptions, WorkflowCancellationToken, WorkflowContext, workflows::join};

use super::Rollout;
use crate::{
    clock::sleep,
    contract::{
        environment::ClusterObject,
        rollout::{RolloutProgress, RolloutStepSignal},
        rollout_input::RolloutInput,
        verdict::{FailureType, Verdict},
    },
    failure::Unfinished,
};

/// The age at which a step is reported. Most gates have passed by then, and no reader of `status` notices the delay.
const SLOW_AFTER: Duration = Duration::from_secs(1);

impl Rollout {
    /// Reports the current step to the environment, for its `status`. Only slow steps are reported: each signal costs
    /// both workflows some events.
    pub(super) async fn report_step(ctx: &WorkflowContext<Self>, rollout: &RolloutInput) {
        // The end of an environment cancels this rollout anyway, so a report that does not arrive is no failure.
        let _ = Self::signal_environment(ctx, rollout, Vec::new()).await;
    }

    /// Does a step's work, and reports the step if it is slow. A fast step takes less time than its report would.
    pub(super) async fn report_step_if_slow<T>(
        ctx: &WorkflowContext<Self>,
        rollout: &RolloutInput,
        work: impl Future<Output = T>,
    ) -> T {
        let until_done = ctx.cancellation_token().child_token();
        let is_slow = sleep(ctx, SLOW_AFTER, &until_done, "before this step is reported as slow".to_owned());
        let work = async {
            let done = work.await;
            until_done.cancel();
            done
        };
        let report = async {
            if is_slow.await {
                Self::report_step(ctx, rollout).await;
            }
        };
        join!(work, report).0
    }

    /// Reports the cause of the wait if it is not the usual one of the step, or `None` once it is again.
    pub(super) async fn wait_for(ctx: &WorkflowContext<Self>, rollout: &RolloutInput, waiting_for: Option<String>) {
        if let Some(waiting_for) = &waiting_for {
            ctx.set_current_details(format!("Rolling out `{}`: waits for {waiting_for}.", rollout.release.commit));
        }
        ctx.state_mut(|s| s.waiting_for = waiting_for);
        Self::report_step(ctx, rollout).await;
    }

    /// Has the environment record cluster-scoped objects. An object that is not recorded is not made.
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
            let message = format!("the environment could not record the cluster-scoped objects to make: {why}");
            Verdict::new(FailureType::NotReady, message).advise("push again, or signal redeploy").into()
        })
    }

    async fn signal_environment(
        ctx: &WorkflowContext<Self>,
        rollout: &RolloutInput,
        cluster_objects: Vec<ClusterObject>,
    ) -> Result<(), String> {
        let progress = ctx.state(|s| RolloutProgress {
            number: rollout.number,
            step: s.step,
            waiting_for: s.waiting_for.clone(),
            cluster_objects,
            serving: s.made.serving().cloned(),
            not_observed: s.not_observed.clone(),
            deploy_id: s.deploy_id,
            touched: s.made.touched,
        });
        let info = ctx.info();
        let parent = info.parent().ok_or("the rollout has no parent")?;
        // The newest run: the parent may have continued as new, or may have been reset.
        let environment = ctx.external_workflow(parent.workflow_id(), None);
        // On a token of its own: a stopped rollout reports, too.
        let options = SignalWorkflowOptions::builder().cancellation_token(WorkflowCancellationToken::new());
        let sent = environment.signal(RolloutStepSignal, progress.into(), options.build()).await;
        sent.map(|_| ()).map_err(|e| e.to_string())
    }
}
