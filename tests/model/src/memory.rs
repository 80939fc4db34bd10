//! What the runs of one pull request know of each other. A run that is terminated leaves nothing new.

use super::{
    Model,
    messages::{Facts, Version},
    pull_request::PullRequest,
};

/// The memory of earlier runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    seen: Option<u64>,
    /// The facts of a closed pull request.
    closed: Vec<Facts>,
    approved: Vec<Version>,
}

impl Model {
    /// Something has come from outside.
    pub fn heard(&mut self) {
        self.has_messages = true;
    }

    /// The highest sequence that the runs that follow have to know.
    pub fn kept_sequence(&self) -> Option<u64> {
        // Nothing was closed: a job may run again once there is such an app.
        if self.has_no_app { self.closed } else { self.seen }
    }

    /// The run has ended, and the next message starts another one, which knows what this one has seen.
    pub fn ended(&mut self) {
        let memory = Memory {
            seen: self.kept_sequence(),
            closed: self.pull_request.closed_facts(),
            approved: self.approved.clone(),
        };
        if memory != self.memory.clone().unwrap_or_default() {
            self.memory = Some(memory);
        }
        self.begun_again();
    }

    /// The run is over, and the next message starts another one. It knows what the runs have seen that have ended.
    pub fn begun_again(&mut self) {
        let memory = self.memory.take();
        let known = memory.clone().unwrap_or_default();
        *self = Self {
            answers: std::mem::take(&mut self.answers),
            seen: known.seen,
            closed: known.seen,
            pull_request: PullRequest::of(known.closed),
            approved: known.approved,
            is_spare: memory.is_some(),
            memory,
            ..Self::default()
        };
    }

    /// Whether a push does not follow the last close.
    pub(super) fn is_closed_since(&self, sequence: Option<u64>) -> bool {
        sequence.zip(self.closed).is_some_and(|(sequence, closed)| sequence <= closed)
    }

    /// Whether nothing was made in this run, and no message asks for anything.
    pub(super) fn is_unneeded(&self) -> bool {
        self.is_spare && self.has_messages && self.asked.is_empty() && !self.pull_request.is_reopened
    }
}
