//! The mailbox of production: messages in their order of arrival, each judged when all before it are.
//!
//! Pure. A message that must wait holds up those behind it: all messages for the record of the namespace, a rollback also for
//! its target. So `rollback` and then `unfreeze` never change places. Two kinds do not wait for a target: a newer rollback
//! takes the place of the one before it, and a freeze is judged at once.
//!
//! Signals keep their order among themselves, and so do updates, and any two messages of different workflow tasks. Within one
//! task the SDK delivers signals before updates, whatever came first (see [`Arrival`]). There a freeze or a rollback counts
//! as the later message: an update `unfreeze` that comes with a signal of either changes nothing.
//!
//! A message with a proof waits until the proof is checked. One that does not hold is taken off: the message is a claim then,
//! as it would be without it.

use std::collections::{BTreeMap, VecDeque};

use super::inbox::Receipt;
use crate::{
    contract::{
        production::{ApproveRelease, Freeze, RejectRelease, Rollback, Unfreeze},
        production_answer::ProductionAnswer,
        proof::{CheckProofInput, Proof, ProofAction},
        provable::Provable,
        signals::Push,
    },
    environment::arrival::Arrival,
};

/// How many messages wait at most. So many come only if the API server is away for long.
const KEPT: usize = 200;

/// A message of production.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Message {
    Release(Push),
    Approve(ApproveRelease),
    Reject(RejectRelease),
    Freeze(Freeze),
    Unfreeze(Unfreeze),
    Redeploy,
    Rollback(Rollback),
}

impl Message {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Release(_) => "release",
            Self::Approve(_) => "approve",
            Self::Reject(_) => "reject",
            Self::Freeze(_) => "freeze",
            Self::Unfreeze(_) => "unfreeze",
            Self::Redeploy => "redeploy",
            Self::Rollback(_) => "rollback",
        }
    }

    /// The message as one that can carry a proof, and the action that the proof names. None: it never carries one.
    fn provable(&self) -> Option<(&dyn Provable, ProofAction)> {
        Some(match self {
            Self::Release(message) => (message, ProofAction::Release),
            Self::Approve(message) => (message, ProofAction::Approve),
            Self::Reject(message) => (message, ProofAction::Reject),
            Self::Freeze(message) => (message, ProofAction::Freeze),
            Self::Unfreeze(message) => (message, ProofAction::Unfreeze),
            Self::Rollback(message) => (message, ProofAction::Rollback),
            Self::Redeploy => return None,
        })
    }

    fn proof(&self) -> Option<&Proof> {
        self.provable().and_then(|(message, _)| message.proof())
    }

    fn drop_proof(&mut self) {
        match self {
            Self::Release(message) => message.drop_proof(),
            Self::Approve(message) => message.drop_proof(),
            Self::Reject(message) => message.drop_proof(),
            Self::Freeze(message) => message.drop_proof(),
            Self::Unfreeze(message) => message.drop_proof(),
            Self::Rollback(message) => message.drop_proof(),
            Self::Redeploy => {}
        }
    }

    /// Whether it holds releases.
    fn freezes(&self) -> bool {
        match self {
            Self::Freeze(_) => true,
            Self::Rollback(rollback) => !rollback.keep_going,
            _ => false,
        }
    }
}

/// A message that has arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Letter {
    pub(super) message: Message,
    pub(super) arrival: Arrival,
    pub(super) receipt: Receipt,
    /// Unix time in milliseconds.
    pub(super) at_ms: u64,
    /// The ticket of the update that waits for an answer, if one does.
    ticket: Option<u64>,
    /// Whether it has no proof, or one that was checked.
    is_checked: bool,
    /// The reason why its proof does not hold.
    pub(super) doubt: Option<String>,
}

impl Letter {
    /// A message that no update waits for.
    pub(super) fn new(message: Message, arrival: Arrival, receipt: Receipt, at_ms: u64) -> Self {
        let is_checked = message.proof().is_none();
        Self { message, arrival, receipt, at_ms, ticket: None, is_checked, doubt: None }
    }

    /// The check of its proof, if that is still to be made.
    fn check(&self, environment: &str) -> Option<CheckProofInput> {
        let (message, action) = self.message.provable().filter(|_| !self.is_checked)?;
        let (proof, content) = (message.proof()?.clone(), message.proven_content(environment, action));
        Some(CheckProofInput { proof, content, received_ms: self.at_ms })
    }
}

/// See the module. Not carried: a run continues as new when all is judged and answered.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    waiting: VecDeque<Letter>,
    /// Answers that their updates have not taken yet.
    answers: BTreeMap<u64, ProductionAnswer>,
    last_ticket: u64,
    /// The arrival of the newest message that holds releases.
    last_freeze: Option<Arrival>,
}

