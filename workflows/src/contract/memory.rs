//! The memory of a preview: facts from its messages that are kept after its workflow has ended.
//!
//! A small workflow of its own keeps it, as its input, for as long as Temporal keeps workflows that have ended. Without it, a
//! build that ends after the close would make an environment for a closed pull request.

use serde::{Deserialize, Serialize};

use crate::contract::{
    lenient::Input,
    pull_request::PullRequestFacts,
    release::{Commit, Release},
};

/// The type of the workflow that keeps it.
pub const PREVIEW_MEMORY: &str = "PreviewMemory";

/// The id of the workflow that keeps the memory of an environment.
pub fn memory_id(environment: &str) -> String {
    format!("{environment}-seen")
}

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// The highest sequence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// The newest facts about the pull request, if they say that it is closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed: Option<PullRequestFacts>,
    /// Commits that were the head before those facts, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub earlier_heads: Vec<Commit>,
    /// Versions of a fork that were approved, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub approved: Vec<Release>,
}

impl Input for Memory {
    const EXAMPLE: &'static str = "";
}

/// The input of `recall_preview`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecallPreviewInput {
    /// The id of the environment's workflow.
    pub environment: String,
}

/// The result of `recall_preview`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecalledPreview {
    /// None: no earlier run has left a memory, or Temporal keeps it no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Memory>,
}
