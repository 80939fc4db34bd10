//! Pull requests.

use axum::{extract::State, http::Uri};
use serde_json::{Value, json};

use super::{
    Github,
    answers::{Answer, Refusal, joined, ok},
    caller::Visit,
    pages,
    repositories::Repository,
    state,
};

/// A pull request as the stand-in keeps it.
#[derive(Debug, Clone)]
pub struct Pull {
    pub(super) id: u64,
    pub number: u64,
    pub title: String,
    pub author: String,
    pub branch: String,
    /// The head commit.
    pub head: String,
    /// The head's repository: another one for a fork, none if it was deleted.
    pub head_repository: Option<u64>,
    pub base: String,
    pub is_open: bool,
    pub is_draft: bool,
    pub is_locked: bool,
    pub labels: Vec<String>,
    pub created_at: String,
    pub updated_at: String,
    pub closed_at: Option<String>,
    pub merged_at: Option<String>,
}

impl Pull {
    pub(super) fn node_id(&self) -> String {
        format!("PR_{}", self.id)
    }

    /// The state in GraphQL: `OPEN`, `CLOSED` or `MERGED`.
    pub(super) fn graphql_state(&self) -> &'static str {
        match (self.is_open, &self.merged_at) {
            (true, _) => "OPEN",
            (false, Some(_)) => "MERGED",
            (false, None) => "CLOSED",
        }
    }

    /// One side of a pull request. A deleted fork leaves its owner, who is the author.
    fn side(&self, state: &state::State, branch: &str, sha: &str, repository: Option<&Repository>) -> Value {
        let owner = state.account(repository.map_or(&self.author, |repository| &repository.owner));
        json!({
            "label": format!("{}:{branch}", owner.login),
            "ref": branch,
            "sha": sha,
            "user": owner.json(&state.base),
            "repo": repository.map(|repository| repository.json(state)),
        })
    }

    fn links(&self, repository: &str, page: &str) -> Value {
        let link = |href: String| json!({"href": href});
        let (pull, issue) =
            (format!("{repository}/pulls/{}", self.number), format!("{repository}/issues/{}", self.number));
        json!({
            "self": link(pull.clone()), "html": link(page.to_owned()), "issue": link(issue.clone()),
            "comments": link(format!("{issue}/comments")), "commits": link(format!("{pull}/commits")),
            "review_comments": link(format!("{pull}/comments")),
            "review_comment": link(format!("{repository}/pulls/comments{{/number}}")),
            "statuses": link(format!("{repository}/statuses/{}", self.head)),
        })
    }

    /// The JSON of a list and of a webhook's `pull_request`.
    pub(super) fn json(&self, state: &state::State, repository: &Repository) -> Value {
        let (url, html) = (repository.url(&state.base), format!("{}/{}", state.base, repository.full_name()));
        let (pull, issue) = (format!("{url}/pulls/{}", self.number), format!("{url}/issues/{}", self.number));
        let page = format!("{html}/pull/{}", self.number);
        let statuses = format!("{url}/statuses/{}", self.head);
        let head = self.head_repository.and_then(|id| state.repositories.get(&id));
        let base_commit = repository.commit(&self.base).unwrap_or_default();
        let labels: Vec<_> = self.labels.iter().map(|name| label(&url, name)).collect();
        let own = json!({
            "id": self.id, "node_id": self.node_id(), "number": self.number, "title": self.title, "body": null,
            "state": if self.is_open { "open" } else { "closed" }, "locked": self.is_locked, "active_lock_reason": null,
            "draft": self.is_draft, "user": state.account(&self.author).json(&state.base), "labels": labels,
            "assignee": null, "assignees": [], "requested_reviewers": [], "requested_teams": [], "milestone": null,
            "author_association": "COLLABORATOR", "auto_merge": null,
            "created_at": self.created_at, "updated_at": self.updated_at,
            "closed_at": self.closed_at, "merged_at": self.merged_at,
            "merge_commit_sha": self.merged_at.as_ref().map(|_| base_commit.as_str()),
            "head": self.side(state, &self.branch, &self.head, head),
            "base": self.side(state, &self.base, &base_commit, Some(repository)),
        });
        let urls = json!({
            "url": pull, "html_url": page, "diff_url": format!("{page}.diff"), "patch_url": format!("{page}.patch"),
            "issue_url": issue, "comments_url": format!("{issue}/comments"), "commits_url": format!("{pull}/commits"),
            "review_comments_url": format!("{pull}/comments"), "statuses_url": statuses,
            "review_comment_url": format!("{url}/pulls/comments{{/number}}"),
            "_links": self.links(&url, &page),
        });
        joined([own, urls])
    }

    /// The JSON of one pull request, with what a list leaves out.
    pub(super) fn full_json(&self, state: &state::State, repository: &Repository) -> Value {
        let comments = repository.comments.values().filter(|comment| comment.pull == self.number).count();
        let merged = self.merged_at.is_some();
        let more = json!({
            "merged": merged, "merged_by": merged.then(|| state.account(&self.author).json(&state.base)),
            "mergeable": (!merged).then_some(true), "rebaseable": (!merged).then_some(true),
            "mergeable_state": "clean", "maintainer_can_modify": false, "comments": comments, "review_comments": 0,
            "commits": 1, "additions": 1, "deletions": 0, "changed_files": 1,
        });
        joined([self.json(state, repository), more])
    }
}

pub(super) fn label(repository: &str, name: &str) -> Value {
    let id: u64 = name.bytes().map(u64::from).sum();
    json!({
        "id": id, "node_id": format!("LA_{id}"), "url": format!("{repository}/labels/{}", name.replace(' ', "%20")),
        "name": name, "color": "ededed", "default": false, "description": "",
    })
}

/// `GET /repos/{owner}/{repo}/pulls/{pull_number}`
pub(super) async fn get(State(github): State<Github>, visit: Visit) -> Answer {
    let state = github.state();
    visit.needs(&state, &["pull_requests=read"])?;
    let repository = visit.repository(&state)?;
    let pull = repository.pulls.get(&visit.number("pull_number")?).ok_or_else(Refusal::not_found)?;
    ok(&pull.full_json(&state, repository))
}

/// `GET /repos/{owner}/{repo}/pulls`, filtered by `state`, `head` and `base`. The newest comes first.
pub(super) async fn list(State(github): State<Github>, visit: Visit, uri: Uri) -> Answer {
    let state = github.state();
    visit.needs(&state, &["pull_requests=read"])?;
    let repository = visit.repository(&state)?;
    let wanted = |pull: &&Pull| {
        let state_fits = match visit.query("state").unwrap_or("open") {
            "all" => true,
            "closed" => !pull.is_open,
            _ => pull.is_open,
        };
        let head_of = |pull: &Pull| {
            let head = pull.head_repository.and_then(|id| state.repositories.get(&id));
            head.map(|head| format!("{}:{}", head.owner, pull.branch))
        };
        let head_fits = visit.query("head").is_none_or(|head| head_of(pull).as_deref() == Some(head));
        state_fits && head_fits && visit.query("base").is_none_or(|base| pull.base == base)
    };
    let pulls = repository.pulls.values().rev().filter(wanted).map(|pull| pull.json(&state, repository)).collect();
    pages::answer(&state.base, repository.id, &uri, pulls, |page| page)
}
