//! Phase of an environment and outcomes of its rollouts: parts of its status.

use serde::{Deserialize, Serialize};

use crate::contract::{
    release::{Commit, Name, Release},
    signals::DeployOutcome,
    verdict::Verdict,
};

/// The phase of an environment: the search attribute `BerthPhase`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, strum::IntoStaticStr)]
pub enum Phase {
    /// Nothing has been pushed yet.
    AwaitingPush,
    /// The newest push comes from a fork and is not approved yet.
    AwaitingApproval,
    RollingOut,
    Live,
    /// The newest rollout failed. The previous release may still serve.
    Failed,
    TearingDown,
    /// An object could not be removed: `status` names it, and the teardown is retried.
    TeardownBlocked,
    Closed,
    /// Nothing has been released to production yet.
    AwaitingRelease,
    /// The plan of a release is being made.
    Planning,
    /// No release begins until a person unfreezes.
    Frozen,
    /// An earlier release is being made to serve again.
    RollingBack,
    /// An earlier release serves again, since the newest one failed.
    RolledBack,
    /// A rollback failed. It is tried again.
    RollbackFailed,
    /// Nothing can be seen of the release that is being rolled out.
    NotObserved,
    /// A phase that only a newer version of berth knows. None is in it.
    #[serde(other)]
    #[schemars(skip)]
    Unknown,
}

impl Phase {
    /// The stable name.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// The newest rollout, which failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Failed {
    pub release: Release,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<String>,
    pub verdict: Verdict,
}

/// The outcome of a commit that was pushed, whether or not its rollout began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RecentPush {
    pub commit: Commit,
    pub outcome: DeployOutcome,
    /// The reason, in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// An entry in the list of past rollouts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PastRollout {
    pub number: u64,
    pub commit: String,
    pub outcome: DeployOutcome,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<Name>,
    pub ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// The number of the release, in production.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<u64>,
    /// Whether it led back to that release.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rollback: bool,
}
