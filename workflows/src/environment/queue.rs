//! The queue of an environment: which release is rolled out next, and the answer that each of its senders gets.
//!
//! Pure. Signals and updates put releases in, the workflow's main loop takes them out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    contract::{
        release::Release,
        signals::{DeployAnswer, DeployOutcome},
    },
    environment::recent::Recent,
};

/// A release that is to be rolled out, and the ticket under which its senders wait for the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuedRelease {
    pub ticket: u64,
    pub release: Release,
}

/// Result of putting a release in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// It has a ticket; the answer comes when its rollout ends.
    Waiting(u64),
    /// There is nothing to wait for.
    Answered(Box<DeployAnswer>),
}

/// The releases that a new one is compared with.
#[derive(Debug, Clone, Copy, Default)]
pub struct Current<'a> {
    pub serving: Option<&'a Release>,
    pub rolling_out: Option<&'a QueuedRelease>,
}

/// How many answers are kept that no update waits for.
const KEPT_ANSWERS: usize = 32;

/// Queue of one slot. A newer release takes the place of one that has not begun.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Queue {
    seen_sequence: Option<u64>,
    last_ticket: u64,
    next: Option<QueuedRelease>,
    /// The ticket of the next release, if it serves: it is rolled out only if something of it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    look: Option<u64>,
    /// The outcomes of the last commits.
    #[serde(skip_serializing_if = "Recent::is_empty")]
    pub recent: Recent,
    /// Not carried from run to run: a run with open updates does not continue as new.
    #[serde(skip)]
    answers: BTreeMap<u64, DeployAnswer>,
    /// How many updates wait under a ticket.
    #[serde(skip)]
    awaited: BTreeMap<u64, usize>,
    /// The ticket of the rollout in flight, if the next release repeats it.
    #[serde(skip)]
    repeated: Option<u64>,
}

impl Queue {
    /// The sequence already seen, if it is newer than this one. Otherwise remembers this one.
    pub fn newer_seen(&mut self, sequence: Option<u64>) -> Option<u64> {
        let newer = self.seen_sequence.filter(|seen| sequence.is_some_and(|sequence| sequence < *seen));
        if newer.is_none() {
            self.seen_sequence = self.seen_sequence.max(sequence);
        }
        newer
    }

    /// The highest sequence already seen.
    pub fn seen(&self) -> Option<u64> {
        self.seen_sequence
    }

    /// Puts a release in, unless the same version is next, is rolling out or serves: then its sender joins that one.
    pub fn join_or_put(&mut self, release: Release, current: Current<'_>) -> Delivery {
        self.join(&release, current).unwrap_or_else(|| Delivery::Waiting(self.put(release)))
    }

    /// Joins the same version, if it is next, is rolling out or serves.
    pub fn join(&self, release: &Release, current: Current<'_>) -> Option<Delivery> {
        let same = |other: &QueuedRelease| other.release.is_same_version(release);
        if let Some(next) = &self.next {
            return same(next).then_some(Delivery::Waiting(next.ticket));
        }
        match (current.rolling_out, current.serving) {
            (Some(rolling_out), _) => same(rolling_out).then_some(Delivery::Waiting(rolling_out.ticket)),
            (None, Some(serving)) => serving
                .is_same_version(release)
                .then(|| Delivery::Answered(Box::new(DeployAnswer::new(DeployOutcome::Live, release.commit.clone())))),
            (None, None) => None,
        }
    }

    /// Puts a release in the place of what was next. Returns its ticket.
    pub fn put(&mut self, release: Release) -> u64 {
        let ticket = self.issue_ticket();
        self.put_under(ticket, release);
        ticket
    }

    /// A new ticket, for a release that is put in later.
    pub fn issue_ticket(&mut self) -> u64 {
        self.last_ticket += 1;
        self.last_ticket
    }

    /// Puts a release in the place of what was next, under a ticket that its senders have already.
    pub fn put_under(&mut self, ticket: u64, release: Release) {
        self.drop_next(DeployOutcome::Superseded);
        self.next = Some(QueuedRelease { ticket, release });
    }

    /// Puts the release that serves in the place of what was next, under this ticket. It is only looked at, if it is there.
    pub fn put_to_look(&mut self, ticket: u64, release: Release) {
        self.put_under(ticket, release);
        self.look = Some(ticket);
    }

