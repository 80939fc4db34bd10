//! Input and result of a teardown.

use serde::{Deserialize, Serialize};

use crate::contract::{environment::Environment, timings::Timings};

/// What `delete_environment` is to remove.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteInput {
    pub environment: Environment,
    pub timings: Timings,
    /// What the attempt before found in the way: berth's rights inside a namespace end early in its deletion, so that a later
    /// attempt may not be able to see it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known: Vec<Remaining>,
}

/// How a teardown ended: everything that was made, each verified gone or named with the reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct LeakReport {
    /// Verified gone, or never there.
    #[serde(default)]
    pub gone: Vec<String>,
    /// Still there, each with the reason. Empty when the teardown is complete.
    #[serde(default)]
    pub remaining: Vec<Remaining>,
}

/// Something that a teardown could not remove yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Remaining {
    pub object: String,
    pub reason: String,
    /// What a person with the right to it may run.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub command: String,
}
