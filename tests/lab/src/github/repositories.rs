//! Repositories: their JSON, names, commits and collaborators.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use serde_json::{Value, json};

use super::{
    Github,
    answers::{Answer, joined, ok},
    caller::Visit,
    checks::CheckRun,
    comments::Comment,
    deployments::Deployment,
    pulls::Pull,
    state,
};

#[derive(Debug)]
pub(super) struct Repository {
    pub(super) id: u64,
    pub(super) owner: String,
    pub(super) name: String,
    pub(super) is_fork: bool,
    pub(super) default_branch: String,
    pub(super) created_at: String,
    /// The commit of each branch.
    pub(super) branches: BTreeMap<String, String>,
    pub(super) commits: BTreeSet<String>,
    /// Refs that lack commits of the default branch, and whether merging it would conflict.
    pub(super) behind: BTreeMap<String, bool>,
    /// Roles by login in lower case.
    pub(super) roles: BTreeMap<String, String>,
    pub(super) pulls: BTreeMap<u64, Pull>,
    pub(super) comments: BTreeMap<u64, Comment>,
    pub(super) checks: BTreeMap<u64, CheckRun>,
    pub(super) deployments: BTreeMap<u64, Deployment>,
}

impl Repository {
    pub(super) fn full_name(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    pub(super) fn node_id(&self) -> String {
        format!("R_{}", self.id)
    }

    /// The role of a login: `admin`, `maintain`, `write`, `triage`, `read` or `none`.
    pub(super) fn role_of(&self, login: &str) -> &str {
        self.roles.get(&login.to_lowercase()).map_or("none", String::as_str)
    }

    /// Finds the commit of a branch, a full ref or a commit itself.
    pub(super) fn commit(&self, reference: &str) -> Option<String> {
        let branch = reference.strip_prefix("refs/heads/").or_else(|| reference.strip_prefix("heads/"));
        let branch = self.branches.get(branch.unwrap_or(reference)).cloned();
        branch.or_else(|| self.commits.get(reference).cloned())
    }

    pub(super) fn url(&self, base: &str) -> String {
        format!("{base}/repos/{}", self.full_name())
    }

    /// All fields of GitHub's schemas `repository`, `full-repository` and `minimal-repository`.
    pub(super) fn json(&self, state: &state::State) -> Value {
        let (base, url) = (&state.base, self.url(&state.base));
        let html = format!("{base}/{}", self.full_name());
        let open = self.pulls.values().filter(|pull| pull.is_open).count();
        let own = json!({
            "id": self.id, "node_id": self.node_id(), "name": self.name, "full_name": self.full_name(),
            "private": true, "visibility": "private", "owner": state.account(&self.owner).json(base),
            "html_url": html, "description": null, "fork": self.is_fork, "url": url,
            "default_branch": self.default_branch,
            "created_at": self.created_at, "updated_at": self.created_at, "pushed_at": self.created_at,
            "clone_url": format!("{html}.git"), "git_url": format!("git://{}.git", html.replace("http://", "")),
            "ssh_url": format!("git@github.com:{}.git", self.full_name()), "svn_url": html,
        });
        let usual = json!({
            "forks": 0, "forks_count": 0, "homepage": null, "language": null,
            "archived": false, "disabled": false, "mirror_url": null, "license": null, "topics": [], "size": 0,
            "open_issues": open, "open_issues_count": open, "stargazers_count": 0, "watchers": 0, "watchers_count": 0,
            "network_count": 0, "subscribers_count": 0, "is_template": false, "allow_forking": true,
            "web_commit_signoff_required": false, "has_issues": true, "has_projects": false, "has_wiki": false,
            "has_pages": false, "has_downloads": true, "has_discussions": false,
        });
        let mut repository = joined([own, usual]);
        for (field, path) in URLS {
            repository[field] = json!(format!("{url}/{path}"));
        }
        repository
    }
}

/// The URLs below a repository's own.
const URLS: [(&str, &str); 36] = [
    ("archive_url", "{archive_format}{/ref}"),
    ("assignees_url", "assignees{/user}"),
    ("blobs_url", "git/blobs{/sha}"),
    ("branches_url", "branches{/branch}"),
    ("collaborators_url", "collaborators{/collaborator}"),
    ("comments_url", "comments{/number}"),
    ("commits_url", "commits{/sha}"),
    ("compare_url", "compare/{base}...{head}"),
    ("contents_url", "contents/{+path}"),
    ("contributors_url", "contributors"),
    ("deployments_url", "deployments"),
    ("downloads_url", "downloads"),
    ("events_url", "events"),
    ("forks_url", "forks"),
    ("git_commits_url", "git/commits{/sha}"),
    ("git_refs_url", "git/refs{/sha}"),
    ("git_tags_url", "git/tags{/sha}"),
    ("hooks_url", "hooks"),
    ("issue_comment_url", "issues/comments{/number}"),
    ("issue_events_url", "issues/events{/number}"),
    ("issues_url", "issues{/number}"),
    ("keys_url", "keys{/key_id}"),
    ("labels_url", "labels{/name}"),
    ("languages_url", "languages"),
    ("merges_url", "merges"),
    ("milestones_url", "milestones{/number}"),
    ("notifications_url", "notifications{?since,all,participating}"),
    ("pulls_url", "pulls{/number}"),
    ("releases_url", "releases{/id}"),
    ("stargazers_url", "stargazers"),
    ("statuses_url", "statuses/{sha}"),
    ("subscribers_url", "subscribers"),
    ("subscription_url", "subscription"),
    ("tags_url", "tags"),
    ("teams_url", "teams"),
    ("trees_url", "git/trees{/sha}"),
];

/// `GET /repos/{owner}/{repo}`
pub(super) async fn get(State(github): State<Github>, visit: Visit) -> Answer {
    let state = github.state();
    visit.needs(&state, &["metadata=read"])?;
    ok(&visit.repository(&state)?.json(&state))
}
