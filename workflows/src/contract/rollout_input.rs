//! The input of `Rollout`.

use serde::{Deserialize, Serialize};

use crate::contract::{environment::Environment, lenient::Input, release::Release, timings::Timings};

/// The input of `Rollout`: make this release serve in that environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutInput {
    pub environment: Environment,
    pub release: Release,
    /// The rollout's number in its environment, from 1.
    pub number: u64,
    /// `KUBE_DEPLOY_ID`: seconds since 2026-01-01 at the rollout's start. It rises from one rollout to the next and is
    /// the same on every retry. Teams use it as a `PriorityClass` value, which must stay below 1,000,000,000.
    pub deploy_id: u64,
    /// Stored releases that must not be pruned: the serving one and the one before it.
    #[serde(default)]
    pub keep: Vec<String>,
    #[serde(default, skip_serializing_if = "Timings::is_default")]
    pub timings: Timings,
}

impl Input for RolloutInput {
    const EXAMPLE: &'static str = "";
}

impl RolloutInput {
    /// The id of the rollout's workflow.
    pub fn workflow_id(&self) -> String {
        rollout_id(&self.environment.workflow_id, self.number)
    }
}

/// The workflow id of a `Rollout`, from the id of its environment's workflow and its number.
pub fn rollout_id(environment_id: &str, number: u64) -> String {
    format!("{environment_id}-rollout-{number}")
}

/// 2026-01-01T00:00:00Z, from which [`RolloutInput::deploy_id`] counts.
pub const DEPLOY_ID_EPOCH_SECONDS: u64 = 1_767_225_600;
