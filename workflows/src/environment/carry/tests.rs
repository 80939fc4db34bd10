use temporalio_common::error::OutgoingWorkflowError;

use super::*;

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
