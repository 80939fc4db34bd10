//! Children of an environment's workflow: its rollouts and its script runs.

use temporalio_common::{error::StartChildWorkflowExecutionFailedCause, search_attributes::SearchAttributes};
use temporalio_workflow::{
    ChildWorkflowOptions, ChildWorkflowStartError, ParentClosePolicy, WorkflowCancellationToken,
};

use crate::contract::{environment::Environment, release::Name, search_attributes};

/// A child to start, and the facts by which it is found.
#[derive(Debug)]
pub struct Child<'a> {
    pub workflow_id: String,
    pub summary: String,
    pub commit: &'a str,
    pub author: Option<&'a Name>,
    /// The search attribute `BerthPhase` at its start.
    pub phase: &'static str,
}

impl Child<'_> {
    /// Options of the child in its environment. Cancelling the token cancels it, and the end of its parent does, too.
    pub fn options(self, environment: &Environment, token: &WorkflowCancellationToken) -> ChildWorkflowOptions {
        let mut attributes = vec![
            search_attributes::APP.value_set(environment.app.clone()),
            search_attributes::ENVIRONMENT.value_set(environment.kind.name().into()),
            search_attributes::COMMIT.value_set(self.commit.to_owned()),
            search_attributes::PHASE.value_set(self.phase.into()),
        ];
        let pr = environment.kind.pr().and_then(|pr| i64::try_from(pr).ok());
        attributes.extend(pr.map(|pr| search_attributes::PULL_REQUEST.value_set(pr)));
        attributes.extend(self.author.map(|author| search_attributes::AUTHOR.value_set(author.as_str().into())));
        ChildWorkflowOptions::builder()
            .workflow_id(self.workflow_id)
            .cancellation_token(token.clone())
            .parent_close_policy(ParentClosePolicy::RequestCancel)
            .static_summary(self.summary)
            .search_attributes(SearchAttributes::new(attributes))
            .build()
    }
}

/// Whether a child could not be started because its id is taken. A child of a run that was terminated may still be
/// stopping under it; then the next number is free.
pub fn is_id_taken(error: &ChildWorkflowStartError) -> bool {
    matches!(
        error,
        ChildWorkflowStartError::StartFailed {
            cause: StartChildWorkflowExecutionFailedCause::WorkflowAlreadyExists,
            ..
        }
    )
}
