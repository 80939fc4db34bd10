//! A look at what serves, before a push of the same version is answered: somebody may have deleted it by hand.

use futures::FutureExt;
use temporalio_workflow::{WorkflowCancellationToken, WorkflowContext, workflows::select};

use super::PreviewEnvironment;
use crate::{
    activity_options as options,
    contract::{activity_definitions as activities, stop_reason::StopReason},
    environment::{answers::detached, book::LookEnd, publish::publish, queue::QueuedRelease, rollouts::stop_reason},
    preview_environment::life::Message,
};

impl PreviewEnvironment {
    /// Looks at what serves, and takes the result in. A close or another push stops it.
    pub(super) async fn look(ctx: &WorkflowContext<Self>, queued: QueuedRelease) {
        let commit = queued.release.commit.short().to_owned();
        let end = match ctx.state(|s| s.record.to_look_for()) {
            None => LookEnd::Missing(None),
            Some(input) => {
                let token = WorkflowCancellationToken::new();
                let options = options::look_at_environment(&token, format!("whether {commit} is still there"));
                let mut looking =
                    std::pin::pin!(ctx.execute_activity(activities::LookAtEnvironment, input, options).fuse());
                select! {
                    seen = looking => match seen.map(|seen| seen.missing) {
                        Ok(None) => LookEnd::Serves,
                        Ok(missing) => LookEnd::Missing(missing),
                        Err(_) => LookEnd::Missing(None),
                    },
                    _ = ctx.wait_condition_with_options(|s| s.record.mailbox.stop_reason().is_some(), detached()) => {
                        token.cancel();
                        LookEnd::Stopped(stop_reason(ctx).unwrap_or(StopReason::EnvironmentCloses))
                    }
                }
            }
        };
        Self::take(ctx, Message::Looked { queued, end });
        publish(ctx);
    }
}
