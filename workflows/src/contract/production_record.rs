//! The record of production in its namespace: it outlives the workflow and its history.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::{
    environment::Environment,
    exact,
    phase::Failed,
    preparation::SyncedSecrets,
    production::SecretsChoice,
    release::{Name, Release},
};

/// The record of production, as JSON in the `ConfigMap` `berth-production`. A run that continues no other one begins with it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProductionRecord {
    /// The number of the newest release.
    pub release: u64,
    /// The highest sequence of a release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// The deploy id of the newest rollout.
    pub deploy_id: u64,
    /// The number of the newest rollout.
    pub rollout: u64,
    /// The newest release that has not begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queued: Option<QueuedRelease>,
    /// The rollback by hand that has not begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollback: Option<RequestedRollback>,
    /// The rollout that has begun and has not ended, or whose end nobody has seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub begun: Option<BegunRollout>,
    /// The automatic rollback that is due after a failed release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery: Option<Recovery>,
    /// The newest release, if it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<FailedRelease>,
    /// The release that serves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live: Option<StoredVersion>,
    /// The workflow id of the rollout that made it live. Empty after a restore by hand.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub live_rollout: String,
    /// Unix time in milliseconds.
    pub live_since_ms: u64,
    /// The last release whose rollout passed its gates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proven: Option<StoredVersion>,
    /// The release that served before the one that serves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub served_before: Option<StoredVersion>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frozen: Option<Frozen>,
    /// The restore by hand that the workflow has not seen yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restored: Option<Restored>,
    /// Hashes of the newest releases, rollbacks and freezes, oldest first, to recognise one that a reset delivers again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recent: Vec<String>,
}

/// A release that has not begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuedRelease {
    /// The release, with its number.
    pub release: Release,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// `KUBE_DEPLOY_ID` in its manifests, from its first plan on.
    pub deploy_id: u64,
    /// The approval, with the plan that it names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
}

/// A person's approval of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Approval {
    /// The plan's id.
    pub plan: String,
    pub by: Name,
    /// Whether `berth hooks` has signed it. If not, the name is a claim.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub proved: bool,
}

/// A release, and where its objects and secrets are stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredVersion {
    pub release: Release,
    /// The Secret `berth-release-<hash>`.
    pub stored_release: String,
    pub secrets: SyncedSecrets,
}

/// A rollback that a person has asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestedRollback {
    pub version: StoredVersion,
    pub by: Name,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Name>,
    /// Whether `berth hooks` has signed it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub proved: bool,
}

/// A rollout that has begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BegunRollout {
    #[serde(flatten)]
    pub version: StoredVersion,
    /// Whether it is a rollback, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<RollbackCause>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<Name>,
    /// Whether `berth hooks` has signed the approval.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_approval_proved: bool,
}

/// The cause of a rollback.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "cause", rename_all = "snake_case")]
pub enum RollbackCause {
    /// The release with this number failed.
    Failed { release: u64 },
    /// A person asked for it.
    ByHand {
        by: Name,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Name>,
        /// Whether `berth hooks` has signed it. If not, the name is a claim.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        proved: bool,
    },
}

/// The newest release, which failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedRelease {
    pub failed: Failed,
    /// Whether an earlier release serves again in its place.
    pub is_rolled_back: bool,
}

impl FailedRelease {
    /// The same with short texts, to keep.
    pub fn short(&self) -> Self {
        let failed = Failed { verdict: self.failed.verdict.short(), ..self.failed.clone() };
        Self { failed, ..*self }
    }
}

/// The automatic rollback after a failed release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// The number of the release that failed.
    pub failed: u64,
    /// The release to go back to.
    pub to: StoredVersion,
    /// How many tries have failed.
    pub tries: u32,
    /// Unix time in milliseconds of the next try.
    pub next_ms: u64,
}

/// Why no release begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Frozen {
    pub reason: String,
    pub by: String,
    /// Unix time in milliseconds.
    pub since_ms: u64,
    /// Whether `berth hooks` has signed it. If not, the name is a claim.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub proved: bool,
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
    /// None if there is none yet. A part that this version does not know would be lost with the next write.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "exact::field")]
    pub record: Option<ProductionRecord>,
    /// Its resourceVersion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// The input of `record_production`: the record to write over the version that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordInput {
    pub environment: Environment,
    #[serde(deserialize_with = "exact::field")]
    pub record: ProductionRecord,
    /// The resourceVersion that it replaces. None: there is no record yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Facts to note on stored releases.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<ReleaseMark>,
}

/// Facts about a stored release, kept as its annotations. Those that are none stay as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReleaseMark {
    pub stored_release: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub released: Option<Deed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approved: Option<Deed>,
    /// The rollback that leads to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rolled_back: Option<Deed>,
    /// Unix time in milliseconds at which its rollout passed its gates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proven_ms: Option<u64>,
    /// Unix time in milliseconds at which its rollout failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed_ms: Option<u64>,
}

/// A person's deed, and its time. The name is a claim, not a proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deed {
    pub by: String,
    /// Unix time in milliseconds.
    pub at_ms: u64,
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
    /// The number of a release. None: the last one before what serves that was live and differs from it.
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
        version: Box<StoredVersion>,
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
