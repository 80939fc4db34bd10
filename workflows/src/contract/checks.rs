//! Inputs and results of the activities that check an applied release: its workloads, then its gates.

use serde::{Deserialize, Serialize};

use crate::contract::{apply::Workload, environment::Environment, timings::Timings, verdict::Verdict};

/// What `await_rollout` waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AwaitInput {
    pub environment: Environment,
    pub workloads: Vec<Workload>,
    /// Unix time in milliseconds at which waiting ends with `NotReady`: a retry does not begin anew.
    pub deadline_ms: u64,
    pub timings: Timings,
    /// The Secret with the values that must not be seen in a log line.
    pub secret: String,
}

/// How a wait ended: what a person must read is a result, not an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    Complete,
    Failed { verdict: Verdict },
}

/// What `check_gates` checks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckGatesInput {
    pub environment: Environment,
    pub workloads: Vec<Workload>,
    /// Whose gates: the stored release has them.
    pub stored_release: String,
    /// The Secret with the values that must not be seen in an answer.
    pub secret: String,
    /// How long the workloads must stay up without a restart after the gates.
    #[serde(default)]
    pub stability_seconds: u64,
    /// `TEMPORAL_SERVER_ADDRESS` where it is not the environment's own: the gates of Temporal ask the server there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temporal_server_address: Option<String>,
    /// The rollout's own number, never used again: what a gate starts is started once in each rollout.
    #[serde(default)]
    pub deploy_id: u64,
}

/// What `check_gates` saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatesChecked {
    pub gates: Vec<GatePassed>,
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// A gate that holds, and how long it took to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatePassed {
    pub name: String,
    pub ms: u64,
}
