//! The parts of GitHub's payloads that decide. Payloads have hundreds of fields, and new ones come at any time.

use serde::Deserialize;

/// The event `pull_request`.
#[derive(Debug, Deserialize)]
pub(super) struct PullRequestEvent {
    pub(super) action: String,
    /// The label, if it was added or removed.
    pub(super) label: Option<Label>,
    pub(super) pull_request: PullRequest,
    pub(super) repository: Repository,
}

#[derive(Debug, Deserialize)]
pub(super) struct PullRequest {
    pub(super) number: u64,
    pub(super) state: String,
    #[serde(default)]
    pub(super) draft: bool,
    #[serde(default)]
    pub(super) locked: bool,
    pub(super) head: Head,
    pub(super) base: Base,
    #[serde(default)]
    pub(super) labels: Vec<Label>,
    /// None: the account has been deleted.
    pub(super) user: Option<Account>,
    pub(super) updated_at: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Head {
    pub(super) sha: String,
    /// None: the fork has been deleted.
    pub(super) repo: Option<Repository>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Base {
    pub(super) repo: Repository,
}

#[derive(Debug, Deserialize)]
pub(super) struct Label {
    pub(super) name: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Account {
    pub(super) login: String,
    /// `User`, `Bot` or `Organization`.
    #[serde(default, rename = "type")]
    pub(super) kind: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Repository {
    pub(super) id: u64,
    /// Whether only people with a role there see it.
    #[serde(default)]
    pub(super) private: bool,
}

/// The event `issue_comment`.
#[derive(Debug, Deserialize)]
pub(super) struct CommentEvent {
    pub(super) action: String,
    pub(super) issue: Issue,
    pub(super) comment: Comment,
    pub(super) repository: Repository,
    pub(super) sender: Option<Account>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Issue {
    pub(super) number: u64,
    /// None: it is an issue, and no pull request.
    pub(super) pull_request: Option<serde::de::IgnoredAny>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Comment {
    pub(super) id: u64,
    /// The author's relation to the repository, such as `MEMBER` or `NONE`.
    #[serde(default)]
    pub(super) author_association: String,
    pub(super) body: Option<String>,
}

/// The event `check_run`.
#[derive(Debug, Deserialize)]
pub(super) struct CheckRunEvent {
    pub(super) action: String,
    pub(super) check_run: CheckRun,
    pub(super) repository: Repository,
    pub(super) sender: Option<Account>,
}

#[derive(Debug, Deserialize)]
pub(super) struct CheckRun {
    /// The id of the workflow that reports here, if the check run is one of berth's.
    pub(super) external_id: Option<String>,
}

/// The event `check_suite`.
#[derive(Debug, Deserialize)]
pub(super) struct CheckSuiteEvent {
    pub(super) action: String,
    pub(super) check_suite: CheckSuite,
    pub(super) repository: Repository,
    pub(super) sender: Option<Account>,
}

#[derive(Debug, Deserialize)]
pub(super) struct CheckSuite {
    /// Pull requests whose branch is in the repository. Some may lead to another one.
    #[serde(default)]
    pub(super) pull_requests: Vec<Listed>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Listed {
    pub(super) number: u64,
    pub(super) base: Base,
}
