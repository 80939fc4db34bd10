//! Production of an app: releases that queue, are planned and approved, roll out, prove themselves, or are rolled back.

use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    SyncWorkflowContext, WorkflowContext, WorkflowContextView, WorkflowResult, WorkflowTermination,
};

use crate::{
    clock::now_ms,
    contract::{
        carrying::Carrying,
        environment::EnvironmentKind,
        lenient::Lenient,
        production::{ApproveRelease, Freeze, Production, RejectRelease, Rollback, Unfreeze},
        production_answer::ProductionAnswer,
        production_record::Frozen,
        production_status::ProductionStatus,
        rollout::RolloutProgress,
        signals::{Push, Redeploy, RestoredByHand},
    },
    environment::{
        admission::{check_id, check_start, publish_identity},
        answers::HandlerError,
        carry::{self, Refused},
        publish::{Published, publish, publish_in_handler},
        reporting::Reporting,
    },
    production_environment::{
        mailbox::{Mailbox, Message},
        next::Action,
        state::State,
    },
};

mod environment;
#[cfg(test)]
mod harness;
pub mod inbox;
mod mailbox;
mod messages;
pub mod next;
mod plan;
mod proofs;
mod recall;
mod release;
mod reporting;
mod rollback;
pub mod state;
mod status;
mod wait;

/// The production environment of one app. No other workflow writes to it.
#[workflow]
pub struct ProductionEnvironment {
    input: Result<Production, Refused>,
    state: State,
    mailbox: Mailbox,
    /// Whether a message has come since the last look at the state.
    has_news: bool,
    is_in_flight: bool,
    /// Whether somebody else may have written the record since this workflow began to write it.
    is_record_doubted: bool,
    /// Whether the cancel of this run has been recorded, as a freeze.
    is_cancel_recorded: bool,
    published: Published,
    reporting: Reporting,
    /// Temporal's namespace, for links.
    namespace: String,
}

#[workflow_methods]
impl ProductionEnvironment {
    #[init]
    fn new(ctx: &WorkflowContextView, input: Carrying<Production>) -> Self {
        let (input, state) = match carry::read(ctx, input) {
            Ok((input, state)) => (Ok(input), state),
            Err(refused) => (Err(refused), State::default()),
        };
        Self {
            input,
            state,
            mailbox: Mailbox::default(),
            has_news: false,
            is_in_flight: false,
            is_record_doubted: false,
            is_cancel_recorded: false,
            published: Published::default(),
            reporting: Reporting::default(),
            namespace: ctx.namespace().to_owned(),
        }
    }

