//! What a rollout tells: how far it is, what it has made, and how it ended.

use serde::{Deserialize, Serialize};
use temporalio_common::{SignalDefinition, UntypedWorkflow};

use crate::contract::{
    apply::Plan,
    checks::GatePassed,
    environment::ClusterObject,
    lenient::{Input, Lenient},
    preparation::SyncedSecrets,
    verdict::Verdict,
};

/// What a rollout has made by now: its environment keeps it, however the rollout ends.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_uid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets: Option<SyncedSecrets>,
    /// The Secret that holds the rendered release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored_release: Option<String>,
    /// Whether every workload serves the release: from then on it is what answers, whatever its gates say.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub serves: bool,
    /// What it makes outside every namespace, written down before it is made; after the prune, what is left there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cluster_objects: Vec<ClusterObject>,
}

impl Made {
    /// The stored release, once every workload serves it.
    pub fn serving(&self) -> Option<&String> {
        self.stored_release.as_ref().filter(|_| self.serves)
    }
}

/// The result of a rollout that succeeded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolledOut {
    pub url: String,
    pub made: Made,
    pub plan: Plan,
    #[serde(default)]
    pub gates: Vec<GatePassed>,
    #[serde(default)]
    pub pruned: Vec<String>,
    /// How long each step took, in milliseconds, in the order they were taken.
    pub steps: Vec<StepTime>,
}

/// The details of the failure of a rollout that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedRollout {
    pub verdict: Verdict,
    pub made: Made,
    pub steps: Vec<StepTime>,
}

/// How long a step took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepTime {
    pub step: RolloutStep,
    pub ms: u64,
}

/// Where a rollout is.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum RolloutStep {
    LoadingApp,
    Preparing,
    Applying,
    AwaitingRollout,
    CheckingGates,
    Pruning,
}

impl RolloutStep {
    /// The stable name, as on the wire.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// What a person who waits wants to know.
    pub fn waits_for(self) -> &'static str {
        match self {
            Self::LoadingApp => "the app file to be read",
            Self::Preparing => "the namespace, and the secrets from Doppler",
            Self::Applying => "the API server to take the manifests",
            Self::AwaitingRollout => "every workload to serve the release",
            Self::CheckingGates => "the gates",
            Self::Pruning => "what the release before left to be removed",
        }
    }
}

/// Signal `rollout_step` of the environment: how far its rollout is, and what it is about to make that outlives a
/// namespace. Nothing is decided by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutProgress {
    pub number: u64,
    pub step: RolloutStep,
    /// What it waits for, where that is not what the step usually waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_for: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cluster_objects: Vec<ClusterObject>,
    /// Once every workload serves it: the Secret that holds the rendered release. A rollout that is stopped cannot say it in its
    /// end: the details of a child's cancellation do not reach its parent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serving: Option<String>,
}

impl Input for RolloutProgress {
    const EXAMPLE: &'static str = "";
}

/// Definition of the signal `rollout_step`. A rollout sends it to its parent, whatever workflow that is.
#[derive(Debug, Clone, Copy)]
pub struct RolloutStepSignal;

impl SignalDefinition for RolloutStepSignal {
    type Workflow = UntypedWorkflow;
    type Input = Lenient<RolloutProgress>;

    fn name(&self) -> &str {
        "rollout_step"
    }
}

/// Query `status` of a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutStatus {
    pub step: RolloutStep,
    pub waiting_for: String,
    pub made: Made,
    pub steps: Vec<StepTime>,
}

#[cfg(test)]
mod tests {
    use strum::VariantArray;

    use super::*;

    #[test]
    fn step_name_is_the_one_on_the_wire() {
        for &step in RolloutStep::VARIANTS {
            assert_eq!(serde_json::to_value(step).unwrap(), step.name());
        }
    }
}