impl Mailbox {
    /// Puts a message in.
    ///
    /// # Errors
    /// Too many messages wait: it is not put in.
    pub(super) fn put(&mut self, letter: Letter) -> Result<(), &'static str> {
        if self.waiting.len() >= KEPT {
            return Err("too many messages wait already");
        }
        if letter.message.freezes() {
            self.last_freeze = Some(letter.arrival);
        }
        self.waiting.push_back(letter);
        Ok(())
    }

    /// Puts an update in. Returns the ticket for its answer.
    ///
    /// # Errors
    /// As [`Mailbox::put`].
    pub(super) fn put_for_answer(&mut self, letter: Letter) -> Result<u64, &'static str> {
        let ticket = self.last_ticket + 1;
        self.put(Letter { ticket: Some(ticket), ..letter })?;
        self.last_ticket = ticket;
        Ok(ticket)
    }

    /// Whether no message waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether a rollback waits. One behind other messages is judged with them.
    pub(super) fn awaits_target(&self) -> bool {
        self.waiting.iter().any(|letter| matches!(letter.message, Message::Rollback(_)))
    }

    /// The rollbacks that wait behind the message to judge next.
    pub(super) fn later_rollbacks(&self) -> impl Iterator<Item = (&Rollback, &Letter)> {
        self.waiting.iter().skip(1).filter_map(|letter| match &letter.message {
            Message::Rollback(rollback) => Some((rollback, letter)),
            _ => None,
        })
    }

    /// Takes the first freeze that waits, and each `unfreeze` before it: the freeze came later, and counts.
    pub(super) fn take_freeze(&mut self) -> Option<(Letter, Vec<Letter>)> {
        let is_freeze = |letter: &Letter| letter.is_checked && matches!(letter.message, Message::Freeze(_));
        let at = self.waiting.iter().position(is_freeze)?;
        let freeze = self.waiting.remove(at)?;
        let (mut moot, mut waiting) = (Vec::new(), VecDeque::new());
        for (place, letter) in self.waiting.drain(..).enumerate() {
            let is_moot = place < at && matches!(letter.message, Message::Unfreeze(_));
            if is_moot { moot.push(letter) } else { waiting.push_back(letter) }
        }
        self.waiting = waiting;
        Some((freeze, moot))
    }

    /// The message to judge next. None: there is none, or its proof has to be checked first.
    pub(super) fn next(&self) -> Option<&Letter> {
        self.waiting.front().filter(|letter| letter.is_checked)
    }

    /// The next check of a proof. `environment` is the workflow's id.
    pub(super) fn next_check(&self, environment: &str) -> Option<CheckProofInput> {
        self.waiting.iter().find_map(|letter| letter.check(environment))
    }

    /// Whether a proof is still to be checked.
    pub(super) fn awaits_check(&self) -> bool {
        self.waiting.iter().any(|letter| !letter.is_checked)
    }

    /// Records the check of a proof. `doubt` is the reason why it does not hold. Returns the name of the message, if it still
    /// waits.
    pub(super) fn conclude_check(&mut self, proof: &Proof, doubt: Option<String>) -> Option<&'static str> {
        let is_of = |letter: &&mut Letter| !letter.is_checked && letter.message.proof() == Some(proof);
        let letter = self.waiting.iter_mut().find(is_of)?;
        letter.is_checked = true;
        if doubt.is_some() {
            letter.message.drop_proof();
        }
        letter.doubt = doubt;
        Some(letter.message.name())
    }

    /// Takes the message to judge next.
    pub(super) fn take_next(&mut self) -> Option<Letter> {
        self.waiting.pop_front()
    }

    /// Records the answer to a message. Returns whether an update takes it.
    pub(super) fn answer(&mut self, letter: &Letter, answer: &ProductionAnswer) -> bool {
        let Some(ticket) = letter.ticket else { return false };
        self.answers.insert(ticket, answer.clone());
        true
    }

    /// Whether the answer for a ticket is there.
    pub(super) fn is_answered(&self, ticket: u64) -> bool {
        self.answers.contains_key(&ticket)
    }

    /// Takes the answer for a ticket.
    pub(super) fn take_answer(&mut self, ticket: u64) -> Option<ProductionAnswer> {
        self.answers.remove(&ticket)
    }

    /// The message of a ticket, while it waits.
    pub(super) fn waiting_for(&self, ticket: u64) -> Option<&Message> {
        let letter = self.waiting.iter().find(|letter| letter.ticket == Some(ticket))?;
        Some(&letter.message)
    }

    /// Takes a ticket back: its message waits on without an update.
    pub(super) fn take_ticket(&mut self, ticket: u64) {
        self.waiting.iter_mut().filter(|letter| letter.ticket == Some(ticket)).for_each(|letter| letter.ticket = None);
    }

    /// Removes the message of that ticket.
    pub(super) fn withdraw(&mut self, ticket: u64) {
        self.waiting.retain(|letter| letter.ticket != Some(ticket));
    }

    /// Whether it is unknown which came first: this message, or one that holds releases.
    pub(super) fn is_unordered_with_freeze(&self, letter: &Letter) -> bool {
        self.last_freeze.is_some_and(|freeze| freeze.is_unordered_with(letter.arrival))
    }
}

#[cfg(test)]
mod tests;
