//! Once the pull request is closed: nothing of it may be left, however long that takes.

use std::time::Duration;

use temporalio_workflow::{
    TimerOptions, WaitConditionOptions, WorkflowCancellationToken, WorkflowContext, WorkflowTermination,
};

use super::PreviewEnvironment;
use crate::{
    activity_definitions::{self as activities, DeleteInput, LeakReport, Remaining},
    activity_options as options,
    environment::{Environment, PullRequest},
    failure::{self, Stop},
    record::Record,
    verdict::FailureType,
};

/// The first pause after an attempt that did not remove everything; it doubles from there.
const FIRST_PAUSE: Duration = Duration::from_secs(5);

impl PreviewEnvironment {
    /// Removes the environment, tries for ever, and says meanwhile what does not go away and why. On a detached token:
    /// a cancel is what brought us here.
    pub(super) async fn tear_down(ctx: &WorkflowContext<Self>, pull_request: &PullRequest) -> LeakReport {
        ctx.state_mut(|s| {
            s.record.mailbox.take_close();
            s.record.tearing_down = true;
            s.record.teardown = None;
        });
        Self::publish_now(ctx);
        let mut pause = FIRST_PAUSE;
        loop {
            let report = Self::delete_environment(ctx, pull_request).await;
            if report.remaining.is_empty() {
                ctx.state_mut(|s| s.record.forget_environment());
                return report;
            }
            ctx.state_mut(|s| s.record.teardown = Some(report));
            Self::publish_now(ctx);
            let until_next = TimerOptions::builder(pause)
                .cancellation_token(WorkflowCancellationToken::new())
                .summary("before the next attempt at the teardown".to_owned());
            ctx.timer(until_next.build()).await;
            pause = (pause * 2).min(Duration::from_secs(pull_request.timings.teardown_retry_seconds));
        }
    }

    /// One attempt. An error is something that remains, too: `status` shows it, and the next attempt follows.
    ///
    /// By what this run has recorded, and by the workflow's label; never by the app file, which may say something else by
    /// now. A run that has recorded nothing may follow one that was terminated: what that one made carries the label.
    async fn delete_environment(ctx: &WorkflowContext<Self>, pull_request: &PullRequest) -> LeakReport {
        let (recorded, before) = ctx.state(|s| (s.record.environment.clone(), s.record.teardown.clone()));
        let workflow_id = pull_request.workflow_id();
        let (environment, object) = match recorded {
            Some(environment) => {
                let object = format!("Namespace/{}", environment.namespace);
                (environment, object)
            }
            None => {
                let object = format!("Environment/{workflow_id}");
                (Environment::nameless(&pull_request.app, Some(pull_request.pr), workflow_id), object)
            }
        };
        let options = options::delete_environment(
            &WorkflowCancellationToken::new(),
            format!("remove {object} and see that it is gone"),
            &pull_request.timings,
        );
        let databases = Self::drop_database(ctx, &environment).await;
        let known = before.map(|before| before.remaining).unwrap_or_default();
        let delete = DeleteInput { environment, timings: pull_request.timings.clone(), known };
        let rest = match ctx.execute_activity(activities::DeleteEnvironment, delete, options).await {
            Ok(report) => report,
            Err(e) => LeakReport::failed(object, &failure::of_activity(&e, FailureType::TeardownBlocked)),
        };
        databases.and(rest)
    }

    /// Drops the environment's databases, if it has its own. A server that is away keeps nothing else from going.
    async fn drop_database(ctx: &WorkflowContext<Self>, environment: &Environment) -> LeakReport {
        let Some((name, server)) = environment.isolated_database() else { return LeakReport::default() };
        let options = options::drop_database(
            &WorkflowCancellationToken::new(),
            format!("drop database {name} on {server} and see that it is gone"),
        );
        match ctx.execute_activity(activities::DropDatabase, environment.clone(), options).await {
            Ok(report) => report,
            Err(e) => {
                let stop = failure::of_activity(&e, FailureType::DatabaseUnavailable);
                LeakReport::failed(format!("Database/{name}"), &stop)
            }
        }
    }

    /// Whether a push has come since the close.
    pub(super) fn is_reopened(ctx: &WorkflowContext<Self>) -> bool {
        // A second close meanwhile asks for what is done already.
        ctx.state_mut(|s| s.record.mailbox.take_close());
        ctx.state(|s| s.record.mailbox.has_mail() || s.record.mailbox.awaiting_approval().is_some())
    }

    /// Starts a fresh run for a push that came after a cancel: this run can only end. Whoever waits for that push in this
    /// run is told that it is in line.
    pub(super) async fn hand_over(
        ctx: &WorkflowContext<Self>,
        pull_request: &PullRequest,
    ) -> Result<(), WorkflowTermination> {
        ctx.state_mut(|s| s.record.mailbox.answer_queued());
        Self::await_handlers(ctx).await;
        Self::continue_as_new(ctx, pull_request)
    }

    /// Lets every update that waits take its answer: one left open would be an error to its caller.
    pub(super) async fn say_goodbye(ctx: &WorkflowContext<Self>) {
        ctx.state_mut(|s| s.record.closed = true);
        Self::publish_now(ctx);
        Self::await_handlers(ctx).await;
    }

    async fn await_handlers(ctx: &WorkflowContext<Self>) {
        let detached = WaitConditionOptions::builder().cancellation_token(WorkflowCancellationToken::new()).build();
        // A detached wait is not cancelled, so there is no error to look at.
        let _ = ctx.wait_condition_with_options(|_| ctx.all_handlers_finished(), detached).await;
    }
}

impl LeakReport {
    /// Both reports as one.
    fn and(mut self, other: Self) -> Self {
        self.gone.extend(other.gone);
        self.remaining.extend(other.remaining);
        self
    }

    /// An attempt that did not come to an answer.
    fn failed(object: String, stop: &Stop) -> Self {
        let reason = match stop {
            Stop::Failed(verdict) => verdict.headline(),
            Stop::Cancelled => "the attempt was cancelled".to_owned(),
        };
        Self { gone: Vec::new(), remaining: vec![Remaining { object, reason, command: String::new() }] }
    }
}

impl Record {
    /// All of it is verified gone: a later push begins anew, under whatever the app file says by then.
    fn forget_environment(&mut self) {
        self.environment = None;
        self.serving = None;
        self.served_before = None;
        self.failed = None;
        self.secrets = None;
        self.tearing_down = false;
        self.teardown = None;
    }
}
