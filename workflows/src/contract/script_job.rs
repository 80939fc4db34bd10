//! Inputs and results of the activities that run a script as a Job.

use serde::{Deserialize, Serialize};

use crate::contract::{environment::Environment, script::RunScript};

/// What `start_script` is to start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartScriptInput {
    pub environment: Environment,
    pub script: RunScript,
    /// The Job's name, which is the `ScriptRun`'s id.
    pub job: String,
    /// Which run of that id: a Job of an earlier one is not this one's.
    pub run_id: String,
}

/// What `start_script` started, or found started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptStarted {
    pub job: String,
    pub container: String,
    /// The pod that it was made after: `Deployment/web`.
    pub workload: String,
    /// The Secrets that its pod cannot start without. Once they cannot be read, nothing that it says may be shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
}

/// What `await_script` waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AwaitScriptInput {
    pub environment: Environment,
    pub started: ScriptStarted,
    /// Unix time in milliseconds at which the script is over, whatever it does.
    pub deadline_ms: u64,
}

/// What `remove_script` is to remove.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveScriptInput {
    pub environment: Environment,
    pub job: String,
}

/// What `remove_script` saw gone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptRemoved {
    #[serde(default)]
    pub gone: Vec<String>,
}
