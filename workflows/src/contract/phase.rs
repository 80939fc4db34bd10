//! An environment's phase, and how its rollouts went: parts of its status.

use serde::{Deserialize, Serialize};

use crate::contract::{
    release::{Name, Release},
    signals::DeployOutcome,
    verdict::Verdict,
};

/// What an environment is doing, in one word: the search attribute `BerthPhase`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, strum::IntoStaticStr)]
pub enum Phase {
    /// Nothing has been pushed yet.
    AwaitingPush,
    /// The newest push comes from a fork, and nobody has approved it.
    AwaitingApproval,
    RollingOut,
    Live,
    /// The newest rollout failed. What served before may still serve.
    Failed,
    TearingDown,
    /// Something does not go away: `status` names it, and the teardown goes on trying.
    TeardownBlocked,
    Closed,
}

impl Phase {
    /// The stable name.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// The newest rollout, if it failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Failed {
    pub release: Release,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<String>,
    pub verdict: Verdict,
}

/// One line of the list of past rollouts.
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
}
