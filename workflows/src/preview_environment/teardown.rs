//! Teardown of a closed pull request's environment, until it is verified gone.

use std::time::Duration;

use temporalio_workflow::{TimerOptions, WorkflowCancellationToken, WorkflowContext, WorkflowTermination};

use super::{PreviewEnvironment, record::TEARDOWN_BLOCKED};
use crate::{
    activity_options as options,
    contract::{
        activity_definitions as activities,
        environment::{Environment, EnvironmentKind, PullRequest},
        teardown::{DeleteInput, LeakReport, Remaining},
        verdict::FailureType,
    },
    environment::{
        answers::await_handlers,
        publish::publish,
        reporting::{resume_reporting, stop_reporting},
    },
    failure::{self, Unfinished},
};

/// The first pause after an attempt that did not remove everything. It doubles each time.
const FIRST_PAUSE: Duration = Duration::from_secs(5);

impl PreviewEnvironment {
    /// Removes the environment. Tries for ever, and reports meanwhile which objects remain and why.
    ///
    /// It runs on a detached token, since a cancel is one of its causes. The error is a continue-as-new.
    pub(super) async fn tear_down(
        ctx: &WorkflowContext<Self>,
        pull_request: &PullRequest,
    ) -> Result<LeakReport, WorkflowTermination> {
        let is_begun = ctx.state(|s| s.record.teardown.is_some());
        let longest = Duration::from_secs(pull_request.timings.teardown_retry_seconds);
        let mut pause = if is_begun { longest } else { FIRST_PAUSE.min(longest) };
        ctx.state_mut(|s| {
            s.record.mailbox.take_close();
            s.record.tearing_down = true;
        });
        publish(ctx);
        loop {
            let report = Self::delete_environment(ctx, pull_request).await;
            if report.remaining.is_empty() {
                ctx.state_mut(|s| s.record.forget_environment());
                return Ok(report);
            }
            ctx.state_mut(|s| {
                s.record.teardown = Some(report);
                s.record.mailbox.queue.answer_queued(TEARDOWN_BLOCKED);
            });
            publish(ctx);
            let until_next = TimerOptions::builder(pause)
                .cancellation_token(WorkflowCancellationToken::new())
                .summary("before the next attempt at the teardown".to_owned());
            ctx.timer(until_next.build()).await;
            if Self::may_continue(ctx, pull_request) {
                ctx.state_mut(|s| s.record.was_cancelled |= ctx.cancellation_token().is_cancelled());
                Self::continue_as_new(ctx, pull_request)?;
            }
            pause = (pause * 2).min(longest);
        }
    }

    /// Makes one attempt. An error counts as an object that remains: `status` shows it, and the next attempt follows.
    ///
    /// The names are the recorded ones, never those of the app file, which may have changed. A run that has recorded none
    /// may follow one that was terminated: objects of that one are found by the workflow's label.
    async fn delete_environment(ctx: &WorkflowContext<Self>, pull_request: &PullRequest) -> LeakReport {
        let (recorded, before) = ctx.state(|s| (s.record.book.environment.clone(), s.record.teardown.clone()));
        let workflow_id = pull_request.workflow_id();
        let (environment, object) = match recorded {
            Some(environment) => {
                let object = format!("Namespace/{}", environment.namespace);
                (environment, object)
            }
            None => {
                let object = format!("Environment/{workflow_id}");
                let kind = EnvironmentKind::Preview { pr: pull_request.pr };
                (Environment::unrecorded(&pull_request.app, kind, workflow_id), object)
            }
        };
        let options = options::delete_environment(
            &WorkflowCancellationToken::new(),
            format!("remove {object} and verify that it is gone"),
            pull_request.timings.teardown_seconds,
        );
        let databases = Self::drop_database(ctx, &environment).await;
        let known = before.map(|before| before.remaining).unwrap_or_default();
        let delete = DeleteInput { environment, timings: pull_request.timings.in_force(None), known };
        let rest = match ctx.execute_activity(activities::DeleteEnvironment, delete, options).await {
            Ok(report) => report,
            Err(e) => LeakReport::failed(object, &failure::from_activity(&e, FailureType::TeardownBlocked)),
        };
        databases.and(rest)
    }

