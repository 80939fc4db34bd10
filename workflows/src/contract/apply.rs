//! Inputs and results of applying a release and pruning after it.

use serde::{Deserialize, Serialize};

use crate::contract::{
    environment::{ClusterObject, Environment},
    preparation::SyncedSecrets,
    rollout_input::RolloutInput,
};

/// What `apply_manifests` is to apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplyInput {
    pub deploy: RolloutInput,
    pub secrets: SyncedSecrets,
}

/// What `apply_manifests` did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// The Secret `berth-release-<hash>` that holds the rendered release.
    pub stored_release: String,
    pub plan: Plan,
    /// The workloads to wait for.
    pub workloads: Vec<Workload>,
}

/// What applying changed. Names only; at most [`Plan::MAX_NAMES`] of each, the rest counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub created: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
    pub unchanged: usize,
    /// What the manifests have that berth does in its own way or leaves out, and what looked odd.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// How many names were left out of the lists.
    #[serde(default)]
    pub omitted: usize,
}

impl Plan {
    /// A plan travels in a history: a few KB at most.
    pub const MAX_NAMES: usize = 40;
}

/// A workload of a release, as it was just after it was applied.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Workload {
    /// `Deployment`, `StatefulSet`, `DaemonSet` or `Job`.
    pub kind: String,
    pub name: String,
    /// `metadata.generation` after the apply: a status that has observed less speaks of an older release.
    pub generation: i64,
}

/// What `prune` is to leave: the release that is live now, and those that are to be kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PruneInput {
    pub environment: Environment,
    pub stored_release: String,
    pub keep: Vec<String>,
}

impl PruneInput {
    /// The prune after a rollout that has stored this release.
    pub fn new(rollout: &RolloutInput, stored_release: &str) -> Self {
        Self {
            environment: rollout.environment.clone(),
            stored_release: stored_release.to_owned(),
            keep: rollout.keep.clone(),
        }
    }
}

/// What `prune` removed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pruned {
    #[serde(default)]
    pub removed: Vec<String>,
    /// Cluster-scoped objects that the environment still owns.
    #[serde(default)]
    pub cluster_objects: Vec<ClusterObject>,
}
