//! The mailbox of a preview: its queue, a push that waits for approval or for facts about the pull request, and a close.
//!
//! Pure. Signals and updates put messages in, the workflow's main loop takes them out.

use serde::{Deserialize, Serialize};

use crate::{
    contract::{
        pull_request::PullRequestFacts,
        release::Release,
        signals::{Approve, Close, CloseAnswer, DeployAnswer, DeployOutcome, Push},
        stop_reason::StopReason,
    },
    environment::{
        arrival::Arrival,
        queue::{Current, Delivery, Queue, QueuedRelease},
    },
    preview_environment::facts::{Facts, Hold},
};

use approvals::Approvals;
use held::HeldPush;
use seen::{Remembering, not_newer};

mod approvals;
mod held;
mod seen;
mod unknown_app;

/// The answer to a push that has no order with a close.
const CLOSED_AT_ONCE: &str = "a close arrived at the same moment; push again if the pull request is open";

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mailbox {
    #[serde(flatten)]
    pub queue: Queue,
    #[serde(default)]
    awaiting_approval: Option<Release>,
    /// Whether the push that waits for approval was of a draft, by its own word.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    awaiting_is_draft: bool,
    /// The newest push, while it waits for facts or for the app file's rules about them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    held: Option<HeldPush>,
    #[serde(default, skip_serializing_if = "Facts::is_empty")]
    pub facts: Facts,
    #[serde(default)]
    close_requested: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    remembering: Option<Remembering>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    approvals: Option<Approvals>,
    /// Whether a fork's push waits until the app file is read. In a run of an older version it does not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    checks_app: bool,
    /// Whether what serves is looked at before a push of it is answered.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    looks: bool,
    /// The closes of the newest task that brought one. Not carried: another run has other tasks.
    #[serde(skip)]
    closes: Vec<ArrivedClose>,
}

/// A close that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ArrivedClose {
    arrival: Arrival,
    sequence: Option<u64>,
}

impl Mailbox {
    /// Puts a push in.
    pub fn push(&mut self, push: &Push, arrival: Arrival, current: Current<'_>) -> Delivery {
        let delivery = self.put_push(push, arrival, current);
        match &delivery {
            Delivery::Answered(answer) => self.queue.recent.record(answer),
            Delivery::Waiting(_) => self.queue.recent.forget(&push.commit),
        }
        delivery
    }

    fn put_push(&mut self, push: &Push, arrival: Arrival, current: Current<'_>) -> Delivery {
        let answered = |outcome, reason: String| {
            Delivery::Answered(Box::new(DeployAnswer::new(outcome, push.commit.clone()).because(reason)))
        };
        if let Some(seen) = self.queue.newer_seen(push.sequence) {
            return answered(DeployOutcome::Skipped, older(push.sequence, seen));
        }
        if let Some((outcome, why)) = self.facts.refuse(&push.commit) {
            return answered(outcome, why);
        }
        if self.is_closed_at_once(push, arrival) {
            return answered(DeployOutcome::Closed, CLOSED_AT_ONCE.to_owned());
        }
        if let Some(closed) = self.closed_since(push.sequence) {
            return answered(DeployOutcome::Skipped, not_newer(closed));
        }
        if let Some(joined) = self.rejoin(push, current) {
            return joined;
        }
        let is_fork = push.fork || self.facts.is_fork();
        if self.facts.need_rules(push.draft || (self.checks_app && is_fork)) {
            return self.hold_for_rules(push, current);
        }
        let (release, approved) = (push.release(), self.is_approved(push));
        self.drop_held(DeployOutcome::Superseded);
        if let Some(hold) = self.facts.hold(push.draft) {
            self.replace_awaiting(None, DeployOutcome::Superseded);
            self.held = Some(HeldPush::new(push, approved));
            return answered(DeployOutcome::Skipped, hold.reason());
        }
        if is_fork && !approved && !self.was_approved(&release) {
            // What rolls out or serves was approved with this image.
            if let Some(joined) = self.join(&release, current) {
                self.replace_awaiting(None, DeployOutcome::Superseded);
                return joined;
            }
            // The rollout in flight goes on: a fork's commit has no effect before it is approved.
            self.replace_awaiting(Some(release), DeployOutcome::Superseded);
            self.awaiting_is_draft = push.draft;
            return answered(DeployOutcome::AwaitingApproval, awaits_approval(push.commit.as_str()));
        }
        if !self.leaves_waiting(push, &release) {
            self.replace_awaiting(None, DeployOutcome::Superseded);
        }
        self.enqueue(release, current)
    }

    /// Puts facts about the pull request in. A push that waited for them goes on. Returns whether only they say that it is a
    /// fork's.
    ///
    /// # Errors
    /// The reason why they are ignored.
    pub fn take_facts(
        &mut self,
        facts: PullRequestFacts,
        arrival: Arrival,
        current: Current<'_>,
    ) -> Result<bool, String> {
        let was_fork = self.facts.is_fork();
        let closes = self.facts.take(facts)?;
        let is_new_fork = self.facts.is_fork() && !was_fork;
        if closes {
            self.close(&Close::default(), arrival);
        } else {
            self.forget_close_if_reopened();
            if is_new_fork {
                self.hold_unapproved();
            }
            self.settle(current);
        }
        Ok(is_new_fork)
    }

    /// Sets the push that waits for approval. The outcome is that of the one before: its senders were told that it waits.
    fn replace_awaiting(&mut self, next: Option<Release>, outcome: DeployOutcome) {
        if let Some(next) = &next {
            self.record_wait(next);
        }
        self.awaiting_is_draft = false;
        if let Some(before) = std::mem::replace(&mut self.awaiting_approval, next) {
            self.queue.recent.record(&DeployAnswer::new(outcome, before.commit));
        }
    }

