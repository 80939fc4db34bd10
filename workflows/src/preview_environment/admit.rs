//! Admission of a preview's workflow, by its input and its id.

use temporalio_workflow::{WorkflowContext, WorkflowTermination};

use super::PreviewEnvironment;
use crate::{
    contract::{
        environment::{EnvironmentKind, PullRequest},
        status::Status,
    },
    environment::{
        admission::{check_id, check_start, publish_identity},
        publish::publish,
    },
};

impl PreviewEnvironment {
    /// Refuses an input that is not one, and any id but the one that follows from it.
    pub(super) fn admit(ctx: &WorkflowContext<Self>) -> Result<PullRequest, WorkflowTermination> {
        let input = ctx.state(|s| s.input.clone())?;
        check_start(ctx)?;
        check_id(ctx, &format!("app {} and pr {}", input.app, input.pr), &input.workflow_id())?;
        publish_identity(ctx, &input.app, EnvironmentKind::Preview { pr: input.pr });
        publish(ctx);
        Ok(input)
    }

    pub(super) fn to_status(&self) -> Status {
        match &self.input {
            Ok(input) => Status::new(&input.app, input.pr, &self.record),
            Err(_) => Status::new("", 0, &self.record),
        }
    }
}
