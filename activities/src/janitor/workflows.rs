//! The running previews of an app, by Temporal's visibility.

use berth_workflows::contract::{
    environment::EnvironmentKind, janitor::ListedWorkflow, search_attributes::PHASE, verdict::FailureType,
};
use futures::TryStreamExt;
use temporalio_client::{Client, WorkflowListOptions};

use crate::failure::Failure;

/// Bound on the list. Many more previews than a cluster has room for.
const MAX_WORKFLOWS: usize = 1000;

/// Lists the running previews of an app, at most 1000.
///
/// # Errors
/// Temporal does not answer: `NotObserved`, retried.
pub async fn list_workflows(client: &Client, app: &str) -> Result<Vec<ListedWorkflow>, Failure> {
    let query = format!("WorkflowType = 'PreviewEnvironment' AND BerthApp = '{app}' AND ExecutionStatus = 'Running'");
    let listed = client.list_workflows(query, WorkflowListOptions::builder().limit(MAX_WORKFLOWS).build());
    let found = listed.try_collect::<Vec<_>>().await.map_err(|error| {
        Failure::transient(FailureType::NotObserved, format!("listing the previews of {app}: {error}"))
    })?;
    Ok(found
        .iter()
        .filter_map(|one| {
            Some(ListedWorkflow {
                pr: EnvironmentKind::from_workflow_id(app, one.id())?.pr()?,
                run_id: one.run_id().to_owned(),
                phase: one.search_attributes().get(&PHASE).unwrap_or_default(),
            })
        })
        .collect())
}
