//! Answers to the messages of production. Each comes at once: nobody waits for a rollout in an open update.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::{
    production::SecretsChoice,
    release::{Commit, Release},
};

/// The outcome of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum ProductionOutcome {
    /// It begins when nothing is before it.
    Queued,
    /// It waits for `approve`.
    AwaitingApproval,
    /// It is being rolled out.
    RollingOut,
    /// It serves already.
    Live,
    /// A newer release is in its place.
    Superseded,
    /// It changes nothing: the reason says why.
    Refused,
    Approved,
    Rejected,
    RollingBack,
    Frozen,
    Unfrozen,
    /// An outcome of a newer berth.
    #[serde(other)]
    Unknown,
}

impl ProductionOutcome {
    /// The stable name, as on the wire.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// The answer of production to an update.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProductionAnswer {
    pub outcome: ProductionOutcome,
    /// The number of the release that the answer is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<Commit>,
    /// The id of the plan that is in force, if one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// The secrets that a rollback runs with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets: Option<SecretsChoice>,
    /// Keys whose values a rollback changes: names only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed_secrets: Vec<String>,
    /// The reason, in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl ProductionAnswer {
    /// An answer with only its outcome.
    pub fn new(outcome: ProductionOutcome) -> Self {
        Self {
            outcome,
            release: None,
            commit: None,
            plan: None,
            secrets: None,
            changed_secrets: Vec::new(),
            reason: None,
        }
    }

    /// A refusal with its reason.
    pub fn refused(reason: impl Into<String>) -> Self {
        Self::new(ProductionOutcome::Refused).because(reason)
    }

    /// Names the release.
    pub fn about(mut self, release: &Release) -> Self {
        self.release = release.number;
        self.commit = Some(release.commit.clone());
        self
    }

    /// Adds the reason.
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }
}
