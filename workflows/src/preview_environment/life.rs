//! The life of a preview as two pure functions: what a message changes, and what is done next.
//!
//! The workflow only carries both out: it hands every message and every result to [`Record::take`], and does what
//! [`Record::step`] says. Neither knows a clock, a context or a history. Whoever wants to try orders of messages calls the two
//! without Temporal.

use crate::{
    contract::{
        phase::Phase,
        pull_request::PullRequestFacts,
        signals::{Approve, Close, CloseAnswer, CloseOutcome, DeployOutcome, Push},
        stop_reason::StopReason,
        teardown::{LeakReport, Removal},
    },
    environment::{
        arrival::Arrival,
        book::{LateLook, RolloutEnd},
        queue::{Delivery, QueuedRelease},
    },
    preview_environment::record::{Record, Stage},
};

pub use super::message::{Message, Taken};
pub use recalling::Decisions;
pub use step::Step;

mod looking;
mod recalling;
mod step;
mod unknown_app;

/// The answer to a push during a blocked teardown.
const TEARDOWN_BLOCKED: &str = "the old environment is not gone yet, and status says why; a new one follows";
/// The answer to a push in a run that is cancelled and can only end.
const CANCELLED: &str = "the old environment was cancelled; a new one is being made";

impl Record {
    /// Takes a message in. `arrival` says with which other messages it has no order, `now_ms` is Unix time in milliseconds.
    pub fn take(&mut self, message: Message, arrival: Arrival, now_ms: u64) -> Taken {
        let taken = self.take_in(message, arrival, now_ms);
        self.answer_those_who_wait_long();
        taken
    }

    /// Answers the senders of a push that this run does not roll out: an update cannot be open for days, nor in the next run.
    pub(super) fn answer_those_who_wait_long(&mut self) {
        if self.phase() == Phase::TeardownBlocked {
            self.mailbox.queue.answer_queued(TEARDOWN_BLOCKED);
        } else if self.stage == Stage::Continuing {
            self.mailbox.queue.answer_queued(CANCELLED);
        }
    }

    fn take_in(&mut self, message: Message, arrival: Arrival, now_ms: u64) -> Taken {
        if self.is_recalling() && !matches!(message, Message::Recalled(_)) {
            return self.let_wait(message, arrival, now_ms);
        }
        if message.is_from_outside() {
            self.hear();
        }
        match message {
            Message::Unreadable(signal, why) => self.noted(signal, Err(why)),
            Message::Push(push) => Taken::Push(self.take_push(&push, arrival)),
            Message::Close(close) => Taken::Close(self.take_close(&close, arrival)),
            Message::Cancel => self.take_cancel(arrival),
            Message::Facts(facts) => {
                let taken = facts.check_time(now_ms).and_then(|()| self.take_facts(facts, arrival));
                self.noted("pull_request", taken)
            }
            Message::Confirmed(facts) => {
                let taken = facts.and_then(|facts| self.take_confirmation(facts, arrival));
                self.noted("confirm_closed", taken)
            }
            Message::Approve(approve) => {
                if let Err(why) = self.approve(&approve) {
                    self.notes.add(why);
                }
                Taken::Done
            }
            Message::Redeploy => {
                let redeployed = self.redeploy();
                self.noted("redeploy", redeployed)
            }
            Message::Command { command, by, waiting } => {
                Taken::Said(self.obey(&command, &by, waiting.as_ref()).unwrap_or_else(|why| why))
            }
            Message::Rules(rules) => self.done(|record| record.take_rules(rules)),
            Message::UnknownApp(verdict) => self.done(|record| record.take_unknown_app(&verdict)),
            Message::Named(environment, rules) => self.done(|record| {
                record.need_run();
                record.book.environment = Some(environment);
                record.take_rules(Ok(rules));
            }),
            Message::Progress(progress) => {
                if self.book.record_progress(progress) {
                    Taken::Done
                } else {
                    Taken::Ignored
                }
            }
            Message::RolloutEnded { queued, end, started_ms } => {
                self.done(|record| record.conclude(queued, end, started_ms, now_ms))
            }
            Message::Looked { queued, end } => self.done(|record| record.end_look(queued, end)),
            Message::LookedLate { look, serves } => self.done(|record| record.end_late_look(&look, serves, now_ms)),
            Message::Teardown(report) => self.done(|record| record.take_teardown(report, now_ms)),
            Message::Recalled(memory) => self.done(|record| record.recall(memory.map(|memory| *memory))),
            Message::Remembered(memory, trouble) => {
                self.remember(*memory);
                self.noted("what was seen is not kept", trouble.map_or(Ok(()), Err))
            }
        }
    }

