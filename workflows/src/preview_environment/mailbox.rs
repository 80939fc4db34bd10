//! The mailbox of an environment: which push is next, which were overtaken, and what each sender is answered.
//!
//! Pure: signals and updates put things in, the workflow's main loop takes them out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::contract::{
    release::Release,
    signals::{Approve, Close, DeployAnswer, DeployOutcome, Push},
};

/// A release that is to be rolled out, and the ticket under which its senders wait for the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuedRelease {
    pub ticket: u64,
    pub release: Release,
}

/// What became of a push when it was put in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// It has a ticket; the answer comes when its rollout ends.
    Waiting(u64),
    /// There is nothing to wait for.
    Answered(Box<DeployAnswer>),
}

/// What is rolled out and what is being rolled out, as far as a new push is to be compared with it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Current<'a> {
    pub serving: Option<&'a Release>,
    pub rolling_out: Option<&'a QueuedRelease>,
}

/// How many answers are kept for those who have not come for them. The server lets ten updates wait at once.
const KEPT_ANSWERS: usize = 32;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mailbox {
    #[serde(default)]
    seen_sequence: Option<u64>,
    #[serde(default)]
    last_ticket: u64,
    #[serde(default)]
    next: Option<QueuedRelease>,
    #[serde(default)]
    awaiting_approval: Option<Release>,
    #[serde(default)]
    close_requested: bool,
    #[serde(skip)]
    answers: BTreeMap<u64, DeployAnswer>,
}

impl Mailbox {
    /// Puts a push in.
    pub fn push(&mut self, push: &Push, current: Current<'_>) -> Delivery {
        let answer = |outcome| DeployAnswer::new(outcome, push.commit.clone());
        if let Some(seen) = self.older_than_seen(push.sequence) {
            let reason = format!("sequence {} is older than {seen}, already seen", push.sequence.unwrap_or_default());
            return Delivery::Answered(Box::new(answer(DeployOutcome::Skipped).because(reason)));
        }
        if push.draft {
            return Delivery::Answered(Box::new(answer(DeployOutcome::Skipped).because("the pull request is a draft")));
        }
        if push.fork {
            // What is rolling out goes on: nothing of a fork's commit has an effect before it is approved.
            self.awaiting_approval = Some(push.release());
            let reason = format!("from a fork: waits for the signal approve with commit {}", push.commit);
            return Delivery::Answered(Box::new(answer(DeployOutcome::AwaitingApproval).because(reason)));
        }
        self.awaiting_approval = None;
        self.enqueue(push.release(), current)
    }

    /// Puts an approval in. Only the commit that waits can be approved, so that a later push of the fork cannot ride
    /// on an earlier approval.
    pub fn approve(&mut self, approve: &Approve, current: Current<'_>) -> Result<(), String> {
        match self.awaiting_approval.take_if(|release| release.commit == approve.commit) {
            Some(release) => {
                self.enqueue(release, current);
                Ok(())
            }
            None => Err(format!("approve: no push of commit {} waits for approval", approve.commit)),
        }
    }

    /// Rolls a release out again, whether or not it is live. A rollout of it that is in flight begins anew, since it may have
    /// read its secrets already; who waits for that one waits for this.
    pub fn redeploy(&mut self, release: Release, current: Current<'_>) {
        let same = |other: &QueuedRelease| other.release.is_same_version(&release);
        if self.next.as_ref().is_some_and(same) {
            return;
        }
        match current.rolling_out.filter(|rolling_out| same(rolling_out)) {
            Some(rolling_out) if self.next.is_none() => {
                self.next = Some(QueuedRelease { ticket: rolling_out.ticket, release });
            }
            _ => {
                self.put_in_line(release);
            }
        }
    }

    fn enqueue(&mut self, release: Release, current: Current<'_>) -> Delivery {
        if !self.close_requested {
            let same = |other: &QueuedRelease| other.release.is_same_version(&release);
            if let Some(waiting) = self.next.as_ref().filter(|next| same(next)) {
                return Delivery::Waiting(waiting.ticket);
            }
            if self.next.is_none() {
                match (current.rolling_out, current.serving) {
                    (Some(rolling_out), _) if same(rolling_out) => {
                        return Delivery::Waiting(rolling_out.ticket);
                    }
                    (None, Some(serving)) if serving.is_same_version(&release) => {
                        return Delivery::Answered(Box::new(DeployAnswer::new(DeployOutcome::Live, release.commit)));
                    }
                    _ => {}
                }
            }
        }
        Delivery::Waiting(self.put_in_line(release))
    }

