//! The record of production in its namespace: it outlives the workflow and its history.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::{
    environment::Environment,
    preparation::SyncedSecrets,
    production::SecretsChoice,
    release::{Name, Release},
};

/// The record of production, as JSON in the ConfigMap `berth-production`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProductionRecord {
    /// The highest number of a release that has begun.
    pub release: u64,
    /// The highest sequence of a release that has begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// The deploy id of the newest rollout.
    pub deploy_id: u64,
    /// The number of the newest rollout.
    pub rollout: u64,
    /// The rollout that has begun and whose end is not recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub begun: Option<BegunRollout>,
    /// The release that serves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live: Option<StoredVersion>,
    /// The last release whose rollout passed its gates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proven: Option<StoredVersion>,
    /// The release that served before the one that serves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub served_before: Option<StoredVersion>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frozen: Option<Frozen>,
    /// The restore by hand that no workflow has seen yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restored: Option<Restored>,
    /// Digests of the newest releases that have begun, oldest first, to recognise one that a reset delivers again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recent: Vec<String>,
}

/// A release, and where its objects and secrets are stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredVersion {
    pub release: Release,
    /// The Secret `berth-release-<hash>`.
    pub stored_release: String,
    pub secrets: SyncedSecrets,
}

/// A rollout that has begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BegunRollout {
    #[serde(flatten)]
    pub version: StoredVersion,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rollback: bool,
    /// The id of its workflow.
    pub rollout: String,
}

/// Why no release begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Frozen {
    pub reason: String,
    pub by: String,
    /// Unix time in milliseconds.
    pub since_ms: u64,
}

/// A restore by hand, while Temporal was away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    pub version: StoredVersion,
    pub by: Name,
    /// Unix time in milliseconds.
    pub at_ms: u64,
}

/// The input of `recall_production`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecallInput {
    pub environment: Environment,
}

/// The record as it is in the namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recalled {
    /// None if there is none yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<ProductionRecord>,
    /// Its resourceVersion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// The input of `record_production`: the record to write over the version that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordInput {
    pub environment: Environment,
    pub record: ProductionRecord,
    /// The resourceVersion that it replaces. None: there is no record yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Facts to note on a stored release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<ReleaseMark>,
}

/// Facts about a stored release, kept as its annotations. Those that are none stay as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReleaseMark {
    pub stored_release: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub released_by: Option<Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rolled_back_by: Option<Name>,
    /// Unix time in milliseconds at which its rollout passed its gates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proven_ms: Option<u64>,
    /// Unix time in milliseconds at which its rollout failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed_ms: Option<u64>,
}

/// The result of `record_production`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Recorded {
    Written {
        /// The new resourceVersion.
        version: String,
    },
    /// Another writer came first: the record as it is now.
    Conflict(Box<Recalled>),
}

/// The input of `find_rollback`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindRollbackInput {
    pub environment: Environment,
    /// The number of a release. None: the last proven one that differs from what serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serving: Option<StoredVersion>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub served_before: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets: Option<SecretsChoice>,
    /// Doppler's secrets as they are now, once the choice is known to be `current`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<SyncedSecrets>,
}

/// The result of `find_rollback`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum FoundRollback {
    Found {
        version: StoredVersion,
        secrets: SecretsChoice,
        /// Keys whose values differ from those that run now: names only, at most 50.
        #[serde(default)]
        changed_keys: Vec<String>,
    },
    /// The release is to run with the current secrets, which the caller has to sync first.
    NeedsCurrentSecrets,
    /// There is nothing to roll back to, or no such release.
    None { reason: String },
}
