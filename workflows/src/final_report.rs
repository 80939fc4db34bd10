//! The last report of an environment that is gone. It has a workflow of its own, since the environment's ends.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{WorkflowContext, WorkflowContextView, WorkflowResult, WorkflowTermination};

use crate::{
    activity_options as options,
    clock::now_ms,
    contract::{
        activity_definitions::{self as activities, github_task_queue},
        lenient::{Input, Lenient},
        report::ReportInput,
    },
    environment::{admission::check_child, carry::unreadable_input},
    failure::refusal,
    report::{Reports, View},
};

/// How long GitHub is asked to take the report. Nobody looks for it later.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// The parts of a report: comment, check run, Deployment and its state.
const PARTS: u32 = 4;

/// The id of the last report of an environment.
pub fn final_report_id(environment: &str) -> String {
    format!("{environment}-report")
}

/// The last view to be shown, and the reports so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinalReportInput {
    pub view: View,
    pub reports: Reports,
}

impl Input for FinalReportInput {
    const EXAMPLE: &'static str = "";
    /// It has a whole status.
    const MAX_BYTES: usize = 256 * 1024;
}

/// The end of the last report.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinallyReported {
    /// How many writes GitHub took.
    pub writes: u32,
    /// Writes that it did not take, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<String>,
}

/// Writes what an environment that is gone has left to say. Only the environment's workflow may start it.
#[workflow]
pub struct FinalReport {
    input: Result<FinalReportInput, String>,
}

#[workflow_methods]
impl FinalReport {
    #[init]
    fn new(_ctx: &WorkflowContextView, input: Lenient<FinalReportInput>) -> Self {
        Self { input: input.0 }
    }

    #[run(name = "FinalReport")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<FinallyReported> {
        // 1. Admit only the report of the environment that has started it.
        let FinalReportInput { view, mut reports } = Self::admit(ctx)?;
        let until_ms = now_ms(ctx) + u64::try_from(LONGEST.as_millis()).unwrap_or(u64::MAX);
        let mut ended = FinallyReported::default();

        // 2. Write one thing after the other, until GitHub has taken or refused each.
        while let Some(wanted) = reports.next_write(&view) {
            let left = Duration::from_millis(until_ms.saturating_sub(now_ms(ctx)));
            let write = wanted.write.clone();
            let input = ReportInput { app: view.app.clone(), environment: view.environment.clone(), write };
            let queue = github_task_queue(ctx.task_queue());
            // One part that GitHub never takes leaves time for the others.
            let share = left / PARTS;
            let options = options::final_report(&ctx.cancellation_token(), wanted.summary(), queue, share);
            match ctx.execute_activity(activities::ReportToGithub, input, options).await {
                Ok(reported) => {
                    ended.writes += 1;
                    reports.record(wanted, reported);
                }
                // 3. A cancel means that the environment is back, and reports itself.
                Err(error) => match refusal(&error) {
                    None => return Err(WorkflowTermination::cancelled_with_details(ended)),
                    Some((why, _)) => {
                        ended.refused.push(format!("{}: {why}", wanted.summary()));
                        reports.refuse(wanted, why);
                    }
                },
            }
        }
        Ok(ended)
    }
}

impl FinalReport {
    fn admit(ctx: &WorkflowContext<Self>) -> Result<FinalReportInput, WorkflowTermination> {
        let input = ctx.state(|s| s.input.clone()).map_err(|why| unreadable_input(ctx, "-report", &why))?;
        let environment = &input.view.environment;
        check_child(ctx, "FinalReport", environment, ("the last report", &final_report_id(environment)))?;
        Ok(input)
    }
}
