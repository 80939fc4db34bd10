//! Messages of production: put into the mailbox by every handler, judged in one place, in their order.

use std::time::Duration;

use temporalio_workflow::{
    SyncWorkflowContext, TimerOptions, WorkflowCancellationToken, WorkflowContext, workflows::select,
};

use super::{
    ProductionEnvironment,
    inbox::Receipt,
    mailbox::{Letter, Message},
};
use crate::{
    clock::{now_ms, now_ms_in_handler},
    contract::production_answer::{ProductionAnswer, ProductionOutcome},
    environment::{
        answers::detached,
        arrival::Arrival,
        publish::{publish, publish_in_handler},
    },
};

/// How long an update waits until its message is judged. It takes milliseconds while the API server answers.
const PATIENCE: Duration = Duration::from_secs(10);

/// The answer to an update `unfreeze` that has no order with a freeze.
const FROZEN_AT_ONCE: &str =
    "a freeze or a rollback arrived at the same moment; unfreeze again if releases are to go on";

impl ProductionEnvironment {
    /// Takes a signal in. What it does not change is noted, since nobody waits for an answer.
    pub(super) fn take_signal(
        &mut self,
        ctx: &mut SyncWorkflowContext<Self>,
        name: &str,
        message: Result<Message, String>,
    ) {
        let now = now_ms_in_handler(ctx);
        let put = message.and_then(|message| {
            let letter = self.letter(message, Arrival::signal(ctx.history_length()), now);
            self.mailbox.put(letter).map_err(str::to_owned)
        });
        match put {
            Ok(()) => self.judge(now),
            Err(why) => self.state.notes.add(format!("{name}: {why}")),
        }
        publish_in_handler(self, ctx);
    }

    /// Takes an update in, and answers it.
    pub(super) async fn take_update(ctx: &WorkflowContext<Self>, message: Message) -> ProductionAnswer {
        let (arrival, now) = (Arrival::update(ctx.history_length()), now_ms(ctx));
        let put = ctx.state_mut(|s| {
            let letter = s.letter(message, arrival, now);
            let put = s.mailbox.put_for_answer(letter);
            s.judge(now);
            put
        });
        publish(ctx);
        match put {
            Ok(ticket) => Self::await_answer(ctx, ticket).await,
            Err(why) => ProductionAnswer::refused(why),
        }
    }

    fn letter(&self, message: Message, arrival: Arrival, now_ms: u64) -> Letter {
        let receipt = if self.state.is_recalled() { Receipt::Usual } else { Receipt::Early };
        Letter::new(message, arrival, receipt, now_ms)
    }

    /// Waits for the answer of an update. Only a rollback whose target is being looked for waits without a bound: its answer
    /// names the target.
    async fn await_answer(ctx: &WorkflowContext<Self>, ticket: u64) -> ProductionAnswer {
        if !ctx.state(|s| s.mailbox.is_answered(ticket)) {
            let until = WorkflowCancellationToken::new();
            let timer = TimerOptions::builder(PATIENCE).cancellation_token(until.clone());
            select! {
                _ = ctx.wait_condition_with_options(|s| s.mailbox.is_answered(ticket), detached()) => until.cancel(),
                _ = ctx.timer(timer.summary("for an answer".to_owned()).build()) => {
                    if let Some(late) = ctx.state_mut(|s| s.answer_late(ticket)) {
                        return late;
                    }
                }
            }
        }
        let _ = ctx.wait_condition_with_options(|s| s.mailbox.is_answered(ticket), detached()).await;
        ctx.state_mut(|s| s.mailbox.take_answer(ticket)).unwrap_or_else(|| ProductionAnswer::refused("it was lost"))
    }

    /// The answer of an update that has waited for too long, if it does not wait on. Its message is judged later. A rollback
    /// is not: it might come on top of a restore by hand.
    fn answer_late(&mut self, ticket: u64) -> Option<ProductionAnswer> {
        let why = self.why_not_judged();
        match self.mailbox.waiting_for(ticket)? {
            Message::Rollback(_) if self.state.is_recalled() => None,
            Message::Rollback(_) => {
                self.mailbox.withdraw(ticket);
                Some(ProductionAnswer::refused(format!("{why}; with a kubeconfig: berth production restore")))
            }
            _ => {
                self.mailbox.take_ticket(ticket);
                Some(ProductionAnswer::new(ProductionOutcome::Queued).because(why))
            }
        }
    }

