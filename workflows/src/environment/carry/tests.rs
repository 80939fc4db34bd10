use temporalio_common::error::OutgoingWorkflowError;

use super::*;
use crate::contract::{environment::PullRequest, timings::StartTimings};

#[test]
fn state_that_cannot_be_read_fails_the_task_only() {
    // The SDK fails the workflow task for a payload conversion, and the workflow for every other error.
    let text = match WorkflowTermination::from(Refused::Carried("x".repeat(1000))) {
        WorkflowTermination::Failed(error @ OutgoingWorkflowError::PayloadConversion(_)) => error.to_string(),
        other => panic!("{other:?}"),
    };
    assert!(text.len() < MAX_REASON_BYTES + 100, "{text}");
    let refused = WorkflowTermination::from(Refused::Input("x".into()));
    assert!(matches!(refused, WorkflowTermination::Failed(OutgoingWorkflowError::Application(_))), "{refused:?}");
}

#[test]
fn input_of_an_earlier_run_may_be_beyond_the_bounds_of_a_start() {
    // As an earlier version accepted it.
    let timings = StartTimings { stability_seconds: Some(604_800), ..StartTimings::default() };
    let input = PullRequest { timings, ..PullRequest::new("web", 7) };
    assert!(begun::<_, Value>(input.clone().into()).unwrap_err().contains("timings.stability_seconds"));
    let (continued, _) = continued::<_, Value>(input.clone().into()).unwrap();
    assert_eq!(continued, input);
    let misnamed = PullRequest { app: "Web".into(), ..input };
    assert!(super::continued::<_, Value>(misnamed.into()).unwrap_err().contains("app"));
}
