//! What comes to a preview, and what becomes of it.

use crate::{
    contract::{
        command::CommentCommand,
        environment::Environment,
        load_app::GithubRules,
        memory::Memory,
        pull_request::PullRequestFacts,
        release::{Name, Release},
        rollout::RolloutProgress,
        signals::{Approve, Close, CloseAnswer, Push},
        teardown::LeakReport,
        verdict::Verdict,
    },
    environment::{
        book::{LateLook, LookEnd, RolloutEnd},
        queue::{Delivery, QueuedRelease},
    },
};

/// What comes to a preview: a message from outside, or the result of what a step has begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A signal with an input that is none, with the reason.
    Unreadable(&'static str, String),
    Push(Push),
    Close(Close),
    /// The workflow is cancelled.
    Cancel,
    /// Facts about the pull request that GitHub has sent.
    Facts(PullRequestFacts),
    /// GitHub's answer to the question whether the pull request is closed.
    Confirmed(Result<PullRequestFacts, String>),
    Approve(Approve),
    Redeploy,
    /// A command of somebody who may give it, and the push that waited for approval as it was written.
    Command {
        command: CommentCommand,
        by: Name,
        waiting: Option<Release>,
    },
    /// The app file's rules, or why they could not be read.
    Rules(Result<Option<GithubRules>, String>),
    /// The worker has no file of the app.
    UnknownApp(Box<Verdict>),
    /// The names of the environment, and the app file's rules.
    Named(Environment, Option<GithubRules>),
    Progress(RolloutProgress),
    RolloutEnded {
        queued: QueuedRelease,
        end: RolloutEnd,
        started_ms: u64,
    },
    /// The result of a look at the release that serves.
    Looked {
        queued: QueuedRelease,
        end: LookEnd,
    },
    /// The result of a look at a release whose wait had failed.
    LookedLate {
        look: Box<LateLook>,
        serves: bool,
    },
    /// The report of an attempt at the teardown.
    Teardown(LeakReport),
    /// The memory that earlier runs have left, if there is one.
    Recalled(Option<Box<Memory>>),
    /// A memory was written for the runs that follow, or cannot be, for this reason.
    Remembered(Box<Memory>, Option<String>),
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// It is taken in, or noted as ignored.
    Done,
    /// It is about something else, and changes nothing.
    Ignored,
    Push(Delivery),
    Close(CloseAnswer),
    /// It waits for the memory of earlier runs, under this number.
    Waiting(usize),
    /// The answer to a command.
    Said(String),
}

impl Message {
    /// The message of a signal, from its input.
    pub fn from_signal<T>(signal: &'static str, input: Result<T, String>, message: impl FnOnce(T) -> Self) -> Self {
        input.map_or_else(|why| Self::Unreadable(signal, why), message)
    }

    /// Whether somebody has sent it. Otherwise it is the result of a step, or of a routine beside the main loop.
    pub(super) fn is_from_outside(&self) -> bool {
        match self {
            Self::Unreadable(..)
            | Self::Push(_)
            | Self::Close(_)
            | Self::Cancel
            | Self::Facts(_)
            | Self::Confirmed(_)
            | Self::Approve(_)
            | Self::Redeploy
            | Self::Command { .. } => true,
            Self::Rules(_)
            | Self::UnknownApp(_)
            | Self::Named(..)
            | Self::Progress(_)
            | Self::RolloutEnded { .. }
            | Self::Looked { .. }
            | Self::LookedLate { .. }
            | Self::Teardown(_)
            | Self::Recalled(_)
            | Self::Remembered(..) => false,
        }
    }
}
