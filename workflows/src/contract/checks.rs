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

/// The input of `await_rollout`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AwaitInput {
    pub environment: Environment,
    pub workloads: Vec<Workload>,
    /// Unix time in milliseconds at which the wait ends with `NotReady`. A retry keeps the same deadline.
    pub deadline_ms: u64,
    pub timings: Timings,
    /// The Secret with the values to redact from log lines.
    pub secret: String,
    /// The deploy id that every workload must carry. 0: any.
    #[serde(default)]
    pub deploy_id: u64,
}

impl AwaitInput {
    /// The wait for an applied release, starting now. `now_ms` is Unix time in milliseconds.
    pub fn new(rollout: &RolloutInput, applied: &Applied, secrets: &SyncedSecrets, now_ms: u64) -> Self {
        Self {
            environment: rollout.environment.clone(),
            workloads: applied.workloads.clone(),
            deadline_ms: now_ms + rollout.timings.rollout_seconds * 1000,
            timings: rollout.timings.clone(),
            secret: secrets.secret.clone(),
            deploy_id: rollout.deploy_id,
        }
    }
}

/// The end of a wait. A verdict, which a person must read, is a result and not an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    Complete,
    Failed {
        verdict: Verdict,
    },
    /// Nothing could be seen of the release, which says nothing about it.
    NotObserved {
        reason: String,
    },
}

/// The input of `check_gates`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckGatesInput {
    pub environment: Environment,
    pub workloads: Vec<Workload>,
    /// The stored release, which contains the gates.
    pub stored_release: String,
    /// The Secret with the values to redact from responses.
    pub secret: String,
    /// Time, in seconds, for which the workloads must stay up without a restart after the gates.
    #[serde(default)]
    pub stability_seconds: u64,
    /// `TEMPORAL_SERVER_ADDRESS`, if it is not the environment's own. The Temporal gates query the server there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temporal_server_address: Option<String>,
    /// The rollout's deploy id, never reused. A gate starts its workflow once per deploy id, and so once per rollout.
    #[serde(default)]
    pub deploy_id: u64,
}

impl CheckGatesInput {
    /// The check of an applied release's gates.
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

/// The result of `check_gates`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatesChecked {
    pub gates: Vec<GatePassed>,
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// A gate that passed, and the milliseconds that it took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatePassed {
    pub name: String,
    pub ms: u64,
}
