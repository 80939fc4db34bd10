//! Facts about a pull request, as its environment takes them in the signal `pull_request`.

use berth_workflows::contract::{lenient::Input, pull_request::PullRequestFacts};
use serde_json::json;

use super::event::PullRequest;

/// The most labels that an issue can have on GitHub.
const MAX_LABELS: usize = 100;

/// The facts that a payload states.
///
/// # Errors
/// A value that GitHub would not send.
pub(super) fn of(pull_request: &PullRequest) -> Result<PullRequestFacts, String> {
    let PullRequest { state, draft, locked, head, base, labels, user, updated_at, .. } = pull_request;
    let labels: Vec<_> = labels.iter().take(MAX_LABELS).map(|label| label.name.as_str()).collect();
    // Whatever a job says, a commit of another repository is a fork's.
    let fork = head.repo.as_ref().is_none_or(|repo| repo.id != base.repo.id);
    let mut facts = json!({
        "head": head.sha, "state": state, "draft": draft, "fork": fork, "labels": labels, "locked": locked,
        "updated_at": updated_at,
    });
    // An account that has been deleted has no name.
    if let Some(user) = user {
        facts["author"] = json!(user.login);
    }
    // The contract's own checks, as the workflow has them.
    PullRequestFacts::from_json(facts.to_string().as_bytes())
}
