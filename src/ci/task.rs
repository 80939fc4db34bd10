//! The task of a step: the message that is sent, and the question until it has ended.

use berth_workflows::contract::{
    environment::PullRequest,
    production::Production,
    signals::{Close, Push},
};

use crate::exchange::question::{Goal, Question};

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Task {
    Deploy(PullRequest, Push),
    Close(PullRequest, Close),
    Release(Production, Push),
}

impl Task {
    /// The id of the environment's workflow.
    pub(super) fn environment(&self) -> String {
        match self {
            Self::Deploy(input, _) | Self::Close(input, _) => input.workflow_id(),
            Self::Release(input, _) => input.workflow_id(),
        }
    }

    /// The task, as the log names it.
    pub(super) fn title(&self) -> String {
        match self {
            Self::Deploy(input, push) => {
                format!("{}: push of {}, pull request {}", input.app, push.commit.short(), input.pr)
            }
            Self::Close(input, _) => format!("{}: close of pull request {}", input.app, input.pr),
            Self::Release(input, push) => format!("{}: release of {}", input.app, push.commit.short()),
        }
    }

    /// The commit that is rolled out.
    pub(super) fn commit(&self) -> Option<String> {
        match self {
            Self::Deploy(_, push) | Self::Release(_, push) => Some(push.commit.to_string()),
            Self::Close(..) => None,
        }
    }

    /// Whether the task removes an environment.
    pub(super) fn is_close(&self) -> bool {
        matches!(self, Self::Close(..))
    }

    /// The question whether it has ended. `release` is the number that production gave it.
    pub(super) fn question(&self, release: Option<u64>) -> Question {
        match self {
            Self::Deploy(_, push) => Question { commit: Some(push.commit.clone()), ..Question::default() },
            Self::Close(..) => Question { goal: Goal::Gone, ..Question::default() },
            Self::Release(_, push) => {
                let commit = release.is_none().then(|| push.commit.clone());
                Question { commit, release, ..Question::default() }
            }
        }
    }
}
