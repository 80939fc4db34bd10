//! Messages of production: taken in at once, or kept until the record of the namespace has been read.

use std::time::Duration;

use temporalio_workflow::{
    SyncWorkflowContext, TimerOptions, WorkflowCancellationToken, WorkflowContext, workflows::select,
};

use super::{ProductionEnvironment, inbox::Receipt};
use crate::{
    clock::{now_ms, now_ms_in_handler},
    contract::{
        production::{ApproveRelease, Freeze, RejectRelease, Unfreeze},
        production_answer::{ProductionAnswer, ProductionOutcome},
        signals::Push,
    },
    environment::{
        answers::detached,
        publish::{publish, publish_in_handler},
    },
};

/// How long an update waits for the record of the namespace. Reading it takes milliseconds while the API server answers.
const RECALL_PATIENCE: Duration = Duration::from_secs(10);
/// How many early messages are kept. More come only if the API server is away for long.
const KEPT_EARLY: usize = 200;

/// A message that is taken in at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Message {
    Release(Push),
    Approve(ApproveRelease),
    Reject(RejectRelease),
    Freeze(Freeze),
    Unfreeze(Unfreeze),
    Redeploy,
}

impl ProductionEnvironment {
    /// Takes a signal in. What it does not change is noted, since nobody waits for an answer.
    pub(super) fn take_signal(
        &mut self,
        ctx: &mut SyncWorkflowContext<Self>,
        name: &str,
        message: Result<Message, String>,
    ) {
        match message {
            Ok(message) if self.state.is_recalled() => {
                let answer = self.take(&message, Receipt::Usual, now_ms_in_handler(ctx));
                self.note(name, &answer);
            }
            Ok(message) => self.keep(message),
            Err(why) => self.state.notes.add(format!("{name}: {why}")),
        }
        publish_in_handler(self, ctx);
    }

    /// Takes an update in, and answers it.
    pub(super) async fn take_update(ctx: &WorkflowContext<Self>, message: Message) -> ProductionAnswer {
        let is_early = !ctx.state(|s| s.state.is_recalled());
        if is_early && !Self::await_recall(ctx).await {
            ctx.state_mut(|s| s.keep(message));
            let why = ctx.state(Self::why_not_recalled);
            return ProductionAnswer::new(ProductionOutcome::Queued).because(why);
        }
        let receipt = if is_early { Receipt::Early } else { Receipt::Usual };
        let now = now_ms(ctx);
        let answer = ctx.state_mut(|s| s.take(&message, receipt, now));
        publish(ctx);
        answer
    }

    /// Waits for the record of the namespace. Returns whether it is known.
    pub(super) async fn await_recall(ctx: &WorkflowContext<Self>) -> bool {
        let until = WorkflowCancellationToken::new();
        let timer = TimerOptions::builder(RECALL_PATIENCE)
            .cancellation_token(until.clone())
            .summary("for the record of the namespace to be read".to_owned());
        select! {
            _ = ctx.wait_condition_with_options(|s| s.state.is_recalled(), detached()) => until.cancel(),
            _ = ctx.timer(timer.build()) => {}
        }
        ctx.state(|s| s.state.is_recalled())
    }

    /// Why the record of the namespace is not known yet.
    pub(super) fn why_not_recalled(&self) -> String {
        match &self.state.trouble {
            Some(trouble) => format!("the record of the namespace cannot be read yet: {}", trouble.message),
            None => "the record of the namespace has not been read yet".to_owned(),
        }
    }

    /// Takes the early messages in, in their order.
    pub(super) fn take_early(&mut self, now_ms: u64) {
        for message in std::mem::take(&mut self.early) {
            let answer = self.take(&message, Receipt::Early, now_ms);
            self.note(message.name(), &answer);
        }
    }

    /// Notes an answer that says that a message changed nothing.
    pub(super) fn note(&mut self, name: &str, answer: &ProductionAnswer) {
        if matches!(answer.outcome, ProductionOutcome::Refused | ProductionOutcome::Superseded) {
            let about = answer.release.map_or_else(String::new, |release| format!(" {release}"));
            let reason = answer.reason.clone().unwrap_or_default();
            self.state.notes.add(format!("{name}{about}: {}: {reason}", answer.outcome.name()));
        }
    }

    fn take(&mut self, message: &Message, receipt: Receipt, now_ms: u64) -> ProductionAnswer {
        self.has_news = true;
        match message {
            Message::Release(push) => self.state.release(push, receipt),
            Message::Approve(approve) => self.state.approve(approve),
            Message::Reject(reject) => self.state.reject(reject),
            Message::Freeze(freeze) => self.state.take_freeze(freeze, now_ms),
            Message::Unfreeze(unfreeze) => self.state.unfreeze(unfreeze, receipt),
            Message::Redeploy => self.state.redeploy(receipt),
        }
    }

    fn keep(&mut self, message: Message) {
        if self.early.len() < KEPT_EARLY {
            self.early.push(message);
        } else {
            self.state.notes.add(format!("{}: too many messages before the record could be read", message.name()));
        }
    }
}

impl Message {
    fn name(&self) -> &'static str {
        match self {
            Self::Release(_) => "release",
            Self::Approve(_) => "approve",
            Self::Reject(_) => "reject",
            Self::Freeze(_) => "freeze",
            Self::Unfreeze(_) => "unfreeze",
            Self::Redeploy => "redeploy",
        }
    }
}
