//! Histories of workflows: their events, and the recording of those that a test replays.

use std::path::Path;

use berth_lab::Lab;
use serde_json::Value;
use temporalio_client::{Client, WorkflowHandle};
use temporalio_common::HasWorkflowDefinition;

/// Records a workflow's history as `NAME.json`, if `BERTH_RECORD_HISTORIES` names a folder.
pub async fn record<W: HasWorkflowDefinition>(name: &str, workflow: &WorkflowHandle<Client, W>) {
    let Some(folder) = std::env::var_os("BERTH_RECORD_HISTORIES") else { return };
    let history = workflow.fetch_history(Default::default()).to_json().await.unwrap();
    std::fs::write(Path::new(&folder).join(format!("{name}.json")), history).unwrap();
}

/// The events of a run as the `temporal` CLI prints them, of the newest run by default.
pub fn events(lab: &Lab, workflow_id: &str, run_id: Option<&str>) -> Vec<Value> {
    let run: Vec<&str> = run_id.iter().flat_map(|run| ["--run-id", *run]).collect();
    let show = ["workflow", "show", "--workflow-id", workflow_id, "-o", "json"];
    let text = lab.temporal(&[&show, &run[..]].concat()).unwrap();
    let mut history: Value = serde_json::from_str(&text).unwrap();
    serde_json::from_value(history["events"].take()).unwrap()
}
