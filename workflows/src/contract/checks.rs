//! Inputs and results of the activities that check an applied release: its workloads, then its gates.

use serde::{Deserialize, Serialize};

use crate::contract::{
    apply::{Applied, Workload},
    environment::Environment,
    preparation::SyncedSecrets,
    rollout_input::RolloutInput,
    timings::Timings,
    verdict::Verdict,
};

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

impl AwaitInput {
    /// The wait for what a rollout has applied, from now on. `now_ms` is Unix time in milliseconds.
    pub fn new(rollout: &RolloutInput, applied: &Applied, secrets: &SyncedSecrets, now_ms: u64) -> Self {
        Self {
            environment: rollout.environment.clone(),
            workloads: applied.workloads.clone(),
            deadline_ms: now_ms + rollout.timings.rollout_seconds * 1000,
            timings: rollout.timings.clone(),
            secret: secrets.secret.clone(),
        }
    }
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

impl CheckGatesInput {
    /// The gates of what a rollout has applied.
    pub fn new(rollout: &RolloutInput, applied: &Applied, secrets: &SyncedSecrets) -> Self {
        let address = &secrets.temporal_server_address;
        Self {
            environment: rollout.environment.clone(),
            workloads: applied.workloads.clone(),
            stored_release: applied.stored_release.clone(),
            secret: secrets.secret.clone(),
            stability_seconds: rollout.timings.stability_seconds,
            temporal_server_address: secrets.temporal_server_address_from_doppler.then(|| address.clone()),
            deploy_id: rollout.deploy_id,
        }
    }
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
