//! The input of `Rollout`.

use serde::{Deserialize, Serialize};

use crate::contract::{
    environment::Environment,
    exact,
    lenient::Input,
    preparation::SyncedSecrets,
    release::Release,
    timings::{AppTimings, StartTimings},
};

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
    /// What the environment's start asked for.
    #[serde(default, skip_serializing_if = "StartTimings::is_default")]
    pub timings: StartTimings,
    /// The limits of the app file, if the environment has read them. A rollout of the manifests reads them itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_timings: Option<AppTimings>,
    /// The stored release that serves, if one does. A refused release is put back to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serving: Option<String>,
    /// The source of the objects.
    #[serde(default, skip_serializing_if = "Source::is_manifests")]
    pub source: Source,
    /// How many proven releases the prune leaves, newest first, besides `keep`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub keep_proven: usize,
}

/// The source of a rollout's objects.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum Source {
    /// The manifests on the worker's disk, rendered by the rollout.
    #[default]
    Manifests,
    /// A release that is stored in the environment already, with its secrets.
    Stored(Box<StoredSource>),
}

/// A stored release to roll out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredSource {
    /// The Secret `berth-release-<hash>`.
    pub stored_release: String,
    pub secrets: SyncedSecrets,
    /// Whether it is a rollback, which neither creates nor deletes a Job.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rollback: bool,
}

impl Source {
    fn is_manifests(&self) -> bool {
        *self == Self::Manifests
    }

    /// The stored release to roll out, if it is one.
    pub fn stored(&self) -> Option<&StoredSource> {
        match self {
            Self::Manifests => None,
            Self::Stored(stored) => Some(stored),
        }
    }
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Input for RolloutInput {
    const EXAMPLE: &'static str = "";

    /// Only berth writes it. A part that this version does not know would have meant something.
    fn from_json(json: &[u8]) -> Result<Self, String> {
        exact::decode(serde_json::from_slice(json).map_err(|e| e.to_string())?)
    }
}

impl RolloutInput {
    /// The id of the rollout's workflow.
    pub fn workflow_id(&self) -> String {
        rollout_id(&self.environment.workflow_id, self.number)
    }
}

/// The type of a rollout's workflow.
pub const ROLLOUT: &str = "Rollout";

/// The workflow id of a `Rollout`, from the id of its environment's workflow and its number.
pub fn rollout_id(environment_id: &str, number: u64) -> String {
    format!("{environment_id}-rollout-{number}")
}

/// Bound on deploy ids: a `PriorityClass` value must stay below it.
pub const DEPLOY_ID_BOUND: u64 = 1_000_000_000;

/// 2026-01-01T00:00:00Z, from which [`RolloutInput::deploy_id`] counts.
pub const DEPLOY_ID_EPOCH_SECONDS: u64 = 1_767_225_600;
