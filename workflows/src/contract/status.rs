//! The answer of the query `status`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::{
    environment::Database,
    phase::{Failed, PastRollout, Phase, RecentPush},
    pull_request::PullRequestFacts,
    release::Release,
    rollout::RolloutStep,
    script::RunningScript,
    stuck::StuckChild,
    teardown::{LeakReport, Removal},
};

/// The state of an environment for a person, in one JSON object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    pub app: String,
    pub pr: u64,
    pub phase: Phase,
    /// The page, once anything serves.
    pub url: Option<String>,
    /// The page of the environment's own temporal-ui, once anything serves.
    pub temporal_ui: Option<String>,
    pub namespace: Option<String>,
    /// The release that serves now, whatever the result of the newest rollout.
    pub serving: Option<ServingStatus>,
    pub rolling_out: Option<RollingOutStatus>,
    /// The release that is rolled out next, once a stopping rollout or a teardown has ended.
    #[serde(default)]
    pub queued: Option<Release>,
    /// The newest rollout, if it failed, with its verdict.
    pub failed: Option<Failed>,
    pub awaiting_approval: Option<Release>,
    /// The newest push, while it waits for a label or for the end of a draft.
    #[serde(default)]
    pub held: Option<Release>,
    /// Something still to come that the newest commit waits for: `the image of 4f2a9c1`.
    #[serde(default)]
    pub waits_for: Option<String>,
    /// The newest facts about the pull request.
    #[serde(default)]
    pub pull_request: Option<PullRequestFacts>,
    /// The secrets of what serves, or of the first rollout before anything serves.
    pub secrets: Option<SecretsStatus>,
    /// The running scripts.
    #[serde(default)]
    pub scripts: Vec<RunningScript>,
    /// The last attempt at a teardown: the objects that it could not remove, and what to do about them.
    pub teardown: Option<LeakReport>,
    /// The last removal, if the pull request was opened again since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed: Option<Removal>,
    /// The time at which the environment is removed automatically. Not implemented yet: always null.
    pub expires_at: Option<String>,
    /// The environment's database, if the app file declares one.
    pub database: Option<Database>,
    /// The last ten rollouts, oldest first.
    pub rollouts: Vec<PastRollout>,
    /// The outcomes of the last commits, oldest first, also of those that never began. Each commit is there once.
    #[serde(default)]
    pub recent: Vec<RecentPush>,
    /// Rollouts and script runs that were told to stop and do not, each with the command for a person.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stuck: Vec<StuckChild>,
    /// Ignored inputs, each with the reason, and remarks of rollouts.
    pub notes: Vec<String>,
}

/// The release that serves.
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
    /// Why nothing can be seen of the release, while that is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_observed: Option<String>,
}

/// The environment's secrets: names, never values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecretsStatus {
    pub secret: String,
    pub version: String,
    /// The keys that berth set, in addition to Doppler's or in place of them.
    pub set_by_berth: Vec<String>,
    pub temporal_server_address: String,
    /// The source of that address: `doppler`, or `environment` if Doppler has no value.
    pub temporal_server_address_from: String,
}

impl Status {
    /// Whether there is a release that `redeploy` could roll out again.
    pub fn has_release(&self) -> bool {
        self.phase == Phase::RollingOut || self.serving.is_some() || self.failed.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{
        signals::{DeployAnswer, DeployOutcome},
        verdict::FailureType,
    };

    /// A status as a newer version writes it: with a phase, a step, an outcome, a failure type and a field of its own.
    fn of_a_newer_version() -> serde_json::Value {
        let release = serde_json::json!({
            "commit": "4f2a9c1", "image": format!("acme/web@sha256:{}", "a".repeat(64)),
        });
        let rolling_out = serde_json::json!({
            "commit": release["commit"], "image": release["image"], "rollout": "r", "since_ms": 1, "step": "migrating",
            "waiting_for": "the migration",
        });
        let verdict = serde_json::json!({"failure": "MigrationFailed", "message": "no such table"});
        let past = serde_json::json!({"number": 1, "commit": "4f2a9c1", "outcome": "promoted", "ms": 5});
        serde_json::json!({
            "app": "web", "pr": 1, "phase": "Sleeping", "rollouts": [past], "notes": [], "rolling_out": rolling_out,
            "failed": {"release": release, "verdict": verdict}, "wakes_at": "soon",
        })
    }

    #[test]
    fn status_of_a_newer_version_is_shown() {
        let status: Status = serde_json::from_value(of_a_newer_version()).unwrap();
        assert_eq!(status.phase, Phase::Unknown);
        assert_eq!(status.rollouts[0].outcome, DeployOutcome::Unknown);
        assert_eq!(status.rolling_out.as_ref().unwrap().step, RolloutStep::Unknown);
        let verdict = &status.failed.as_ref().unwrap().verdict;
        assert_eq!((verdict.failure, verdict.headline().as_str()), (FailureType::Unknown, "Unknown: no such table"));
        let text = status.to_markdown();
        assert!(text.contains("waits for the migration") && text.contains("no such table"), "{text}");
    }

    #[test]
    fn answer_of_a_newer_version_is_shown() {
        let answer = serde_json::json!({"outcome": "promoted", "commit": "4f2a9c1", "reason": "as staging"});
        let answer: DeployAnswer = serde_json::from_value(answer).unwrap();
        assert_eq!((answer.outcome, answer.reason.as_deref()), (DeployOutcome::Unknown, Some("as staging")));
    }
}
