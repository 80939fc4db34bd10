//! The loop that reports an environment on GitHub, beside its life. Nothing of its life ever waits for it.

use std::{convert::Infallible, pin::pin, time::Duration};

use futures::FutureExt;
use temporalio_workflow::{
    ActivityExecutionError, TimerOptions, WorkflowCancellationToken, WorkflowContext, workflows::select,
};

use super::{EnvironmentWorkflow, answers::detached};
use crate::{
    activity_options as options,
    contract::{
        activity_definitions::{self as activities, github_task_queue},
        report::{ReportInput, Reported},
    },
    failure::refusal,
    final_report::final_report_id,
    report::{Reports, View, Wanted},
};

/// The pause after a write that GitHub did not take in time. It doubles each time, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(900);

/// The state of the loop. Not carried: a run continues as new when no write is in flight.
#[derive(Debug, Default)]
pub struct Reporting {
    is_writing: bool,
    /// Whether the loop is to end: no further write begins.
    is_over: bool,
    /// How many writes have failed in succession.
    failures: u32,
}

impl Reporting {
    /// Ends the loop: no further write begins.
    pub fn end(&mut self) {
        self.is_over = true;
    }

    /// Whether no write is in flight.
    pub fn is_idle(&self) -> bool {
        !self.is_writing
    }
}

/// An environment that is reported on GitHub.
pub trait ReportedEnvironment: EnvironmentWorkflow {
    /// The view to be shown now. None: nothing is reported.
    fn view(&self) -> Option<View>;

    /// The reports so far.
    fn reports(&self) -> &Reports;
    fn reports_mut(&mut self) -> &mut Reports;

    fn reporting(&self) -> &Reporting;
    fn reporting_mut(&mut self) -> &mut Reporting;
}

/// Writes whatever is to be shown and is not, one thing at a time.
pub async fn report_changes<W: ReportedEnvironment>(ctx: &WorkflowContext<W>) -> Infallible {
    loop {
        // A detached wait is not cancelled, so there is no error to look at.
        let _ = ctx.wait_condition_with_options(|s| next_write(s).is_some(), detached()).await;
        // Production never ends, so it has no last report.
        if ctx.state(|s| !s.reports().is_alone && s.view().is_some_and(|view| view.kind.pr().is_some())) {
            stop_final_report(ctx).await;
        }
        // The view may have changed meanwhile.
        if let Some((view, wanted)) = ctx.state(next_write)
            && let Err(pause) = write(ctx, &view, wanted).await
        {
            wait_out(ctx, pause).await;
        }
    }
}

/// Ends the loop, and waits until no write is in flight. It takes as long as an activity needs to obey a cancellation.
pub async fn stop_reporting<W: ReportedEnvironment>(ctx: &WorkflowContext<W>) {
    ctx.state_mut(|s| s.reporting_mut().end());
    let _ = ctx.wait_condition_with_options(|s| s.reporting().is_idle(), detached()).await;
}

/// Lets the loop go on.
pub fn resume_reporting<W: ReportedEnvironment>(ctx: &WorkflowContext<W>) {
    ctx.state_mut(|s| s.reporting_mut().is_over = false);
}

fn next_write<W: ReportedEnvironment>(workflow: &W) -> Option<(View, Wanted)> {
    if workflow.reporting().is_over {
        return None;
    }
    let view = workflow.view()?;
    let wanted = workflow.reports().next_write(&view)?;
    Some((view, wanted))
}

/// Stops the last report of an earlier environment of the same name. It would overwrite what is shown of this one.
async fn stop_final_report<W: ReportedEnvironment>(ctx: &WorkflowContext<W>) {
    let earlier = ctx.external_workflow(final_report_id(ctx.workflow_id()), None);
    // Most often there is none, which is an error here.
    let _ = earlier.cancel(Some("the environment is back".to_owned())).await;
    ctx.state_mut(|s| s.reports_mut().is_alone = true);
}

/// Makes one write. The error is the pause before the next one.
async fn write<W: ReportedEnvironment>(ctx: &WorkflowContext<W>, view: &View, wanted: Wanted) -> Result<(), Duration> {
    ctx.state_mut(|s| {
        s.reporting_mut().is_writing = true;
        s.reports_mut().begin(&wanted);
    });
    let token = WorkflowCancellationToken::new();
    let input =
        ReportInput { app: view.app.clone(), environment: view.environment.clone(), write: wanted.write.clone() };
    let options = options::report(&token, wanted.summary(), github_task_queue(ctx.task_queue()));
    let mut writing = pin!(ctx.execute_activity(activities::ReportToGithub, input, options).fuse());
    let written = select! {
        written = writing => written,
        _ = ctx.wait_condition_with_options(|s| s.reporting().is_over, detached()) => {
            token.cancel();
            writing.await
        }
    };
    ctx.state_mut(|s| s.conclude_write(wanted, written))
}

/// Waits before the next write, at most until the loop is to end.
async fn wait_out<W: ReportedEnvironment>(ctx: &WorkflowContext<W>, pause: Duration) {
    let token = WorkflowCancellationToken::new();
    let timer = TimerOptions::builder(pause).cancellation_token(token.clone());
    let timer = timer.summary("before the next report to GitHub".to_owned()).build();
    select! {
        _ = ctx.wait_condition_with_options(|s| s.reporting().is_over, detached()) => token.cancel(),
        _ = ctx.timer(timer) => {}
    }
}

/// The end of a write. A blanket implementation keeps it out of the trait.
trait ConcludeWrite {
    fn conclude_write(
        &mut self,
        wanted: Wanted,
        written: Result<Reported, ActivityExecutionError>,
    ) -> Result<(), Duration>;
}

impl<W: ReportedEnvironment> ConcludeWrite for W {
    fn conclude_write(
        &mut self,
        wanted: Wanted,
        written: Result<Reported, ActivityExecutionError>,
    ) -> Result<(), Duration> {
        self.reporting_mut().is_writing = false;
        let error = match written {
            Ok(reported) => {
                self.reporting_mut().failures = 0;
                self.reports_mut().record(wanted, reported);
                return Ok(());
            }
            Err(error) => error,
        };
        let Some((why, is_permanent)) = refusal(&error) else { return Ok(()) };
        if self.reports().trouble.as_ref() != Some(&why) {
            self.note(format!("report to GitHub: {why}"));
        }
        if is_permanent {
            self.reports_mut().refuse(wanted, why);
            return Ok(());
        }
        self.reports_mut().fail(&wanted, why);
        let failures = self.reporting().failures;
        self.reporting_mut().failures = failures.saturating_add(1);
        Err(FIRST_PAUSE.saturating_mul(1 << failures.min(4)).min(LONGEST_PAUSE))
    }
}