    /// Why messages wait.
    fn why_not_judged(&self) -> String {
        match &self.state.trouble {
            _ if self.state.is_recalled() && self.mailbox.awaits_check() => "a proof is still being checked".to_owned(),
            _ if self.state.is_recalled() => {
                "it waits for the rollback before it, whose target is not known yet".to_owned()
            }
            Some(trouble) => format!("the record of the namespace cannot be read yet: {}", trouble.message),
            None => "the record of the namespace has not been read yet".to_owned(),
        }
    }

    /// Judges messages in their order, up to a rollback: its target has to be looked for. A freeze does not wait for that.
    pub(super) fn judge(&mut self, now_ms: u64) {
        while self.state.is_recalled()
            && let Some(letter) = self.mailbox.next().cloned()
            && let Some(answer) = self.judge_at_once(&letter, now_ms)
        {
            self.conclude_message(&answer);
        }
        while self.state.is_recalled()
            && let Some((letter, moot)) = self.mailbox.take_freeze()
        {
            for letter in moot {
                let answer = ProductionAnswer::new(ProductionOutcome::Superseded).because("a freeze has come after it");
                self.answer(&letter, &answer);
            }
            if let Some(answer) = self.judge_at_once(&letter, now_ms) {
                self.answer(&letter, &answer);
            }
        }
    }

    /// Removes the next message, with its answer.
    pub(super) fn conclude_message(&mut self, answer: &ProductionAnswer) {
        if let Some(letter) = self.mailbox.take_next() {
            self.answer(&letter, answer);
        }
    }

    fn answer(&mut self, letter: &Letter, answer: &ProductionAnswer) {
        self.has_news = true;
        let answer = doubted(letter, answer);
        if !self.mailbox.answer(letter, &answer) {
            self.note(letter.message.name(), &answer);
        }
    }

    /// Notes an answer that says that a message changed nothing.
    fn note(&mut self, name: &str, answer: &ProductionAnswer) {
        if matches!(answer.outcome, ProductionOutcome::Refused | ProductionOutcome::Superseded) {
            let about = answer.release.map_or_else(String::new, |release| format!(" {release}"));
            let reason = answer.reason.clone().unwrap_or_default();
            self.state.notes.add(format!("{name}{about}: {}: {reason}", answer.outcome.name()));
        }
    }

    /// The answer to a message. None: it is a rollback, which needs more than the state.
    fn judge_at_once(&mut self, letter: &Letter, now_ms: u64) -> Option<ProductionAnswer> {
        let (state, receipt) = (&mut self.state, letter.receipt);
        Some(match &letter.message {
            Message::Release(push) => state.release(push, receipt),
            Message::Approve(approve) => state.approve(approve),
            Message::Reject(reject) => state.reject(reject),
            Message::Freeze(freeze) => state.take_freeze(freeze, receipt, now_ms),
            Message::Unfreeze(_) if state.record.frozen.is_some() && self.mailbox.is_unordered_with_freeze(letter) => {
                ProductionAnswer::refused(FROZEN_AT_ONCE)
            }
            Message::Unfreeze(unfreeze) => state.unfreeze(unfreeze, receipt, now_ms),
            Message::Redeploy => state.redeploy(receipt),
            Message::Rollback(rollback) => return state.refuse_late(rollback, letter, now_ms),
        })
    }
}

/// The answer, with the reason why the message counted as a claim, if it is refused.
fn doubted(letter: &Letter, answer: &ProductionAnswer) -> ProductionAnswer {
    match (&letter.doubt, answer.outcome, &answer.reason) {
        (Some(doubt), ProductionOutcome::Refused, Some(reason)) => {
            answer.clone().because(format!("{reason}; its proof does not hold: {doubt}"))
        }
        _ => answer.clone(),
    }
}