    #[run(name = "ProductionEnvironment")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<()> {
        // A single workflow per app, under the id that follows from it. It never ends by itself.
        let (ctx, production) = (&*ctx, Self::admit(ctx)?);
        let steps = Box::pin(async {
            loop {
                match Self::next_action(ctx) {
                    // 1. Begin with what the namespace remembers: a run before this one may have been terminated.
                    Action::Recall => Self::recall(ctx, &production).await?,

                    // 2. Write down what is to come before it begins, and how it ended after it.
                    Action::Record => Self::record(ctx).await,

                    // 3. Plan the newest release, unless production is frozen.
                    Action::Plan(queued) => {
                        Self::continue_if_due(ctx, &production)?;
                        Self::plan(ctx, &production, *queued).await;
                    }

                    // 4. Roll out what has begun: a release, or the way back.
                    Action::RollOut(begun) => Self::roll_out(ctx, &production, *begun).await,

                    // 5. Wait for a message: a release, an approval, a rollback.
                    Action::Wait(until_ms) => Self::wait(ctx, &production, until_ms).await?,
                }
                publish(ctx);
            }
        });
        let life = Box::pin(Self::freezing_when_cancelled(ctx, Self::finding_targets(ctx, steps)));
        let life = Box::pin(Self::checking_proofs(ctx, &production, life));
        Self::reporting_changes(ctx, life).await
    }

    /// A commit of the main branch has an image.
    #[signal(name = "release")]
    pub fn release(&mut self, ctx: &mut SyncWorkflowContext<Self>, push: Lenient<Push>) {
        self.take_signal(ctx, "release", push.0.map(Message::Release));
    }

    /// Lets the release that waits be rolled out, as its plan says.
    #[signal(name = "approve")]
    pub fn approve(&mut self, ctx: &mut SyncWorkflowContext<Self>, approve: Lenient<ApproveRelease>) {
        self.take_signal(ctx, "approve", approve.0.map(Message::Approve));
    }

    /// Drops the release that waits.
    #[signal(name = "reject")]
    pub fn reject(&mut self, ctx: &mut SyncWorkflowContext<Self>, reject: Lenient<RejectRelease>) {
        self.take_signal(ctx, "reject", reject.0.map(Message::Reject));
    }

    /// Holds releases.
    #[signal(name = "freeze")]
    pub fn freeze(&mut self, ctx: &mut SyncWorkflowContext<Self>, freeze: Lenient<Freeze>) {
        self.take_signal(ctx, "freeze", freeze.0.map(Message::Freeze));
    }

    /// Lets releases go on.
    #[signal(name = "unfreeze")]
    pub fn unfreeze(&mut self, ctx: &mut SyncWorkflowContext<Self>, unfreeze: Lenient<Unfreeze>) {
        self.take_signal(ctx, "unfreeze", unfreeze.0.map(Message::Unfreeze));
    }

    /// Rolls the release that serves out again, with today's secrets and manifests.
    #[signal(name = "redeploy")]
    pub fn redeploy(&mut self, ctx: &mut SyncWorkflowContext<Self>, redeploy: Lenient<Redeploy>) {
        self.take_signal(ctx, "redeploy", redeploy.0.map(|_| Message::Redeploy));
    }

    /// Makes an earlier release serve again, before everything else.
    #[signal(name = "rollback")]
    pub fn rollback(&mut self, ctx: &mut SyncWorkflowContext<Self>, rollback: Lenient<Rollback>) {
        self.take_signal(ctx, "rollback", rollback.0.map(Message::Rollback));
    }

    /// Progress of the rollout in flight.
    #[signal(name = "rollout_step")]
    pub fn rollout_step(&mut self, ctx: &mut SyncWorkflowContext<Self>, progress: Lenient<RolloutProgress>) {
        if let Ok(progress) = progress.0
            && self.state.record_progress(progress)
        {
            publish_in_handler(self, ctx);
        }
    }

    /// The worker has found a restore by hand in the record of the namespace: the record is looked at again.
    #[signal(name = "restored")]
    pub fn restored(&mut self, _ctx: &mut SyncWorkflowContext<Self>, _: Lenient<RestoredByHand>) {
        self.state.doubt_record();
        self.is_record_doubted = true;
        self.has_news = true;
    }

    /// As the signal `release`, with an answer.
    #[update(name = "release")]
    pub async fn answer_release(
        ctx: &mut WorkflowContext<Self>,
        push: Lenient<Push>,
    ) -> Result<ProductionAnswer, HandlerError> {
        Ok(Self::take_update(ctx, Message::Release(push.0?)).await)
    }

    /// As the signal `approve`, with an answer.
    #[update(name = "approve")]
    pub async fn answer_approve(
        ctx: &mut WorkflowContext<Self>,
        approve: Lenient<ApproveRelease>,
    ) -> Result<ProductionAnswer, HandlerError> {
        Ok(Self::take_update(ctx, Message::Approve(approve.0?)).await)
    }

    /// As the signal `reject`, with an answer.
    #[update(name = "reject")]
    pub async fn answer_reject(
        ctx: &mut WorkflowContext<Self>,
        reject: Lenient<RejectRelease>,
    ) -> Result<ProductionAnswer, HandlerError> {
        Ok(Self::take_update(ctx, Message::Reject(reject.0?)).await)
    }

    /// As the signal `freeze`, with an answer.
    #[update(name = "freeze")]
    pub async fn answer_freeze(
        ctx: &mut WorkflowContext<Self>,
        freeze: Lenient<Freeze>,
    ) -> Result<ProductionAnswer, HandlerError> {
        Ok(Self::take_update(ctx, Message::Freeze(freeze.0?)).await)
    }

    /// As the signal `unfreeze`, with an answer.
    #[update(name = "unfreeze")]
    pub async fn answer_unfreeze(
        ctx: &mut WorkflowContext<Self>,
        unfreeze: Lenient<Unfreeze>,
    ) -> Result<ProductionAnswer, HandlerError> {
        Ok(Self::take_update(ctx, Message::Unfreeze(unfreeze.0?)).await)
    }

    /// As the signal `redeploy`, with an answer.
    #[update(name = "redeploy")]
    pub async fn answer_redeploy(
        ctx: &mut WorkflowContext<Self>,
        redeploy: Lenient<Redeploy>,
    ) -> Result<ProductionAnswer, HandlerError> {
        redeploy.0?;
        Ok(Self::take_update(ctx, Message::Redeploy).await)
    }

    /// As the signal `rollback`, with an answer: the release it leads to, and the secrets that it changes.
    #[update(name = "rollback")]
    pub async fn answer_rollback(
        ctx: &mut WorkflowContext<Self>,
        rollback: Lenient<Rollback>,
    ) -> Result<ProductionAnswer, HandlerError> {
        Ok(Self::take_update(ctx, Message::Rollback(rollback.0?)).await)
    }

    /// The state of production for a person, in one JSON object.
    #[query(name = "status")]
    pub fn status(&self, _ctx: &WorkflowContextView) -> ProductionStatus {
        self.to_status()
    }
}

impl ProductionEnvironment {
    /// Refuses an input that is not one, and any id but the one that follows from it.
    fn admit(ctx: &WorkflowContext<Self>) -> Result<Production, WorkflowTermination> {
        let input = ctx.state(|s| s.input.clone())?;
        check_start(ctx)?;
        check_id(ctx, &format!("production of {}", input.app), &input.workflow_id())?;
        publish_identity(ctx, &input.app, EnvironmentKind::Production);
        publish(ctx);
        Ok(input)
    }

    /// The next step, with a cancel of the workflow recorded first: it counts as a freeze.
    fn next_action(ctx: &WorkflowContext<Self>) -> Action {
        let (now, is_cancelled) = (now_ms(ctx), ctx.cancellation_token().is_cancelled());
        ctx.state_mut(|s| {
            s.has_news = false;
            if is_cancelled {
                s.record_cancel_as_freeze(now);
            }
            s.state.awaits_rollback = s.mailbox.awaits_target();
            s.state.next(now)
        })
    }

    /// Records the cancel of this run as a freeze. Before the record is read it has to wait.
    fn record_cancel_as_freeze(&mut self, now_ms: u64) {
        if self.state.is_recalled() && !self.is_cancel_recorded {
            self.is_cancel_recorded = true;
            let (reason, by) = ("the workflow was cancelled".to_owned(), "a cancel of the workflow".to_owned());
            self.state.freeze(Frozen { reason, by, since_ms: now_ms, proved: false });
        }
    }

    fn to_status(&self) -> ProductionStatus {
        let app = self.input.as_ref().map_or("", |input| input.app.as_str());
        ProductionStatus::new(app, &self.state)
    }
}
