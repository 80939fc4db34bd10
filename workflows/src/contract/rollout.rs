//! Reports of a rollout: its progress, the objects that it made, and its result.

use serde::{Deserialize, Serialize};
use temporalio_common::{SignalDefinition, UntypedWorkflow};

use crate::contract::{
    apply::Plan,
    checks::{AwaitInput, GatePassed},
    environment::ClusterObject,
    lenient::{Input, Lenient},
    preparation::SyncedSecrets,
    verdict::Verdict,
};

/// Objects that a rollout has made so far. Its environment records them, however the rollout ends.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_uid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets: Option<SyncedSecrets>,
    /// The Secret that holds the rendered release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored_release: Option<String>,
    /// Whether every workload serves the release. From then on it is the serving one, whatever its gates report.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub serves: bool,
    /// Whether objects of the release may be in the environment: its apply has begun, and was not refused as a whole.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub touched: bool,
    /// Cluster-scoped objects, recorded before they are made. After the prune, only those that are left.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cluster_objects: Vec<ClusterObject>,
    /// The wait that has failed, if the workloads may serve the release later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waited: Option<Box<AwaitInput>>,
}

impl Made {
    /// The stored release, once every workload serves it.
    pub fn serving(&self) -> Option<&String> {
        self.stored_release.as_ref().filter(|_| self.serves)
    }
}

/// The result of a rollout that succeeded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolledOut {
    pub url: String,
    pub made: Made,
    pub plan: Plan,
    #[serde(default)]
    pub gates: Vec<GatePassed>,
    #[serde(default)]
    pub pruned: Vec<String>,
    /// Remarks for a person: a prune that failed, volumes that stay.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The duration of each step, in milliseconds and in order.
    pub steps: Vec<StepTime>,
}

/// Details of the failure of a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedRollout {
    pub verdict: Verdict,
    pub made: Made,
    pub steps: Vec<StepTime>,
}

/// The duration of a step, in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepTime {
    pub step: RolloutStep,
    pub ms: u64,
}

/// The current step of a rollout.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
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
    /// A step that only a newer version of berth knows. None is in it.
    #[serde(other)]
    #[schemars(skip)]
    Unknown,
}

impl RolloutStep {
    /// The stable name, as on the wire.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The condition that the step waits for, to be read after "waits for".
    pub fn waits_for(self) -> &'static str {
        match self {
            Self::LoadingApp => "the app file to be read",
            Self::Preparing => "the namespace, and the secrets from Doppler",
            Self::Applying => "the API server to accept the manifests",
            Self::AwaitingRollout => "every workload to serve the release",
            Self::CheckingGates => "the gates",
            Self::Pruning => "the leftovers of the previous release to be removed",
            Self::Unknown => "a step that this version of berth does not know",
        }
    }
}

/// Signal `rollout_step` of the environment: its rollout's progress, and the cluster-scoped objects that are about to
/// be made. No decision depends on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutProgress {
    pub number: u64,
    pub step: RolloutStep,
    /// The condition that it waits for, if it is not the step's usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_for: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cluster_objects: Vec<ClusterObject>,
    /// The Secret that holds the rendered release, once every workload serves it. A stopped rollout cannot report it at
    /// its end: the details of a child's cancellation do not reach its parent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serving: Option<String>,
    /// Why nothing can be seen of the release, while that is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_observed: Option<String>,
    /// The deploy id that the rollout goes on with, if it is not the one of its input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deploy_id: Option<u64>,
    /// Whether objects of the release may be in the environment.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub touched: bool,
}

impl Input for RolloutProgress {
    const EXAMPLE: &'static str = "";
}

/// Definition of the signal `rollout_step`. A rollout sends it to its parent, of any workflow type.
#[derive(Debug, Clone, Copy)]
pub struct RolloutStepSignal;

impl SignalDefinition for RolloutStepSignal {
    type Workflow = UntypedWorkflow;
    type Input = Lenient<RolloutProgress>;

    fn name(&self) -> &str {
        "rollout_step"
    }
}

/// The answer of the query `status` of a rollout.
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
    fn step_name_equals_the_one_on_the_wire() {
        for &step in RolloutStep::VARIANTS {
            assert_eq!(serde_json::to_value(step).unwrap(), step.name());
        }
    }
}
