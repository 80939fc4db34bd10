//! A write that is wanted, and the part of the reports that it brings up to date.

use super::{check::CheckState, key::Key};
use crate::contract::{
    release::Commit,
    report::{DeploymentState, GithubWrite},
};

/// A write that is wanted, and the part that it brings up to date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub write: GithubWrite,
    pub(super) part: Part,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Comment {
        key: Key,
        commit: Option<Commit>,
    },
    Call {
        about: String,
    },
    Check {
        head: Commit,
        state: CheckState,
        key: Key,
    },
    /// The check run of an earlier head.
    EarlierCheck {
        state: CheckState,
    },
    Deployment {
        commit: Commit,
    },
    DeploymentStatus {
        commit: Commit,
        state: DeploymentState,
    },
}

impl Part {
    /// The place in the order in which writes are looked for.
    pub(super) fn index(&self) -> usize {
        match self {
            Self::Comment { .. } => 0,
            Self::Call { .. } => 1,
            Self::Check { .. } | Self::EarlierCheck { .. } => 2,
            Self::Deployment { .. } | Self::DeploymentStatus { .. } => 3,
        }
    }
}

impl Wanted {
    /// The write in a few words, for temporal-ui.
    pub fn summary(&self) -> String {
        match &self.part {
            Part::Comment { .. } => "the comment in the pull request".to_owned(),
            Part::Call { .. } => "a comment that calls a person".to_owned(),
            Part::Check { head, .. } => format!("the check run of {}", head.short()),
            Part::EarlierCheck { .. } => "the end of an earlier check run".to_owned(),
            Part::Deployment { commit } => format!("the deployment of {}", commit.short()),
            Part::DeploymentStatus { commit, .. } => format!("the state of the deployment of {}", commit.short()),
        }
    }
}
