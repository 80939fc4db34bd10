//! A close that somebody claims: GitHub is asked whether the pull request is closed, and only its answer closes.

use std::{convert::Infallible, pin::pin};

use futures::FutureExt;
use temporalio_workflow::{WorkflowCancellationToken, WorkflowContext, workflows::select};

use super::PreviewEnvironment;
use crate::{
    activity_options as options,
    contract::{
        activity_definitions::{self as activities, github_task_queue},
        environment::PullRequest,
        pull_request::PullRequestFacts,
        pull_request_list::ListPullRequestsInput,
    },
    environment::{answers::detached, publish::publish},
    failure::refusal,
    preview_environment::life::Message,
};

/// The question to GitHub. Claims that come while it is asked lead to one more question. Not carried: a run continues as new
/// when GitHub has answered.
#[derive(Debug, Default)]
pub(super) struct Confirmation {
    is_due: bool,
    is_asking: bool,
}

impl Confirmation {
    /// Asks for a question.
    pub(super) fn request(&mut self) {
        self.is_due = true;
    }

    /// Whether nothing is asked, or to be asked.
    pub(super) fn is_idle(&self) -> bool {
        !self.is_due && !self.is_asking
    }
}

impl PreviewEnvironment {
    /// Asks GitHub whenever somebody claims a close. The answer is a message like facts that GitHub has sent.
    pub(super) async fn confirm_closes(ctx: &WorkflowContext<Self>, pull_request: &PullRequest) -> Infallible {
        loop {
            // A detached wait is not cancelled, so there is no error to look at.
            let _ = ctx.wait_condition_with_options(|s| s.confirmation.is_due, detached()).await;
            let is_closing = ctx.state_mut(|s| {
                let is_closing = s.record.is_closing();
                s.confirmation = Confirmation { is_due: false, is_asking: !is_closing };
                is_closing
            });
            if is_closing {
                continue;
            }
            let facts = Self::ask_github(ctx, pull_request).await;
            ctx.state_mut(|s| s.confirmation.is_asking = false);
            Self::take(ctx, Message::Confirmed(facts));
            publish(ctx);
        }
    }

    /// The facts about the pull request as GitHub has them. The error is why they are not known.
    async fn ask_github(ctx: &WorkflowContext<Self>, pull_request: &PullRequest) -> Result<PullRequestFacts, String> {
        let PullRequest { app, pr, .. } = pull_request;
        let token = WorkflowCancellationToken::new();
        let options =
            options::confirm_closed(&token, format!("whether #{pr} is closed"), github_task_queue(ctx.task_queue()));
        let list = ListPullRequestsInput { app: app.clone(), asked: vec![*pr] };
        let mut asking = pin!(ctx.execute_activity(activities::ListPullRequests, list, options).fuse());
        let listed = select! {
            listed = asking => listed,
            _ = ctx.wait_condition_with_options(|s| s.record.is_closing(), detached()) => {
                token.cancel();
                asking.await
            }
        };
        let why = |error| refusal(&error).map_or_else(|| "the environment closes".to_owned(), |(why, _)| why);
        let listed = listed.map_err(why)?;
        listed.facts(*pr).cloned().ok_or_else(|| format!("GitHub has no pull request {pr}"))
    }
}
