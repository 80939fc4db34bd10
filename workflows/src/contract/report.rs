//! Reports on GitHub: what an activity writes there, one thing in each run.
//!
//! A write that has no id yet finds what an earlier run has made. So a worker that dies between making and reporting never
//! leaves two.

use serde::{Deserialize, Serialize};

use crate::contract::release::Commit;

/// Bound on the body of a comment, in characters. GitHub takes 65,536.
pub const MAX_BODY_CHARS: usize = 60_000;

/// The input of `report_to_github`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportInput {
    pub app: String,
    /// The workflow id of the environment.
    pub environment: String,
    pub write: GithubWrite,
}

/// A write. Its texts are escaped and bounded already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "write", rename_all = "snake_case")]
pub enum GithubWrite {
    /// A comment in a pull request. Without an id it is the one of berth's own that begins with the marker, or a new one.
    Comment {
        pull_request: u64,
        marker: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<u64>,
        /// Markdown that begins with the marker.
        body: String,
    },
    /// A check run of a commit. Without an id it is the one of that `external_id`, or a new one.
    Check {
        head: Commit,
        external_id: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<u64>,
        status: CheckStatus,
        /// Set if the status is `completed`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        conclusion: Option<CheckConclusion>,
        title: String,
        /// Markdown.
        summary: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        details_url: Option<String>,
    },
    /// A deployment: the one of that task and reference, or a new one.
    Deployment {
        reference: Commit,
        /// GitHub's environment: `preview` or `production`.
        environment: String,
        task: String,
        transient: bool,
        production: bool,
    },
    /// A status of a deployment.
    DeploymentStatus {
        deployment: u64,
        state: DeploymentState,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        log_url: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        environment_url: Option<String>,
        /// At most 140 characters, GitHub's bound.
        description: String,
    },
}

/// The status of a check run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckStatus {
    Queued,
    InProgress,
    Completed,
}

/// The conclusion of a check run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckConclusion {
    Success,
    Failure,
    Neutral,
    Cancelled,
    ActionRequired,
}

/// The state of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeploymentState {
    InProgress,
    Success,
    Failure,
    Inactive,
}

/// The result of `report_to_github`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reported {
    /// The id of what was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// Whether what had that id is gone: a person has deleted it. Nothing was written then.
    #[serde(default)]
    pub gone: bool,
}