    /// Drops the environment's isolated databases, if it has any. The rest is removed even if the server is unreachable.
    async fn drop_database(ctx: &WorkflowContext<Self>, environment: &Environment) -> LeakReport {
        let Some((name, server)) = environment.isolated_database() else { return LeakReport::default() };
        let options = options::drop_database(
            &WorkflowCancellationToken::new(),
            format!("drop database {name} on {server} and verify that it is gone"),
        );
        match ctx.execute_activity(activities::DropDatabase, environment.clone(), options).await {
            Ok(report) => report,
            Err(e) => {
                let unfinished = failure::from_activity(&e, FailureType::DatabaseUnavailable);
                LeakReport::failed(format!("Database/{name}"), &unfinished)
            }
        }
    }

    /// Whether a push has come since the close, or the pull request was opened again.
    pub(super) fn is_reopened(ctx: &WorkflowContext<Self>) -> bool {
        ctx.state_mut(|s| {
            // A second close asks for a teardown that is done already.
            s.record.mailbox.take_close();
            let is_reopened = s.record.mailbox.is_wanted();
            s.record.was_cancelled &= !is_reopened;
            is_reopened
        })
    }

    /// Whether this environment was closed by cancelling its workflow, in this run or in one that it continues.
    pub(super) fn is_cancelled(ctx: &WorkflowContext<Self>) -> bool {
        ctx.cancellation_token().is_cancelled() || ctx.state(|s| s.record.was_cancelled)
    }

    /// Starts a new run for a push that came after a cancel, since this run can only end. Updates that wait for that push
    /// in this run are answered that it is queued.
    pub(super) async fn continue_in_new_run(
        ctx: &WorkflowContext<Self>,
        pull_request: &PullRequest,
    ) -> Result<(), WorkflowTermination> {
        ctx.state_mut(|s| {
            s.record.mailbox.queue.answer_queued("the old environment was cancelled; a new one is being made")
        });
        await_handlers(ctx).await;
        stop_reporting(ctx).await;
        Self::continue_as_new(ctx, pull_request)
    }

    /// Answers everyone, and hands the last report over. Returns whether the workflow may end: a message that came meanwhile
    /// is for a new environment.
    pub(super) async fn end(ctx: &WorkflowContext<Self>, pull_request: &PullRequest) -> bool {
        Self::answer_all_waiters(ctx).await;
        Self::report_end(ctx, pull_request).await;
        // From here to the end there is no wait, so nothing comes between.
        let is_reopened = Self::is_reopened(ctx);
        if is_reopened {
            ctx.state_mut(|s| {
                s.record.closed = false;
                // The last report is stopped before the first one of the new environment.
                s.record.reports.is_alone = false;
            });
            resume_reporting(ctx);
            publish(ctx);
        }
        !is_reopened
    }

    /// Waits until every update has its answer. An open one would be an error to its caller.
    pub(super) async fn answer_all_waiters(ctx: &WorkflowContext<Self>) {
        ctx.state_mut(|s| {
            s.record.closed = true;
            // The last report is another workflow's.
            s.reporting.end();
        });
        publish(ctx);
        await_handlers(ctx).await;
    }
}

impl LeakReport {
    /// Both reports as one.
    fn and(mut self, other: Self) -> Self {
        self.gone.extend(other.gone);
        self.remaining.extend(other.remaining);
        self
    }

    /// The report of an attempt that failed.
    fn failed(object: String, unfinished: &Unfinished) -> Self {
        let reason = match unfinished {
            Unfinished::Failed(verdict) => verdict.headline(),
            Unfinished::Cancelled => "the attempt was cancelled".to_owned(),
        };
        Self { gone: Vec::new(), remaining: vec![Remaining { object, reason, command: String::new() }] }
    }
}
