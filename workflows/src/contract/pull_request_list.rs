//! Pull requests as GitHub lists them, for a comparison with the environments.

use serde::{Deserialize, Serialize};

use crate::contract::pull_request::PullRequestFacts;

/// Bound on the pull requests that are asked for by number: more would make the query too expensive.
pub const MAX_ASKED: usize = 50;

/// The input of `list_pull_requests`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListPullRequestsInput {
    pub app: String,
    /// Numbers of pull requests that are wanted whatever their state. At most [`MAX_ASKED`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asked: Vec<u64>,
}

/// The result of `list_pull_requests`: all open pull requests and all that were asked for, by number. It is whole: an
/// answer with a gap is a failure of the activity.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedPullRequests {
    pub pull_requests: Vec<ListedPullRequest>,
    /// Numbers that were asked for, and that GitHub says are no pull requests. That is not the same as closed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub absent: Vec<u64>,
}

impl ListedPullRequests {
    /// The facts about a pull request, if it is listed.
    pub fn facts(&self, number: u64) -> Option<&PullRequestFacts> {
        self.pull_requests.iter().find(|pull| pull.number == number).map(|pull| &pull.facts)
    }
}

/// A pull request, and the facts about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedPullRequest {
    pub number: u64,
    pub facts: PullRequestFacts,
}