    /// Puts an approval in. Only the commit that waits can be approved, so that a later push of the fork cannot ride
    /// on an earlier approval.
    pub fn approve(&mut self, approve: &Approve, current: Current<'_>) -> Result<(), String> {
        let waiting = self.to_be_approved().filter(|release| release.commit == approve.commit).cloned();
        let waiting =
            waiting.ok_or_else(|| format!("approve: no push of commit {} waits for approval", approve.commit))?;
        self.check_image(approve, &waiting)?;
        self.record_approval(&waiting);
        let draft = std::mem::take(&mut self.awaiting_is_draft);
        match (self.awaiting_approval.take(), &mut self.held) {
            (Some(release), _) => self.put_approved(release, draft, current),
            // It goes on once the app file is read.
            (None, Some(held)) => held.approved = true,
            (None, None) => {}
        }
        Ok(())
    }

    fn enqueue(&mut self, release: Release, current: Current<'_>) -> Delivery {
        self.join(&release, current).unwrap_or_else(|| Delivery::Waiting(self.queue.put(release)))
    }

    /// Joins the same version, if it is next, is rolling out or serves. A push that follows a close is for a new environment: it
    /// joins nothing of the old one.
    fn join(&mut self, release: &Release, current: Current<'_>) -> Option<Delivery> {
        self.join_under(None, release, current)
    }

    /// Joins the same version, with a ticket that its senders have already, if they have one.
    fn join_under(&mut self, ticket: Option<u64>, release: &Release, current: Current<'_>) -> Option<Delivery> {
        let joined = self.queue.join(release, if self.close_requested { Current::default() } else { current })?;
        if !self.looks || matches!(joined, Delivery::Waiting(_)) {
            return Some(joined);
        }
        let ticket = ticket.unwrap_or_else(|| self.queue.issue_ticket());
        self.queue.put_to_look(ticket, release.clone());
        Some(Delivery::Waiting(ticket))
    }

    /// Looks at what serves before a push of it is answered, from now on.
    pub fn look_at_serving(&mut self) {
        self.looks = true;
    }

    /// Puts a close in. A push that has not begun is dropped; a push that comes later is kept, for a new environment.
    pub fn close(&mut self, close: &Close, arrival: Arrival) -> CloseAnswer {
        if let Some(seen) = self.queue.newer_seen(close.sequence) {
            return CloseAnswer::skipped(seen, older(close.sequence, seen));
        }
        self.closes.retain(|earlier| earlier.arrival.task == arrival.task);
        self.closes.push(ArrivedClose { arrival, sequence: close.sequence });
        self.close_requested = true;
        self.replace_awaiting(None, DeployOutcome::Closed);
        self.remember_close();
        self.forget_waits();
        self.facts.close();
        self.drop_held(DeployOutcome::Closed);
        self.queue.drop_next(DeployOutcome::Closed);
        CloseAnswer::closing()
    }

    /// Whether a push came with a close of another kind in one task, and is not the later one by its sequence.
    fn is_closed_at_once(&self, push: &Push, arrival: Arrival) -> bool {
        let mut unordered = self.closes.iter().filter(|close| close.arrival.is_unordered_with(arrival));
        unordered.any(|close| !matches!((push.sequence, close.sequence), (Some(push), Some(close)) if push > close))
    }

    /// Whether an environment is wanted: a push waits, or the pull request was opened again.
    pub fn is_wanted(&self) -> bool {
        self.has_work() || self.awaiting_approval.is_some() || self.held.is_some() || self.facts.is_reopened()
    }

    /// Whether a release waits to be rolled out. One that serves is only looked at.
    pub fn is_rollout_next(&self) -> bool {
        self.queue.next().is_some() && !self.queue.is_look_next()
    }

    /// Whether there is something to do next: a close, or a push.
    pub fn has_work(&self) -> bool {
        self.close_requested || self.queue.next().is_some()
    }

    /// The reason to stop the rollout in flight: a close, or a push that takes its place.
    pub fn stop_reason(&self) -> Option<StopReason> {
        if self.close_requested {
            return Some(StopReason::EnvironmentCloses);
        }
        self.queue.next().map(|newer| StopReason::Superseded { by: newer.commit.to_string() })
    }

    /// Takes the next push out, unless a close comes first.
    pub fn take_push(&mut self) -> Option<QueuedRelease> {
        if self.close_requested { None } else { self.queue.take() }
    }

    /// Takes a close out.
    pub fn take_close(&mut self) -> bool {
        std::mem::take(&mut self.close_requested)
    }

    /// Whether a close waits to be taken out.
    pub fn is_close_requested(&self) -> bool {
        self.close_requested
    }

    /// Releases that wait, to be marked.
    pub fn waiting_mut(&mut self) -> impl Iterator<Item = &mut Release> {
        let held = self.held.as_mut().map(|held| &mut held.release);
        self.queue.next_mut().into_iter().chain(&mut self.awaiting_approval).chain(held)
    }

    /// The push of a fork that waits for approval.
    pub fn awaiting_approval(&self) -> Option<&Release> {
        self.awaiting_approval.as_ref()
    }
}

/// The reason for the sender of a fork's push.
fn awaits_approval(commit: &str) -> String {
    format!("from a fork: waits for the signal approve with commit {commit}")
}

/// The reason to skip a message whose sequence is lower than one already seen.
fn older(sequence: Option<u64>, seen: u64) -> String {
    format!("sequence {} is older than {seen}, already seen", sequence.unwrap_or_default())
}

#[cfg(test)]
mod tests;
