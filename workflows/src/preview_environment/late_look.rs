//! Late looks: a release whose wait has failed may serve all the same, minutes later. `status` says so then.
//!
//! The verdict stays: the release was late, and its gates were not checked. Each look is one short activity, so that a failed
//! environment costs little, and the looks end after an hour. Production has none: it rolls back.

use std::{convert::Infallible, time::Duration};

use temporalio_workflow::{TimerOptions, WorkflowCancellationToken, WorkflowContext, workflows::select};

use super::PreviewEnvironment;
use crate::{
    activity_options as options,
    clock::now_ms,
    contract::{activity_definitions as activities, checks::Outcome},
    environment::{answers::detached, book::LateLook, publish::publish},
    preview_environment::life::Message,
};

impl PreviewEnvironment {
    /// Looks again at a release whose wait has failed, for as long as nothing else happens.
    pub(super) async fn look_late(ctx: &WorkflowContext<Self>) -> Infallible {
        loop {
            // A detached wait is not cancelled, so there is no error to look at.
            let _ = ctx.wait_condition_with_options(|s| s.record.late_look().is_some(), detached()).await;
            let Some(look) = ctx.state(|s| s.record.late_look().cloned()) else { continue };
            if !Self::is_due(ctx, &look).await {
                continue;
            }
            let commit = look.release.commit.short();
            let options =
                options::look(&WorkflowCancellationToken::new(), format!("whether {commit} serves after all"));
            let looked = ctx.execute_activity(activities::AwaitRollout, look.wait.late(), options).await;
            let serves = looked.is_ok_and(|looked| looked.outcome == Outcome::Complete);
            Self::take(ctx, Message::LookedLate { look: Box::new(look), serves });
            publish(ctx);
        }
    }

    /// Waits for the time of a look. Returns false if there is nothing to look for any more.
    async fn is_due(ctx: &WorkflowContext<Self>, look: &LateLook) -> bool {
        let pause = Duration::from_millis(look.next_ms.saturating_sub(now_ms(ctx)));
        let token = WorkflowCancellationToken::new();
        let timer = TimerOptions::builder(pause).cancellation_token(token.clone());
        select! {
            _ = ctx.timer(timer.summary("before the next look at the failed release".to_owned()).build()) => true,
            _ = ctx.wait_condition_with_options(|s| s.record.late_look() != Some(look), detached()) => {
                token.cancel();
                false
            }
        }
    }
}
