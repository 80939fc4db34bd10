//! Inputs and results of the activities that run a script as a Job.

use serde::{Deserialize, Serialize};

use crate::contract::{environment::Environment, run_script::RunScript};

/// The input of `start_script`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartScriptInput {
    pub environment: Environment,
    pub script: RunScript,
    /// The stored release that serves, for a `CronJob`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored_release: Option<String>,
    /// The Job's name, which is the `ScriptRun`'s id.
    pub job: String,
    /// The run of that id. A Job of an earlier run does not belong to this one.
    pub run_id: String,
}

/// The Job that `start_script` started, or found started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptStarted {
    pub job: String,
    pub container: String,
    /// The other containers of its pod that must end before the script has ended: a `CronJob` may have several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_containers: Vec<String>,
    /// The workload that its pod is modelled on: `Deployment/web` or `CronJob/web-nightly`.
    pub workload: String,
    /// The Secrets that its pod cannot start without. If they cannot be read, none of its output may be shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
}

/// The input of `await_script`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AwaitScriptInput {
    pub environment: Environment,
    pub started: ScriptStarted,
    /// Unix time in milliseconds at which the script's time is up, even if it still runs.
    pub deadline_ms: u64,
}

/// The input of `remove_script`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveScriptInput {
    pub environment: Environment,
    pub job: String,
}

/// The objects that `remove_script` verified gone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptRemoved {
    #[serde(default)]
    pub gone: Vec<String>,
}