    /// Whether the next release is only looked at.
    pub fn is_look_next(&self) -> bool {
        self.look.is_some() && self.look == self.next_ticket()
    }

    /// Puts a release in once more, whether or not it is live. If it is rolling out, that rollout is repeated, since it
    /// may have read its secrets already; the new one answers the senders of both.
    pub fn put_again(&mut self, release: Release, current: Current<'_>) {
        let same = |other: &QueuedRelease| other.release.is_same_version(&release);
        if self.next.as_ref().is_some_and(same) {
            self.look = None;
            return;
        }
        match current.rolling_out.filter(|rolling_out| same(rolling_out)) {
            Some(rolling_out) if self.next.is_none() => {
                self.next = Some(QueuedRelease { ticket: rolling_out.ticket, release });
                self.repeated = Some(rolling_out.ticket);
            }
            _ => {
                self.put(release);
            }
        }
    }

    /// Takes the next release out. A sender that joins it from now on waits for its end.
    pub fn take(&mut self) -> Option<QueuedRelease> {
        let next = self.next.take()?;
        self.look = None;
        self.answers.remove(&next.ticket);
        self.repeated = None;
        Some(next)
    }

    /// Drops the next release, with this answer to its senders.
    pub fn drop_next(&mut self, outcome: DeployOutcome) {
        self.withdraw(|release| DeployAnswer::new(outcome, release.commit.clone()));
    }

    /// Takes the next release out without a rollout, with this answer to its senders. Those of a rollout in flight that it would
    /// have repeated wait for the end of that one.
    pub fn withdraw(&mut self, answer: impl FnOnce(&Release) -> DeployAnswer) -> Option<Release> {
        let QueuedRelease { ticket, release } = self.next.take()?;
        if self.repeated.take() != Some(ticket) {
            self.answer(ticket, answer(&release));
        }
        Some(release)
    }

    /// Keeps the answer for every sender that waits under a ticket. One that an update waits for is kept until it is taken.
    pub fn answer(&mut self, ticket: u64, answer: DeployAnswer) {
        self.recent.record(&answer);
        self.answers.insert(ticket, answer);
        let is_spare = |ticket: &&u64| !self.awaited.contains_key(ticket);
        let mut spare = self.answers.keys().filter(is_spare).copied();
        if let Some(oldest) = spare.next().filter(|_| spare.count() >= KEPT_ANSWERS) {
            self.answers.remove(&oldest);
        }
    }

    /// Records that an update waits under a ticket.
    pub fn wait_for(&mut self, ticket: u64) {
        *self.awaited.entry(ticket).or_default() += 1;
    }

    /// Takes the answer for one update that waits under a ticket, once there is one.
    pub fn take_answer(&mut self, ticket: u64) -> Option<DeployAnswer> {
        let answer = self.answers.get(&ticket)?.clone();
        if let Some(updates) = self.awaited.get_mut(&ticket) {
            *updates -= 1;
            if *updates == 0 {
                self.awaited.remove(&ticket);
                self.answers.remove(&ticket);
            }
        }
        Some(answer)
    }

    /// Answers the senders of the next release that it is queued, and behind what.
    pub fn answer_queued(&mut self, behind: &str) {
        if let Some(next) = &self.next {
            let answer = DeployAnswer::new(DeployOutcome::Queued, next.release.commit.clone());
            self.answer(next.ticket, answer.because(behind));
        }
    }

    /// The answer under a ticket, once there is one.
    pub fn answer_to(&self, ticket: u64) -> Option<&DeployAnswer> {
        self.answers.get(&ticket)
    }

    /// The release that is next.
    pub fn next(&self) -> Option<&Release> {
        self.next.as_ref().map(|next| &next.release)
    }

    /// The release that is next, to be marked.
    pub fn next_mut(&mut self) -> Option<&mut Release> {
        self.next.as_mut().map(|next| &mut next.release)
    }

    /// The ticket of the release that is next.
    pub fn next_ticket(&self) -> Option<u64> {
        self.next.as_ref().map(|next| next.ticket)
    }
}

#[cfg(test)]
mod tests;
