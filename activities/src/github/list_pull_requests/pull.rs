//! A pull request as GraphQL shows it, and the facts that follow.

use berth_workflows::contract::{
    pull_request::{PullRequestFacts, PullRequestState, Timestamp},
    pull_request_list::ListedPullRequest,
    release::{Commit, Name},
};
use serde::Deserialize;

use super::incomplete;
use crate::{failure::Failure, github::answer::bounded};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Pull {
    number: u64,
    state: String,
    is_draft: bool,
    locked: bool,
    is_cross_repository: bool,
    head_ref_oid: String,
    updated_at: String,
    /// None: the account was deleted.
    author: Option<Author>,
    /// None: the fork was deleted.
    head_repository: Option<serde_json::Value>,
    labels: Option<Labels>,
}

#[derive(Debug, Deserialize)]
struct Author {
    login: String,
}

#[derive(Debug, Deserialize)]
struct Labels {
    nodes: Vec<Option<Label>>,
}

#[derive(Debug, Deserialize)]
struct Label {
    name: String,
}

impl Pull {
    /// The facts, for which GitHub was asked.
    ///
    /// # Errors
    /// A value is none that GitHub documents.
    pub(super) fn listed(self) -> Result<ListedPullRequest, Failure> {
        let wrong = |why: String| incomplete(&format!("pull request {}: {}", self.number, bounded(&why)));
        let state = match self.state.as_str() {
            "OPEN" => PullRequestState::Open,
            "CLOSED" | "MERGED" => PullRequestState::Closed,
            other => return Err(wrong(format!("the state {other:?} is unknown"))),
        };
        let labels = self.labels.into_iter().flat_map(|labels| labels.nodes).flatten().map(|label| label.name);
        let facts = PullRequestFacts {
            head: Commit::try_from(self.head_ref_oid).map_err(wrong)?,
            state,
            draft: self.is_draft,
            fork: self.is_cross_repository || self.head_repository.is_none(),
            labels: labels.collect(),
            locked: self.locked,
            author: self.author.and_then(|author| Name::try_from(author.login).ok()),
            updated_at: Timestamp::try_from(self.updated_at).map_err(wrong)?,
            asked: true,
            ignored: Vec::new(),
        };
        Ok(ListedPullRequest { number: self.number, facts })
    }
}
