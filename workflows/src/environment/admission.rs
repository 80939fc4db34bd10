//! Admission: a workflow runs only under the id that follows from its input, so that no environment has two writers.

use temporalio_common::error::ApplicationFailure;
use temporalio_workflow::{WorkflowContext, WorkflowTermination};

use crate::contract::{environment::EnvironmentKind, search_attributes};

/// The failure of a workflow that must not run, since its input or its id is wrong.
pub fn invalid_input(message: String) -> WorkflowTermination {
    ApplicationFailure::builder(anyhow::anyhow!(message))
        .type_name("InvalidInput".into())
        .non_retryable(true) // The input will not change.
        .build()
        .into()
}

/// Refuses any id of an environment's workflow but the expected one. `input` names the input for the error.
pub fn check_id<W>(ctx: &WorkflowContext<W>, input: &str, expected: &str) -> Result<(), WorkflowTermination> {
    if ctx.workflow_id() == expected {
        return Ok(());
    }
    Err(invalid_input(format!("{input} must have the id {expected}")))
}

/// Refuses a child that was not started by the environment that its input names: a stranger's input could name any
/// namespace. `workflow` is the child's type, and `input` names its input for the error.
pub fn check_child<W>(
    ctx: &WorkflowContext<W>,
    workflow: &str,
    environment_id: &str,
    (input, expected): (&str, &str),
) -> Result<(), WorkflowTermination> {
    let info = ctx.info();
    if info.parent().is_none_or(|parent| parent.workflow_id() != environment_id) {
        return Err(invalid_input(format!("a {workflow} is started by its environment, {environment_id}, alone")));
    }
    check_id(ctx, input, expected)
}

/// Publishes the search attributes by which an environment is found. They never change.
pub fn publish_identity<W>(ctx: &WorkflowContext<W>, app: &str, kind: EnvironmentKind) {
    let mut attributes = vec![
        search_attributes::APP.value_set(app.to_owned()),
        search_attributes::ENVIRONMENT.value_set(kind.name().into()),
    ];
    let pr = kind.pr().map(|pr| i64::try_from(pr).unwrap_or(i64::MAX));
    attributes.extend(pr.map(|pr| search_attributes::PULL_REQUEST.value_set(pr)));
    ctx.upsert_search_attributes(attributes);
}
