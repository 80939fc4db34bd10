//! Input and result of a teardown.

use serde::{Deserialize, Serialize};

use crate::contract::{environment::Environment, timings::Timings};

/// The input of `delete_environment`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteInput {
    pub environment: Environment,
    pub timings: Timings,
    /// The objects that the previous attempt found remaining. berth's rights inside a namespace end early in its
    /// deletion, so a later attempt may not be able to see them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known: Vec<Remaining>,
}

/// The result of a teardown: every object that was made, either verified gone or named with the reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct LeakReport {
    /// Objects that are verified gone or never existed.
    #[serde(default)]
    pub gone: Vec<String>,
    /// Objects that still exist, each with the reason. Empty when the teardown is complete.
    #[serde(default)]
    pub remaining: Vec<Remaining>,
    /// What berth left alone, because it may be another owner's, or did not look at, each with the reason. The teardown does
    /// not wait for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<Remaining>,
}

/// The last teardown that has removed everything, while its workflow goes on for a reopened pull request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Removal {
    /// Counts the removals, from 1. The answer to a close says which one it leads to.
    pub number: u64,
    /// Unix time in milliseconds.
    pub at_ms: u64,
    /// The start of what is verified gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gone: Vec<String>,
}

impl Removal {
    /// How many objects are kept.
    pub const MAX_GONE: usize = 20;
}

impl LeakReport {
    /// Adds the entries of another report.
    pub fn add(&mut self, other: Self) {
        self.gone.extend(other.gone);
        self.remaining.extend(other.remaining);
        self.skipped.extend(other.skipped);
    }
}

/// An object that a teardown did not remove.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Remaining {
    pub object: String,
    pub reason: String,
    /// A command or SQL for a person who has the rights to run it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub command: String,
}
