//! A child that was told to stop and does not: a person has to look at it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A rollout or script run that was told to stop minutes ago and has not ended. Its environment goes on only when it has:
/// there would be two writers otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StuckChild {
    /// Its workflow id.
    pub workflow: String,
    /// Unix time in milliseconds at which it was told to stop.
    pub since_ms: u64,
    /// The command that ends it, for a person who has looked at it.
    pub command: String,
}

impl StuckChild {
    /// A child with that id. `namespace` is Temporal's.
    pub fn new(workflow: impl Into<String>, namespace: &str, since_ms: u64) -> Self {
        let workflow = workflow.into();
        let command = format!("temporal workflow terminate --namespace {namespace} --workflow-id {workflow}");
        Self { workflow, since_ms, command }
    }

    /// One line for a person.
    pub fn remark(&self) -> String {
        format!("{} was told to stop and has not ended; look at it, then run: {}", self.workflow, self.command)
    }
}

/// The input of `report_stuck`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportStuckInput {
    pub app: String,
    pub child: StuckChild,
}

/// The result of `report_stuck`, which the worker counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StuckReported {
    pub app: String,
}
