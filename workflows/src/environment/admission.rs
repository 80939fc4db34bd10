//! Admission: a workflow runs only under the id that follows from its input, so that no environment has two writers.

use std::time::Duration;

use temporalio_common::{error::ApplicationFailure, protos::temporal::api::enums::v1::ContinueAsNewInitiator};
use temporalio_workflow::{WorkflowContext, WorkflowContextView, WorkflowTermination};

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

/// Refuses a start with an option by which the server ends the workflow, or begins it again, by itself: nothing of what it
/// watches over would be removed then. The option is named as the `temporal` CLI names it.
pub fn check_start<W>(ctx: &WorkflowContext<W>) -> Result<(), WorkflowTermination> {
    let info = ctx.info();
    // A version of berth before this rule may have let it start. It has an environment by now.
    if continues_a_run(&info) {
        return Ok(());
    }
    let Some(option) = ending_option(&info).filter(|_| ctx.patched("start-options")) else { return Ok(()) };
    Err(invalid_input(format!(
        "started with {option}: the server would end this workflow or begin it again by itself, and leave its environment; \
         start it without"
    )))
}

/// Whether a run continues another one by its own decision. A run that the server begins again for one (a cron schedule, a
/// retry policy) does not.
pub fn continues_a_run(info: &WorkflowContextView) -> bool {
    info.first_execution_run_id() != info.run_id()
        && info.raw().continued_initiator() == ContinueAsNewInitiator::Workflow
}

fn ending_option(info: &WorkflowContextView) -> Option<&'static str> {
    let is_set = |timeout: Option<Duration>| timeout.is_some_and(|timeout| !timeout.is_zero());
    [
        ("--execution-timeout", is_set(info.execution_timeout())),
        ("--run-timeout", is_set(info.run_timeout())),
        ("a retry policy", info.retry_policy().is_some()),
        ("--cron", info.cron_schedule().is_some()),
    ]
    .into_iter()
    .find_map(|(option, is_set)| is_set.then_some(option))
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
