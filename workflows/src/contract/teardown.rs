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
}

/// An object that a teardown could not remove yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Remaining {
    pub object: String,
    pub reason: String,
    /// A command for a person who has the rights to run it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub command: String,
}
