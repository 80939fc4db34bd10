//! The plan of a release: what it would change, computed before its first write.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::{
    environment::{ClusterObject, Environment},
    preparation::SyncedSecrets,
    release::Release,
};

/// The input of `plan_release`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanReleaseInput {
    pub environment: Environment,
    /// The release, with its number.
    pub release: Release,
    /// `KUBE_DEPLOY_ID` in the manifests. A release keeps it from its first plan on, so that a plan can be compared.
    pub deploy_id: u64,
    pub secrets: SyncedSecrets,
    /// The stored release that serves, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serving: Option<String>,
    /// Stored releases that stay. With them, leftovers of plans that were never rolled out are removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<Vec<String>>,
    /// How many proven releases stay besides, newest first.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub keep_proven: usize,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// The result of `plan_release`. Everything that the rollout needs is stored in the namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedRelease {
    /// The Secret `berth-release-<hash>` with the rendered objects.
    pub stored_release: String,
    pub secrets: SyncedSecrets,
    pub plan: ReleasePlan,
    /// Cluster-scoped objects that its rollout makes, recorded before they are made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cluster_objects: Vec<ClusterObject>,
}

/// The changes that a release would make: names only, at most [`ReleasePlan::MAX_BYTES`]. The full difference is in the
/// Secret `berth-plan-<id>` of the namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReleasePlan {
    /// A hash of the rendered objects, the release's named images and variables, the Secret, and the release that serves.
    pub id: String,
    /// The images before, by container; none for a first release.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<ImageChange>,
    /// The variables of the push that differ from those of the release that serves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<VariableChange>,
    /// The commit that serves now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_commit: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub created: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<String>,
    pub unchanged: usize,
    /// The names of secrets whose values differ from those that run now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed_secrets: Vec<String>,
    /// Workloads that cannot roll without a gap, each with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<String>,
    /// Changes that a rollback cannot undo.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub irreversible: Vec<String>,
    /// Parts that no dry run could check, each with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_checked: Vec<String>,
    /// Other remarks: on the manifests, on isolation, on volumes that stay.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// How many entries were left out of these lists.
    #[serde(default)]
    pub omitted: usize,
}

impl ReleasePlan {
    /// Bound on a plan as JSON: it is part of histories and of `status`.
    pub const MAX_BYTES: usize = 4 * 1024;
}

/// The image of a container that differs from the one that serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImageChange {
    /// `Deployment/web, container web`.
    pub container: String,
    /// None for a new container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// None for a container that goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// A variable of the push that differs from the one of the release that serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VariableChange {
    pub name: String,
    /// None for a new variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// None for a variable that goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}
