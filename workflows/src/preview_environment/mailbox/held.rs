//! The newest push, while it waits: for facts about the pull request, or for the app file's rules about them.

use serde::{Deserialize, Serialize};

use super::{Current, Delivery, Hold, Mailbox, awaits_approval};
use crate::contract::{
    release::Release,
    signals::{DeployAnswer, DeployOutcome, Push},
};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HeldPush {
    pub(super) release: Release,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    draft: bool,
    /// Whether it needs an approval, as the push itself says.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    fork: bool,
    /// Whether a person has approved it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) approved: bool,
    /// The ticket of the senders that wait for an answer. None: they have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ticket: Option<u64>,
}

impl HeldPush {
    pub(super) fn new(push: &Push, approved: bool) -> Self {
        Self { release: push.release(), draft: push.draft, fork: push.fork, approved, ticket: None }
    }
}

impl Mailbox {
    /// Keeps a push until the app file is read. Nothing is stopped for it before.
    pub(super) fn hold_for_rules(&mut self, push: &Push, current: Current<'_>) -> Delivery {
        let release = push.release();
        if self.checks_app && (push.fork || self.facts.is_fork()) {
            self.record_wait(&release);
        }
        // What rolls out or serves needs no other rules, and was approved with this image.
        if let Some(joined) = self.join(&release, current) {
            self.drop_held(DeployOutcome::Superseded);
            self.replace_awaiting(None, DeployOutcome::Superseded);
            return joined;
        }
        let mut held = HeldPush::new(push, false);
        if let Some(same) = self.held.take_if(|same| same.release.is_same_version(&release)) {
            held = HeldPush { fork: held.fork || same.fork, approved: same.approved, ticket: same.ticket, ..held };
        }
        self.drop_held(DeployOutcome::Superseded);
        self.replace_awaiting(None, DeployOutcome::Superseded);
        let ticket = held.ticket.unwrap_or_else(|| self.queue.issue_ticket());
        self.held = Some(HeldPush { ticket: Some(ticket), ..held });
        Delivery::Waiting(ticket)
    }

    /// The push of a fork that waits for approval, or will once the app file is read.
    pub fn to_be_approved(&self) -> Option<&Release> {
        self.awaiting_approval().or_else(|| self.fork_before_rules())
    }

    fn fork_before_rules(&self) -> Option<&Release> {
        let waits = |held: &&HeldPush| !held.approved && (held.fork || self.facts.is_fork());
        let held = self.held.as_ref().filter(|_| self.checks_app && self.facts.are_rules_due());
        held.filter(waits).map(|held| &held.release)
    }

    /// Whether a person has approved this version, and it still waits for something else.
    pub(super) fn is_approved(&self, push: &Push) -> bool {
        self.held.as_ref().is_some_and(|held| held.approved && held.release.is_same_version(&push.release()))
    }

    /// Drops the push that waits, with this answer to its senders.
    pub(super) fn drop_held(&mut self, outcome: DeployOutcome) {
        if let Some(held) = self.held.take() {
            self.answer_held(&held, outcome, None);
        }
    }

    fn answer_held(&mut self, held: &HeldPush, outcome: DeployOutcome, why: Option<String>) {
        let answer = DeployAnswer { reason: why, ..DeployAnswer::new(outcome, held.release.commit.clone()) };
        match held.ticket {
            Some(ticket) => self.queue.answer(ticket, answer),
            None => self.queue.recent.record(&answer),
        }
    }

    /// Judges the push that waits by what is known now. It goes on, waits on, or is dropped.
    pub fn settle(&mut self, current: Current<'_>) {
        if self.facts.are_rules_due() {
            return;
        }
        let Some(held) = self.held.take() else { return };
        // A person who approves a commit knows that it is not the newest.
        let refused = self.facts.refuse(&held.release.commit).filter(|_| !held.approved);
        if let Some((outcome, why)) = refused {
            self.answer_held(&held, outcome, Some(why));
        } else if let Some(hold) = self.facts.hold(held.draft) {
            self.answer_held(&held, DeployOutcome::Skipped, Some(hold.reason()));
            self.held = Some(HeldPush { ticket: None, ..held });
        } else if self.join_held(&held, current) {
            // It needs no approval again, and its senders have their answer.
        } else if (held.fork || self.facts.is_fork()) && !held.approved && !self.was_approved(&held.release) {
            let why = awaits_approval(held.release.commit.as_str());
            self.answer_held(&held, DeployOutcome::AwaitingApproval, Some(why));
            self.replace_awaiting(Some(held.release), DeployOutcome::Superseded);
            self.awaiting_is_draft = held.draft;
        } else {
            match held.ticket {
                Some(ticket) => self.queue.put_under(ticket, held.release),
                None => drop(self.enqueue(held.release, current)),
            }
        }
    }

    /// Joins the same version for the push that was held. Returns false if there is none, or if its senders wait under a ticket
    /// of their own.
    fn join_held(&mut self, held: &HeldPush, current: Current<'_>) -> bool {
        match (self.join_under(held.ticket, &held.release, current), held.ticket) {
            (Some(Delivery::Answered(answer)), Some(ticket)) => {
                self.queue.answer(ticket, *answer);
                true
            }
            // It is looked at under their own ticket.
            (Some(Delivery::Waiting(joined)), Some(ticket)) if joined == ticket => true,
            (joined, ticket) => joined.is_some() && ticket.is_none(),
        }
    }

    /// Puts a release in that a person has approved. It may still wait for facts: an approval is no label.
    pub(super) fn put_approved(&mut self, release: Release, draft: bool, current: Current<'_>) {
        self.drop_held(DeployOutcome::Superseded);
        self.held = Some(HeldPush { release, draft, fork: true, approved: true, ticket: None });
        self.settle(current);
    }

    /// The push that waits for facts, and the condition that it waits for.
    pub fn held(&self) -> Option<(&Release, Option<Hold>)> {
        self.held.as_ref().map(|held| (&held.release, self.facts.hold(held.draft)))
    }
}