    /// In the place of what was next; gives the ticket.
    fn put_in_line(&mut self, release: Release) -> u64 {
        self.last_ticket += 1;
        let ticket = self.last_ticket;
        if let Some(overtaken) = self.next.replace(QueuedRelease { ticket, release }) {
            self.answer_overtaken(overtaken, DeployOutcome::Superseded);
        }
        ticket
    }

    /// Puts a close in. What has not begun never will; a push that comes later is kept, for a new environment.
    pub fn close(&mut self, close: &Close) -> Result<(), String> {
        if let Some(seen) = self.older_than_seen(close.sequence) {
            return Err(format!("close: sequence {} is older than {seen}", close.sequence.unwrap_or_default()));
        }
        self.request_close();
        Ok(())
    }

    /// A close from who need not say when: the workflow was cancelled.
    pub fn request_close(&mut self) {
        self.close_requested = true;
        self.awaiting_approval = None;
        if let Some(overtaken) = self.next.take() {
            self.answer_overtaken(overtaken, DeployOutcome::Closed);
        }
    }

    /// The sequence already seen, if this one is older; else remembers it.
    fn older_than_seen(&mut self, sequence: Option<u64>) -> Option<u64> {
        let older = self.seen_sequence.filter(|seen| sequence.is_some_and(|sequence| sequence < *seen));
        if older.is_none() {
            self.seen_sequence = self.seen_sequence.max(sequence);
        }
        older
    }

    fn answer_overtaken(&mut self, overtaken: QueuedRelease, outcome: DeployOutcome) {
        self.answer(overtaken.ticket, DeployAnswer::new(outcome, overtaken.release.commit));
    }

    /// Keeps the answer for everyone who waits under that ticket.
    pub fn answer(&mut self, ticket: u64, answer: DeployAnswer) {
        self.answers.insert(ticket, answer);
        while self.answers.len() > KEPT_ANSWERS {
            self.answers.pop_first();
        }
    }

    /// Tells those who wait for the push that is next that it is in line, and behind what.
    pub fn answer_queued(&mut self, behind: &str) {
        if let Some(next) = &self.next {
            let answer = DeployAnswer::new(DeployOutcome::Queued, next.release.commit.clone());
            self.answer(next.ticket, answer.because(behind));
        }
    }

    /// The answer, once there is one.
    pub fn answer_to(&self, ticket: u64) -> Option<&DeployAnswer> {
        self.answers.get(&ticket)
    }

    /// Whether there is something to do next: a close, or a push.
    pub fn has_work(&self) -> bool {
        self.close_requested || self.next.is_some()
    }

    /// Whether the rollout in flight is to stop: for a close, or for a push that takes its place.
    pub fn stops_rollout(&self) -> bool {
        self.close_requested || self.next.is_some()
    }

    /// Takes the next push out, unless a close comes first. Who joins it from now on waits for its end.
    pub fn take_push(&mut self) -> Option<QueuedRelease> {
        let next = self.next.take_if(|_| !self.close_requested)?;
        self.answers.remove(&next.ticket);
        Some(next)
    }

    /// Takes a close out.
    pub fn take_close(&mut self) -> bool {
        std::mem::take(&mut self.close_requested)
    }

    /// Whether a close waits to be taken out.
    pub fn is_close_requested(&self) -> bool {
        self.close_requested
    }

    /// The push that waits to be taken out.
    pub fn next(&self) -> Option<&Release> {
        self.next.as_ref().map(|next| &next.release)
    }

    /// The ticket under which its senders wait.
    pub fn next_ticket(&self) -> Option<u64> {
        self.next.as_ref().map(|next| next.ticket)
    }

    /// The push of a fork that waits for approval.
    pub fn awaiting_approval(&self) -> Option<&Release> {
        self.awaiting_approval.as_ref()
    }
}

#[cfg(test)]
mod tests;
