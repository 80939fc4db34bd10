//! Recording of histories, which a test replays.

use std::path::Path;

use temporalio_client::{Client, WorkflowHandle};
use temporalio_common::HasWorkflowDefinition;

/// Records a workflow's history as `NAME.json`, if `BERTH_RECORD_HISTORIES` names a folder.
pub async fn record<W: HasWorkflowDefinition>(name: &str, workflow: &WorkflowHandle<Client, W>) {
    let Some(folder) = std::env::var_os("BERTH_RECORD_HISTORIES") else { return };
    let history = workflow.fetch_history(Default::default()).to_json().await.unwrap();
    std::fs::write(Path::new(&folder).join(format!("{name}.json")), history).unwrap();
}
