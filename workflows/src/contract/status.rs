//! The answer of the query `status`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::{
    environment::Database,
    phase::{Failed, PastRollout, Phase},
    release::Release,
    rollout::RolloutStep,
    script::RunningScript,
    teardown::LeakReport,
};

/// All that a person asks, in one JSON object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    pub app: String,
    pub pr: u64,
    pub phase: Phase,
    pub url: Option<String>,
    pub temporal_ui: Option<String>,
    pub namespace: Option<String>,
    /// What answers now, apart from how the newest rollout went.
    pub serving: Option<ServingStatus>,
    pub rolling_out: Option<RollingOutStatus>,
    /// The push that begins when what is in the way has ended: a rollout that stops, or a teardown.
    #[serde(default)]
    pub queued: Option<Release>,
    /// The newest rollout, if it failed, with its verdict.
    pub failed: Option<Failed>,
    pub awaiting_approval: Option<Release>,
    pub secrets: Option<SecretsStatus>,
    /// The scripts that run.
    #[serde(default)]
    pub scripts: Vec<RunningScript>,
    /// What the last attempt at a teardown could not remove, and what to do about it.
    pub teardown: Option<LeakReport>,
    /// When the environment will be removed by itself. Nothing does that yet.
    pub expires_at: Option<String>,
    /// The environment's database, if berth sees to one.
    pub database: Option<Database>,
    /// The last ten, oldest first.
    pub rollouts: Vec<PastRollout>,
    /// Inputs that were ignored, and why.
    pub notes: Vec<String>,
}

/// The release that answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServingStatus {
    #[serde(flatten)]
    pub release: Release,
    pub rollout: String,
    /// Unix time in milliseconds.
    pub since_ms: u64,
}

/// The rollout in flight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RollingOutStatus {
    #[serde(flatten)]
    pub release: Release,
    pub rollout: String,
    /// Unix time in milliseconds.
    pub since_ms: u64,
    pub step: RolloutStep,
    pub waiting_for: String,
}

/// Which secrets the environment has: names, never values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecretsStatus {
    pub secret: String,
    pub version: String,
    /// The keys that berth set beside Doppler's, or in place of them.
    pub set_by_berth: Vec<String>,
    pub temporal_server_address: String,
    /// `doppler`, or `environment` where Doppler has no value.
    pub temporal_server_address_from: String,
}

impl Status {
    /// Whether a close has been taken.
    pub fn is_closing(&self) -> bool {
        matches!(self.phase, Phase::TearingDown | Phase::TeardownBlocked | Phase::Closed)
    }

    /// Whether anything has been pushed that `redeploy` could roll out again.
    pub fn has_release(&self) -> bool {
        self.phase == Phase::RollingOut || self.serving.is_some() || self.failed.is_some()
    }
}
