//! The view of an environment that is to be shown.

use serde::{Deserialize, Serialize};

use super::key::Key;
use crate::contract::{
    command::CommentCommand,
    environment::EnvironmentKind,
    load_app::GithubRules,
    phase::Phase,
    release::{Commit, Name},
    status::Status,
};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    pub app: String,
    #[serde(rename = "pr")]
    pub kind: EnvironmentKind,
    /// The workflow id of the environment.
    pub environment: String,
    /// GitHub's environment: `preview`, or the one that the app file gives to production.
    pub github_environment: String,
    /// The page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The pages of the workflows: the address of temporal-ui up to a workflow's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflows: Option<String>,
    /// Whether nothing of the environment is left.
    #[serde(default)]
    pub is_closed: bool,
    /// Rollouts that a deployment on GitHub is shown for.
    #[serde(default)]
    pub rollouts: Rollouts,
    /// The pull request. None in production.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_request: Option<PullRequestView>,
}

/// The rollouts that are in flight, serve or have failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rollouts {
    pub rolling_out: Option<RolloutView>,
    pub serving: Option<RolloutView>,
    pub failed: Option<RolloutView>,
}

/// A rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutView {
    /// All digits of its commit.
    pub commit: Commit,
    /// The id of its workflow.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub rollout: String,
}

/// The part of a view that is shown in a pull request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullRequestView {
    pub status: Status,
    /// The newest commit that anything is known of, all digits: the one that gets the check run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<Commit>,
    /// Whether there is a comment, and whether it names the commands.
    pub comment: bool,
    pub commands: bool,
    /// Answers to the last commands, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<CommandAnswer>,
}

/// The answer to a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandAnswer {
    /// The id of the comment.
    pub comment: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Name>,
    /// The command in short. Empty if it could not be read.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub command: String,
    pub answer: String,
}

impl CommandAnswer {
    /// The answer to a command that was admitted.
    pub fn to(comment: u64, by: Name, command: &CommentCommand, answer: impl Into<String>) -> Self {
        Self { comment, by: Some(by), command: command.title(), answer: answer.into() }
    }
}

impl View {
    /// The page of a workflow in temporal-ui, if its address is known.
    pub fn page_of(&self, workflow_id: &str) -> Option<String> {
        self.workflows.as_ref().map(|workflows| format!("{workflows}{workflow_id}"))
    }

    /// The key of all that the comment depends on. Its text may change between versions of berth: a write never follows from the text, since
    /// the same history must lead to the same writes.
    pub(super) fn comment_key(&self) -> Option<Key> {
        let PullRequestView { status, answers, head, .. } = self.pull_request.as_ref()?;
        // A rollout's step is left out: it would be a write for each.
        let rolling_out = status.rolling_out.as_ref();
        let rolling_out = rolling_out.map(|now| (&now.release, &now.rollout, now.not_observed.is_some()));
        let failed = status.failed.as_ref();
        let failed = failed.map(|failed| (&failed.release, &failed.rollout, failed.verdict.failure));
        let serving = status.serving.as_ref().map(|serving| (&serving.release, &serving.rollout));
        let last = status.rollouts.last().map(|last| (last.number, last.outcome));
        let scripts: Vec<_> = status.scripts.iter().map(|script| (&script.script_run, script.stopping)).collect();
        let answers: Vec<_> = answers.iter().map(|answer| (answer.comment, &answer.answer)).collect();
        let remaining = status.teardown.iter().flat_map(|report| &report.remaining).map(|left| &left.object);
        let remaining: Vec<_> = remaining.collect();
        Some(Key::of(&(
            (self.is_closed, status.phase, &status.url, rolling_out, failed, serving),
            (&status.queued, &status.awaiting_approval, &status.held, &status.waits_for, last, scripts, answers),
            (head, remaining),
        )))
    }

    /// Whether nothing is written now: a teardown takes seconds, and its end is written.
    pub(super) fn is_passing(&self) -> bool {
        self.pull_request.as_ref().is_some_and(|pull_request| pull_request.status.phase == Phase::TearingDown)
    }
}

/// The pages of the workflows in a namespace of Temporal, by the app file's rules.
pub fn workflow_pages(rules: &GithubRules, namespace: &str) -> Option<String> {
    let address = rules.temporal_ui.as_deref()?.trim_end_matches('/');
    Some(format!("{address}/namespaces/{namespace}/workflows/"))
}
