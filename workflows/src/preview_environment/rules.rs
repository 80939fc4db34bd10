//! Routines beside a preview's life: one reads the app file for the pushes that wait for it, one asks GitHub about claimed
//! closes, one checks the proofs of pushes, one reports to GitHub.

use std::{convert::Infallible, pin::pin};

use futures::FutureExt;
use temporalio_workflow::{WorkflowCancellationToken, WorkflowContext, workflows::select};

use super::PreviewEnvironment;
use crate::{
    activity_options as options,
    contract::{
        activity_definitions as activities,
        environment::{EnvironmentKind, PullRequest},
        load_app::LoadAppInput,
        verdict::FailureType,
    },
    environment::{answers::detached, publish::publish, reporting::report_changes},
    failure::{self, Unfinished},
    preview_environment::life::Message,
};

impl PreviewEnvironment {
    /// Lives the environment's life, with the routines beside it.
    pub(super) async fn beside<T>(
        ctx: &WorkflowContext<Self>,
        pull_request: &PullRequest,
        life: impl Future<Output = T>,
    ) -> T {
        let mut life = pin!(life.fuse());
        let mut rules = pin!(Self::keep_rules(ctx, pull_request).fuse());
        let mut confirmations = pin!(Self::confirm_closes(ctx, pull_request).fuse());
        let mut proofs = pin!(Self::check_proofs(ctx).fuse());
        let mut late_looks = pin!(Self::look_late(ctx).fuse());
        let mut reports = pin!(report_changes(ctx).fuse());
        select! {
            ended = life => ended,
            never = rules => match never {},
            never = confirmations => match never {},
            never = proofs => match never {},
            never = late_looks => match never {},
            never = reports => match never {},
        }
    }

    /// Reads the app file whenever a push cannot be judged without it.
    async fn keep_rules(ctx: &WorkflowContext<Self>, pull_request: &PullRequest) -> Infallible {
        let PullRequest { app, pr, .. } = pull_request;
        loop {
            // A detached wait is not cancelled, so there is no error to look at.
            let _ = ctx.wait_condition_with_options(|s| s.record.mailbox.facts.are_rules_due(), detached()).await;
            let names = LoadAppInput::names(app, EnvironmentKind::Preview { pr: *pr }, &pull_request.workflow_id());
            let summary = format!("what the app file of {app} says of pull requests");
            let options = options::load_app(&WorkflowCancellationToken::new(), summary);
            let loaded = ctx.execute_activity(activities::LoadApp, names, options).await;
            let read = match loaded.map_err(|e| failure::from_activity(&e, FailureType::NotObserved)) {
                Ok(loaded) => Message::Rules(Ok(loaded.github)),
                Err(Unfinished::Failed(verdict)) if verdict.failure == FailureType::UnknownApp => {
                    Message::UnknownApp(verdict)
                }
                Err(Unfinished::Failed(verdict)) => Message::Rules(Err(verdict.headline())),
                Err(Unfinished::Cancelled) => Message::Rules(Err("the reading was cancelled".to_owned())),
            };
            Self::take(ctx, read);
            publish(ctx);
        }
    }
}