    fn done(&mut self, taken: impl FnOnce(&mut Self)) -> Taken {
        taken(self);
        Taken::Done
    }

    /// Notes why a message is ignored, for its sender gets no answer.
    fn noted(&mut self, message: &str, taken: Result<(), String>) -> Taken {
        if let Err(why) = taken {
            self.notes.add(format!("{message}: {why}"));
        }
        Taken::Done
    }

    fn take_push(&mut self, push: &Push, arrival: Arrival) -> Delivery {
        let delivery = self.deliver(push, arrival);
        if let Delivery::Answered(answer) = &delivery
            && answer.outcome == DeployOutcome::Skipped
            && arrival.is_signal()
        {
            let why = answer.reason.clone().unwrap_or_default();
            self.notes.add(format!("push {}: {why}", push.commit.short()));
        }
        if let Delivery::Waiting(ticket) = delivery
            && !arrival.is_signal()
        {
            self.mailbox.queue.wait_for(ticket);
        }
        delivery
    }

    fn take_close(&mut self, close: &Close, arrival: Arrival) -> CloseAnswer {
        let mut answer = self.mailbox.close(close, arrival);
        answer.removal = Some(self.next_removal()).filter(|_| answer.outcome == CloseOutcome::Closing);
        if let Some(why) = answer.reason.as_ref().filter(|_| arrival.is_signal()) {
            self.notes.add(format!("close: {why}"));
        }
        answer
    }

    /// A cancel is a close. Earlier pushes are closed with it, later ones are kept. Only the first one counts.
    fn take_cancel(&mut self, arrival: Arrival) -> Taken {
        if self.cancelled {
            return Taken::Ignored;
        }
        self.cancelled = true;
        self.mailbox.close(&Close::default(), arrival);
        Taken::Done
    }

    /// Takes GitHub's answer in. A closed pull request closes the environment.
    fn take_confirmation(&mut self, facts: PullRequestFacts, arrival: Arrival) -> Result<(), String> {
        let is_closed = facts.is_closed();
        self.take_facts(facts, arrival)?;
        if is_closed { Ok(()) } else { Err("GitHub says that the pull request is open".to_owned()) }
    }

    /// Lets a commit of a fork be rolled out.
    pub(super) fn approve(&mut self, approve: &Approve) -> Result<(), String> {
        let (mailbox, current) = self.mailbox_and_current();
        mailbox.approve(approve, current)
    }

    /// The end of a rollout that does not even begin, if the environment closes since its release was taken out.
    pub fn ended_before_it_began(&self) -> Option<RolloutEnd> {
        let reason = self.mailbox.stop_reason().filter(|reason| *reason == StopReason::EnvironmentCloses);
        reason.map(RolloutEnd::stopped)
    }

    fn conclude(&mut self, queued: QueuedRelease, end: RolloutEnd, started_ms: u64, now_ms: u64) {
        let ticket = queued.ticket;
        let unknown_app = end.unknown_app().cloned();
        let answer = self.book.conclude(queued, end, started_ms, now_ms);
        // A redeploy of the same release has taken the ticket over.
        if self.mailbox.queue.next_ticket() != Some(ticket) {
            self.mailbox.queue.answer(ticket, answer);
        }
        if let Some(verdict) = unknown_app {
            self.end_if_nothing_was_made(&verdict);
        }
    }

    fn end_late_look(&mut self, look: &LateLook, serves: bool, now_ms: u64) {
        // Something else may have happened meanwhile.
        if self.late_look() == Some(look)
            && let Some(note) = self.book.end_late_look(serves, now_ms)
        {
            self.notes.add(note);
        }
    }

    /// The look that is to come, unless the environment closes.
    pub fn late_look(&self) -> Option<&LateLook> {
        self.book.late.as_ref().filter(|_| !self.is_closing())
    }

    fn next_removal(&self) -> u64 {
        self.removed.as_ref().map_or(1, |removed| removed.number + 1)
    }

    fn take_teardown(&mut self, report: LeakReport, now_ms: u64) {
        if report.remaining.is_empty() {
            let gone = report.gone.into_iter().take(Removal::MAX_GONE).collect();
            self.removed = Some(Removal { number: self.next_removal(), at_ms: now_ms, gone });
            self.forget_environment();
            self.stage = Stage::Gone;
        } else {
            self.teardown = Some(report);
            self.stage = Stage::Blocked;
        }
    }
}

#[cfg(test)]
mod tests;
