//! A preview's reports on GitHub, and the last one when nothing of it is left.

use std::time::Duration;

use temporalio_common::search_attributes::SearchAttributes;
use temporalio_workflow::{
    ChildWorkflowOptions, ParentClosePolicy, TimerOptions, WorkflowCancellationToken, WorkflowContext,
};

use super::PreviewEnvironment;
use crate::{
    contract::{
        environment::{EnvironmentKind, PullRequest},
        search_attributes,
    },
    environment::{
        EnvironmentWorkflow,
        children::is_id_taken,
        reporting::{ReportedEnvironment, Reporting, stop_reporting},
    },
    final_report::{FinalReport, FinalReportInput, final_report_id},
    report::{Reports, View},
};

/// How often the last report is started, if an earlier one is still being stopped.
const TRIES: u32 = 5;
/// The pause between two tries.
const PAUSE: Duration = Duration::from_secs(2);

impl ReportedEnvironment for PreviewEnvironment {
    fn view(&self) -> Option<View> {
        self.record.view(self.input.as_ref().ok()?, &self.namespace)
    }

    fn reports(&self) -> &Reports {
        &self.record.reports
    }

    fn reports_mut(&mut self) -> &mut Reports {
        &mut self.record.reports
    }

    fn reporting(&self) -> &Reporting {
        &self.reporting
    }

    fn reporting_mut(&mut self) -> &mut Reporting {
        &mut self.reporting
    }
}

impl PreviewEnvironment {
    /// Leaves the last report to a workflow of its own, which may take as long as GitHub needs.
    pub(super) async fn report_end(ctx: &WorkflowContext<Self>, pull_request: &PullRequest) {
        stop_reporting(ctx).await;
        let input = ctx.state(|s| {
            let (view, reports) = (s.view()?, s.record.reports.clone());
            reports.next_write(&view)?;
            Some(FinalReportInput { view, reports })
        });
        let Some(input) = input else {
            let is_stale = ctx.state(|s| s.view().is_none() && !s.record.reports.is_empty());
            if is_stale {
                ctx.state_mut(|s| {
                    s.note("the end is not shown on GitHub: the app file allows no reports now".to_owned())
                });
            }
            return;
        };
        for _ in 0..TRIES {
            let options = final_report_options(pull_request);
            match ctx.start_child_workflow(FinalReport::run, input.clone(), options).await {
                Ok(_) => return,
                Err(e) if is_id_taken(&e) => {}
                Err(e) => return ctx.state_mut(|s| s.note(format!("the last report could not be started: {e}"))),
            }
            let earlier = ctx.external_workflow(final_report_id(ctx.workflow_id()), None);
            // It may have ended by itself.
            let _ = earlier.cancel(Some("a newer report follows".to_owned())).await;
            let pause = TimerOptions::builder(PAUSE).cancellation_token(WorkflowCancellationToken::new());
            ctx.timer(pause.summary("for an earlier report to end".to_owned()).build()).await;
        }
        ctx.state_mut(|s| s.note("the end is not shown on GitHub: an earlier report does not end".to_owned()));
    }
}

fn final_report_options(pull_request: &PullRequest) -> ChildWorkflowOptions {
    let environment = pull_request.workflow_id();
    let summary = format!("the last report of {environment}");
    outliving_child(pull_request, final_report_id(&environment), summary, Some("Reporting"))
}

/// Options of a child that goes on after the end of its preview's workflow.
pub(super) fn outliving_child(
    pull_request: &PullRequest,
    id: String,
    summary: String,
    phase: Option<&str>,
) -> ChildWorkflowOptions {
    let kind = EnvironmentKind::Preview { pr: pull_request.pr };
    let mut attributes = vec![
        search_attributes::APP.value_set(pull_request.app.clone()),
        search_attributes::ENVIRONMENT.value_set(kind.name().into()),
    ];
    attributes.extend(phase.map(|phase| search_attributes::PHASE.value_set(phase.into())));
    let pr = i64::try_from(pull_request.pr).ok();
    attributes.extend(pr.map(|pr| search_attributes::PULL_REQUEST.value_set(pr)));
    ChildWorkflowOptions::builder()
        .workflow_id(id)
        .cancellation_token(WorkflowCancellationToken::new())
        .parent_close_policy(ParentClosePolicy::Abandon)
        .static_summary(summary)
        .search_attributes(SearchAttributes::new(attributes))
        .build()
}
