//! Inputs and results of applying a release and pruning after it.

use serde::{Deserialize, Serialize};

use crate::contract::{
    environment::{ClusterObject, Environment},
    preparation::SyncedSecrets,
    rollout_input::RolloutInput,
};

/// The input of `apply_release`: a rollout of a release that is stored already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplyStoredInput {
    pub deploy: RolloutInput,
    /// The Secret `berth-release-<hash>` to apply.
    pub stored_release: String,
    /// Whether it is a rollback, which neither creates nor deletes a Job.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rollback: bool,
    /// What the apply before this one waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waited_for: Option<String>,
}

/// The input of `apply_manifests`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplyInput {
    pub deploy: RolloutInput,
    pub secrets: SyncedSecrets,
    /// What the apply before this one waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waited_for: Option<String>,
}

/// The result of `apply_manifests` and of `apply_release`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// The Secret `berth-release-<hash>` that holds the rendered release.
    pub stored_release: String,
    pub plan: Plan,
    /// The workloads to wait for.
    pub workloads: Vec<Workload>,
    /// What keeps the apply waiting, to be read after "waits for": objects that are being deleted. Nothing of the release was
    /// written, and the apply is to be repeated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
}

/// Changes made by an apply: names only, at most [`Plan::MAX_NAMES`] in each list. The rest are counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub created: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
    pub unchanged: usize,
    /// Notes on the manifests: parts that berth replaces or leaves out, and parts that look unusual.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The number of names left out of the lists.
    #[serde(default)]
    pub omitted: usize,
}

impl Plan {
    /// Bound on each list, so that a plan takes a few KB of history at most.
    pub const MAX_NAMES: usize = 40;
}

/// A workload of a release, just after the apply.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Workload {
    /// `Deployment`, `StatefulSet`, `DaemonSet` or `Job`.
    pub kind: String,
    pub name: String,
    /// `metadata.generation` after the apply. A status with a lower observed generation describes an older release.
    pub generation: i64,
    /// The deadline that its manifest writes, in seconds: a Deployment's `progressDeadlineSeconds`, a Job's
    /// `activeDeadlineSeconds`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_seconds: Option<u64>,
}

impl Workload {
    /// A workload whose manifest writes no deadline.
    pub fn new(kind: impl Into<String>, name: impl Into<String>, generation: i64) -> Self {
        Self { kind: kind.into(), name: name.into(), generation, deadline_seconds: None }
    }
}

/// The input of `prune`: the stored releases that it leaves, namely the live one and those to keep.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PruneInput {
    pub environment: Environment,
    pub stored_release: String,
    pub keep: Vec<String>,
    /// How many proven releases are left besides those, newest first.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub keep_proven: usize,
    /// The rollout's deploy id. Nothing is removed once a newer rollout has begun to apply. 0: any.
    #[serde(default)]
    pub deploy_id: u64,
    /// Whether it follows a rollback, which deletes no Job: one of the release that failed may still run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rollback: bool,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl PruneInput {
    /// The input for the prune after a rollout that stored this release.
    pub fn new(rollout: &RolloutInput, stored_release: &str) -> Self {
        Self {
            environment: rollout.environment.clone(),
            stored_release: stored_release.to_owned(),
            keep: rollout.keep.clone(),
            keep_proven: rollout.keep_proven,
            deploy_id: rollout.deploy_id,
            rollback: rollout.source.stored().is_some_and(|stored| stored.rollback),
        }
    }
}

/// The result of `prune`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pruned {
    #[serde(default)]
    pub removed: Vec<String>,
    /// Objects that the release lacks and that stay all the same: volumes of production.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reported: Vec<String>,
    /// Cluster-scoped objects that the environment still owns.
    #[serde(default)]
    pub cluster_objects: Vec<ClusterObject>,
}
