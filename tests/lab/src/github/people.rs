//! Acts of people at GitHub. Each changes what the stand-in holds, and is announced by a webhook.

use anyhow::{Context as _, Result};
use serde_json::json;

use super::{
    GithubServer, PERSON,
    accounts::Kind,
    check_suites,
    pulls::{Pull, label},
};

/// A pull request to open.
#[derive(Debug, Clone)]
pub struct NewPull {
    pub title: String,
    pub author: String,
    pub branch: String,
    /// The head commit.
    pub head: String,
    pub base: String,
    pub is_draft: bool,
    pub labels: Vec<String>,
    /// The login whose fork it comes from.
    pub fork_of: Option<String>,
}

impl NewPull {
    /// A pull request of the sample person, from a branch of the same repository.
    pub fn new(branch: &str, head: &str) -> Self {
        Self {
            title: format!("Add {branch}"),
            author: PERSON.to_owned(),
            branch: branch.to_owned(),
            head: head.to_owned(),
            base: "main".to_owned(),
            is_draft: false,
            labels: Vec::new(),
            fork_of: None,
        }
    }
}

impl GithubServer {
    /// Opens a pull request, and answers its number.
    ///
    /// # Errors
    /// There is no such repository.
    pub fn open(&self, repository: u64, new: NewPull) -> Result<u64> {
        let mut state = self.github.state();
        let head_repository =
            new.fork_of.as_ref().map(|login| state.fork(repository, login)).unwrap_or(Some(repository));
        state.add_account(&new.author, Kind::User);
        let (id, now) = (state.new_id(), state.clock.text());
        let found = state.repositories.get_mut(&repository).context("there is no such repository")?;
        let number = found.pulls.keys().next_back().copied().unwrap_or_default() + 1;
        found.commits.insert(new.head.clone());
        if head_repository == Some(repository) {
            found.branches.insert(new.branch.clone(), new.head.clone());
        }
        let author = new.author.clone();
        let pull = Pull {
            id,
            number,
            title: new.title,
            author: new.author,
            branch: new.branch,
            head: new.head,
            head_repository,
            base: new.base,
            is_open: true,
            is_draft: new.is_draft,
            is_locked: false,
            labels: new.labels,
            created_at: now.clone(),
            updated_at: now,
            closed_at: None,
            merged_at: None,
        };
        found.pulls.insert(number, pull);
        state.announce_pull(repository, number, &author, "opened", json!({}));
        Ok(number)
    }

    /// Pushes a commit to a pull request's branch.
    pub fn push(&self, repository: u64, number: u64, head: &str) {
        let mut state = self.github.state();
        let before = state.pull(repository, number).map(|pull| pull.head.clone());
        if let Some(found) = state.repositories.get_mut(&repository) {
            found.commits.insert(head.to_owned());
            if let Some(pull) = found.pulls.get(&number).filter(|pull| pull.head_repository == Some(repository)) {
                found.branches.insert(pull.branch.clone(), head.to_owned());
            }
        }
        let more = json!({"before": before, "after": head});
        state.change_pull(repository, number, "synchronize", more, |pull, _| head.clone_into(&mut pull.head));
    }

    /// Pushes a commit to a branch of the repository itself. No webhook tells of it.
    pub fn push_to_branch(&self, repository: u64, branch: &str, commit: &str) {
        if let Some(found) = self.github.state().repositories.get_mut(&repository) {
            found.commits.insert(commit.to_owned());
            found.branches.insert(branch.to_owned(), commit.to_owned());
        }
    }

    pub fn close(&self, repository: u64, number: u64) {
        self.github.state().change_pull(repository, number, "closed", json!({}), |pull, now| {
            pull.is_open = false;
            pull.closed_at = Some(now.to_owned());
        });
    }

    pub fn merge(&self, repository: u64, number: u64) {
        self.github.state().change_pull(repository, number, "closed", json!({}), |pull, now| {
            pull.is_open = false;
            pull.closed_at = Some(now.to_owned());
            pull.merged_at = Some(now.to_owned());
        });
    }

    pub fn reopen(&self, repository: u64, number: u64) {
        self.github.state().change_pull(repository, number, "reopened", json!({}), |pull, _| {
            pull.is_open = true;
            pull.closed_at = None;
        });
    }

    /// Makes a pull request a draft, or ready for review.
    pub fn set_draft(&self, repository: u64, number: u64, is_draft: bool) {
        let action = if is_draft { "converted_to_draft" } else { "ready_for_review" };
        self.github.state().change_pull(repository, number, action, json!({}), |pull, _| pull.is_draft = is_draft);
    }

    /// Locks or unlocks a pull request's conversation.
    pub fn set_locked(&self, repository: u64, number: u64, is_locked: bool) {
        let action = if is_locked { "locked" } else { "unlocked" };
        self.github.state().change_pull(repository, number, action, json!({}), |pull, _| pull.is_locked = is_locked);
    }

    pub fn add_label(&self, repository: u64, number: u64, name: &str) {
        self.set_label(repository, number, name, "labeled");
    }

    pub fn remove_label(&self, repository: u64, number: u64, name: &str) {
        self.set_label(repository, number, name, "unlabeled");
    }

    fn set_label(&self, repository: u64, number: u64, name: &str, action: &str) {
        let mut state = self.github.state();
        let url = state.repositories.get(&repository).map(|found| found.url(&state.base)).unwrap_or_default();
        state.change_pull(repository, number, action, json!({"label": label(&url, name)}), |pull, _| {
            pull.labels.retain(|one| one != name);
            if action == "labeled" {
                pull.labels.push(name.to_owned());
            }
        });
    }

    /// Deletes the repository that a pull request comes from.
    pub fn delete_head_repository(&self, repository: u64, number: u64) {
        let mut state = self.github.state();
        if let Some(pull) = state.repositories.get_mut(&repository).and_then(|found| found.pulls.get_mut(&number)) {
            pull.head_repository = None;
        }
    }

    /// Writes a comment, and answers its id.
    pub fn comment(&self, repository: u64, number: u64, author: &str, body: &str) -> u64 {
        let mut state = self.github.state();
        state.add_account(author, Kind::User);
        state.add_comment(repository, number, author, body)
    }

    pub fn edit_comment(&self, repository: u64, comment: u64, body: &str) {
        self.github.state().edit_comment(repository, comment, body);
    }

    pub fn delete_comment(&self, repository: u64, comment: u64) {
        self.github.state().delete_comment(repository, comment);
    }

    /// Presses "Re-run" at a check run.
    pub fn rerequest_check(&self, repository: u64, check: u64) {
        let mut state = self.github.state();
        let Some(found) = state.repositories.get(&repository) else { return };
        let Some(run) = found.checks.get(&check) else { return };
        let mut json = run.json(&state, found);
        json["check_suite"] = check_suites::json(&state, found, run);
        state.announce("check_run", repository, PERSON, "rerequested", json!({"check_run": json}));
    }

    /// Presses "Re-run all checks" at a commit.
    pub fn rerequest_suite(&self, repository: u64, head: &str) {
        let mut state = self.github.state();
        let Some(found) = state.repositories.get(&repository) else { return };
        let Some(run) = found.checks.values().find(|run| run.head == head) else { return };
        let suite = check_suites::json(&state, found, run);
        state.announce("check_suite", repository, PERSON, "rerequested", json!({"check_suite": suite}));
    }
}
