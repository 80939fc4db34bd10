//! The answer of the query `status` of production.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::{
    phase::{Failed, PastRollout, Phase},
    plan::ReleasePlan,
    production_record::{Approval, Frozen, RollbackCause},
    release::{Commit, Name, Release},
    status::{RollingOutStatus, SecretsStatus, ServingStatus},
    stuck::StuckChild,
};

/// The state of production for a person, in one JSON object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProductionStatus {
    pub app: String,
    pub phase: Phase,
    pub url: Option<String>,
    pub temporal_ui: Option<String>,
    pub namespace: Option<String>,
    /// The release that serves now, whatever the result of the newest rollout.
    pub serving: Option<ServingStatus>,
    /// The number of the last release whose rollout passed its gates.
    pub proven: Option<u64>,
    pub rolling_out: Option<ProductionRollout>,
    /// The release that is next.
    pub queued: Option<QueuedStatus>,
    /// Why no release begins.
    pub frozen: Option<Frozen>,
    /// Why the current step is tried again.
    #[serde(default)]
    pub trouble: Option<String>,
    /// The newest release, if it failed, with its verdict.
    pub failed: Option<Failed>,
    /// The automatic rollback that is due.
    pub recovery: Option<RecoveryStatus>,
    pub secrets: Option<SecretsStatus>,
    /// The highest sequence of a release.
    pub sequence: Option<u64>,
    /// The last ten rollouts, oldest first.
    pub rollouts: Vec<PastRollout>,
    /// The last releases that never began, oldest first.
    #[serde(default)]
    pub dropped: Vec<DroppedRelease>,
    /// Rollouts and script runs that were told to stop and do not, each with the command for a person.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stuck: Vec<StuckChild>,
    /// Ignored inputs and other remarks, oldest first.
    pub notes: Vec<String>,
}

/// The rollout in flight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProductionRollout {
    #[serde(flatten)]
    pub rollout: RollingOutStatus,
    /// Why it is a rollback, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<RollbackCause>,
    /// The person who approved it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<String>,
    /// Whether `berth hooks` has signed the approval. If not, the name is a claim.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_approval_proved: bool,
}

/// The release that is next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct QueuedStatus {
    #[serde(flatten)]
    pub release: Release,
    pub waits_for: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<ReleasePlan>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// Whether only a proved approval counts, as the app file says (`approvers: proved`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub needs_proof: bool,
}

/// A release that never began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DroppedRelease {
    /// None: it came after a newer one, and got no number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<u64>,
    pub commit: Commit,
    pub cause: DropCause,
}

/// The cause why a release never began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DropCause {
    /// The release with this number replaced it while it waited.
    ReplacedBy(u64),
    /// This sequence, which is higher than its own, had been seen.
    OlderThan(u64),
    /// A person rejected it.
    Rejected {
        by: Name,
        reason: Option<Name>,
        /// Whether `berth hooks` has signed it. If not, the name is a claim.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        proved: bool,
    },
}

/// The automatic rollback that is due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RecoveryStatus {
    /// The number of the release that failed.
    pub failed: u64,
    /// The release to go back to.
    pub to: Release,
    /// How many tries have failed.
    pub tries: u32,
    /// Unix time in milliseconds of the next try.
    pub next_ms: u64,
}
