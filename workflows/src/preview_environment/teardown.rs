//! Teardown of a closed pull request's environment, until it is verified gone.

use std::time::Duration;

use temporalio_workflow::{
    TimerOptions, WorkflowCancellationToken, WorkflowContext, WorkflowTermination, workflows::select,
};

use super::{PreviewEnvironment, life::Message};
use crate::{
    activity_options as options,
    contract::{
        activity_definitions as activities,
        environment::{Environment, EnvironmentKind, PullRequest},
        teardown::{DeleteInput, LeakReport, Remaining},
        verdict::FailureType,
    },
    environment::{
        answers::{await_handlers, detached},
        publish::publish,
        reporting::stop_reporting,
    },
    failure::{self, Unfinished},
};

/// The first pause.
const FIRST_PAUSE: Duration = Duration::from_secs(5);

impl PreviewEnvironment {
    /// Makes an attempt at the teardown, and takes its report. It runs on a detached token, since a cancel is one of its causes.
    /// Returns the report.
    pub(super) async fn tear_down(ctx: &WorkflowContext<Self>, pull_request: &PullRequest) -> LeakReport {
        publish(ctx);
        let report = Self::delete_environment(ctx, pull_request).await;
        Self::take(ctx, Message::Teardown(report.clone()));
        report
    }

    /// Waits before the next attempt, after so many. The error is a continue-as-new.
    pub(super) async fn pause(
        ctx: &WorkflowContext<Self>,
        pull_request: &PullRequest,
        attempts: u32,
    ) -> Result<(), WorkflowTermination> {
        publish(ctx);
        let token = WorkflowCancellationToken::new();
        let until_next = TimerOptions::builder(pause(attempts, pull_request.timings.teardown_retry_in_force()))
            .cancellation_token(token.clone())
            .summary("before the next attempt at the teardown".to_owned());
        let is_hurried = |s: &Self| s.record.is_hurried() && ctx.patched("hurried-teardown");
        select! {
            _ = ctx.timer(until_next.build()) => {}
            _ = ctx.wait_condition_with_options(is_hurried, detached()) => token.cancel(),
        }
        if Self::may_continue(ctx, pull_request) {
            Self::continue_as_new(ctx, pull_request)?;
        }
        Ok(())
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
            pull_request.timings.in_force(None).teardown_seconds,
        );
        let mut report = Self::drop_database(ctx, &environment).await;
        let known = before.map(|before| before.remaining).unwrap_or_default();
        let delete = DeleteInput { environment, timings: pull_request.timings.in_force(None), known };
        let rest = match ctx.execute_activity(activities::DeleteEnvironment, delete, options).await {
            Ok(report) => report,
            Err(e) => LeakReport::failed(object, &failure::from_activity(&e, FailureType::TeardownBlocked)),
        };
        report.add(rest);
        report
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

    /// Starts a new run for a push that came after a cancel, since this run can only end. Updates that wait for that push
    /// in this run are answered that it is queued.
    pub(super) async fn continue_in_new_run(
        ctx: &WorkflowContext<Self>,
        pull_request: &PullRequest,
    ) -> Result<(), WorkflowTermination> {
        await_handlers(ctx).await;
        stop_reporting(ctx).await;
        // A further push may have come meanwhile.
        await_handlers(ctx).await;
        Self::continue_as_new(ctx, pull_request)
    }

    /// Waits until every update has its answer, and hands the last report over. An open one would be an error to its caller. A
    /// message for a new environment ends the wait: its sender is answered only then.
    pub(super) async fn prepare_end(ctx: &WorkflowContext<Self>, pull_request: &PullRequest) {
        // The last report is another workflow's.
        ctx.state_mut(|s| s.reporting.end());
        publish(ctx);
        let is_ready = |s: &Self| ctx.all_handlers_finished() || s.record.mailbox.is_wanted();
        // A detached wait is not cancelled, so there is no error to look at.
        let _ = ctx.wait_condition_with_options(is_ready, detached()).await;
        if ctx.state(|s| !s.record.mailbox.is_wanted()) {
            Self::report_end(ctx, pull_request).await;
        }
    }
}

/// The pause after so many attempts that did not remove everything. It doubles each time, up to the longest.
fn pause(attempts: u32, longest_seconds: u64) -> Duration {
    let doubled = 1_u32 << attempts.saturating_sub(1).min(20);
    FIRST_PAUSE.saturating_mul(doubled).min(Duration::from_secs(longest_seconds))
}

impl LeakReport {
    /// The report of an attempt that failed.
    fn failed(object: String, unfinished: &Unfinished) -> Self {
        let reason = match unfinished {
            Unfinished::Failed(verdict) => verdict.headline(),
            Unfinished::Cancelled => "the attempt was cancelled".to_owned(),
        };
        Self { remaining: vec![Remaining { object, reason, command: String::new() }], ..Self::default() }
    }
}
