//! The wait for a child that was told to stop. It has no bound, since there would be two writers of one environment: after
//! some minutes the child is named, with the command for a person.

use std::pin::pin;

use futures::{FutureExt, join};
use temporalio_workflow::{TimerOptions, WorkflowCancellationToken, WorkflowContext, workflows::select};

use super::{EnvironmentWorkflow, publish::publish};
use crate::{
    activity_options as options,
    clock::now_ms,
    contract::{
        activity_definitions as activities,
        stuck::{ReportStuckInput, StuckChild},
    },
};

/// Waits until a child has ended that was told to stop. `workflow` is its id.
pub async fn await_stopped<W: EnvironmentWorkflow, T>(
    ctx: &WorkflowContext<W>,
    workflow: &str,
    ended: impl Future<Output = T>,
) -> T {
    let mut ended = pin!(ended.fuse());
    if !ctx.patched("stuck-child") {
        return ended.await;
    }
    let since_ms = now_ms(ctx);
    let token = WorkflowCancellationToken::new();
    let timer = TimerOptions::builder(ctx.state(W::stuck_after)).cancellation_token(token.clone());
    let timer = timer.summary(format!("before {workflow} counts as stuck")).build();
    select! {
        ended = ended => {
            token.cancel();
            return ended;
        }
        _ = ctx.timer(timer) => {}
    }
    let child = StuckChild::new(workflow, ctx.namespace(), since_ms);
    ctx.state_mut(|s| {
        s.note(child.remark());
        s.book_mut().stuck.push(child.clone());
    });
    publish(ctx);
    let (ended, ()) = join!(ended, report(ctx, child));
    ctx.state_mut(|s| s.book_mut().stuck.retain(|stuck| stuck.workflow != workflow));
    publish(ctx);
    ended
}

/// Counts it in the worker's metrics. The status names it whether or not that succeeds.
async fn report<W: EnvironmentWorkflow>(ctx: &WorkflowContext<W>, child: StuckChild) {
    let app = ctx.state(|s| s.book().environment.as_ref().map(|environment| environment.app.clone()));
    let Some(app) = app else { return };
    let options = options::look(&WorkflowCancellationToken::new(), format!("report {} as stuck", child.workflow));
    let _ = ctx.execute_activity(activities::ReportStuck, ReportStuckInput { app, child }, options).await;
}
