//! The environment of a pull request, from the first push until it is verified gone.

use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    SyncWorkflowContext, WorkflowContext, WorkflowContextView, WorkflowResult, WorkflowTermination,
};

use crate::{
    clock::{now_ms, now_ms_in_handler},
    contract::{
        carrying::Carrying,
        command::CommentSignal,
        environment::PullRequest,
        lenient::Lenient,
        pull_request::PullRequestFacts,
        rollout::RolloutProgress,
        run_script::RunScript,
        script::ScriptAnswer,
        signals::{Approve, Close, CloseAnswer, ConfirmClosed, DeployAnswer, DeployOutcome, Push, Redeploy},
        status::Status,
        teardown::LeakReport,
    },
    environment::{
        answers::HandlerError,
        arrival::Arrival,
        cancel::{record_cancel, recording_cancel},
        carry::{self, Refused},
        publish::{Published, publish, publish_in_handler},
        queue::Delivery,
        reporting::Reporting,
    },
    preview_environment::{confirm_closed::Confirmation, proofs::PushProofs, record::Record},
};

mod admit;
pub mod command_book;
mod commands;
mod confirm_closed;
mod environment;
pub mod facts;
mod follow;
mod late_look;
pub mod mailbox;
mod proofs;
pub mod record;
mod reporting;
mod rollouts;
mod rules;
pub mod running_scripts;
mod scripts;
pub mod status;
mod teardown;
mod view;

/// The life of one pull request's environment. No other workflow writes to that environment.
#[workflow]
pub struct PreviewEnvironment {
    input: Result<PullRequest, Refused>,
    record: Record,
    /// Whether the cancel of this run has been put into the mailbox, as a close.
    is_cancel_recorded: bool,
    published: Published,
    reporting: Reporting,
    proofs: PushProofs,
    confirmation: Confirmation,
    /// Temporal's namespace, for links.
    namespace: String,
}

#[workflow_methods]
impl PreviewEnvironment {
    #[init]
    fn new(ctx: &WorkflowContextView, input: Carrying<PullRequest>) -> Self {
        let (input, record) = match carry::read(ctx, input) {
            Ok((input, record)) => (Ok(input), record),
            Err(refused) => (Err(refused), Record::default()),
        };
        Self {
            input,
            record,
            is_cancel_recorded: false,
            published: Published::default(),
            reporting: Reporting::default(),
            proofs: PushProofs::default(),
            confirmation: Confirmation::default(),
            namespace: ctx.namespace().to_owned(),
        }
    }

    #[run(name = "PreviewEnvironment")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<LeakReport> {
        // 1. Admit one workflow per pull request, under the id that follows from it.
        let (ctx, pull_request) = (&*ctx, Self::admit(ctx)?);
        let life = async {
            loop {
                // 2. While the pull request is open, keep its newest push rolled out.
                Self::follow_pull_request(ctx, &pull_request).await?;

                // 3. However that ended, leave nothing behind. Scripts that run are stopped first.
                Self::await_scripts(ctx).await;
                let report = Self::tear_down(ctx, &pull_request).await?;

                // 4. A push that came meanwhile reopens the pull request: it gets a new environment.
                // 5. Otherwise answer every update that still waits, and end.
                if !Self::is_reopened(ctx) && Self::end(ctx, &pull_request).await {
                    return if Self::is_cancelled(ctx) {
                        Err(WorkflowTermination::cancelled_with_details(report))
                    } else {
                        Ok(report)
                    };
                }
                if ctx.cancellation_token().is_cancelled() {
                    Self::continue_in_new_run(ctx, &pull_request).await?;
                }
            }
        };
        Self::beside(ctx, &pull_request, Box::pin(recording_cancel(ctx, life))).await
    }

    /// A commit of the pull request has an image.
    #[signal(name = "push")]
    pub fn push(&mut self, ctx: &mut SyncWorkflowContext<Self>, push: Lenient<Push>) {
        match push.0 {
            Ok(push) => {
                self.note_proof(&push, now_ms_in_handler(ctx));
                if let Delivery::Answered(answer) = self.record.deliver(&push, Arrival::signal(ctx.history_length()))
                    && answer.outcome == DeployOutcome::Skipped
                {
                    self.record.notes.add(format!(
                        "push {}: {}",
                        push.commit.short(),
                        answer.reason.unwrap_or_default()
                    ));
                }
            }
            Err(why) => self.record.notes.add(format!("push: {why}")),
        }
        publish_in_handler(self, ctx);
    }

    /// The pull request was closed or merged.
    #[signal(name = "close")]
    pub fn close(&mut self, ctx: &mut SyncWorkflowContext<Self>, close: Lenient<Close>) {
        let arrival = Arrival::signal(ctx.history_length());
        let ignored = close.0.map_or_else(Some, |close| self.record.mailbox.close(&close, arrival).reason);
        if let Some(why) = ignored {
            self.record.notes.add(format!("close: {why}"));
        }
        publish_in_handler(self, ctx);
    }

    /// GitHub has news of the pull request.
    #[signal(name = "pull_request")]
    pub fn pull_request(&mut self, ctx: &mut SyncWorkflowContext<Self>, facts: Lenient<PullRequestFacts>) {
        let arrival = Arrival::signal(ctx.history_length());
        let now_ms = now_ms_in_handler(ctx);
        let taken = facts.0.and_then(|facts| {
            facts.check_time(now_ms)?;
            self.record.take_facts(facts, arrival)
        });
        if let Err(why) = taken {
            self.record.notes.add(format!("pull_request: {why}"));
        }
        publish_in_handler(self, ctx);
    }

    #[update_validator(request_close)]
    fn validate_close(&self, _ctx: &WorkflowContextView, close: &Lenient<Close>) -> Result<(), HandlerError> {
        close.0.as_ref().map(|_| ()).map_err(|why| why.clone().into())
    }

    /// Puts a close in, as the signal does. Answers at once whether it is obeyed. Asynchronous, as `deploy` is: only then
    /// do the two keep their order.
    #[update(name = "close")]
    pub async fn request_close(
        ctx: &mut WorkflowContext<Self>,
        close: Lenient<Close>,
    ) -> Result<CloseAnswer, HandlerError> {
        let (close, arrival) = (close.0?, Arrival::update(ctx.history_length()));
        let answer = ctx.state_mut(|s| s.record.mailbox.close(&close, arrival));
        publish(ctx);
        Ok(answer)
    }

    /// The pull request may have been closed: GitHub is asked.
    #[signal(name = "confirm_closed")]
    pub fn confirm_closed(&mut self, _ctx: &mut SyncWorkflowContext<Self>, _: Lenient<ConfirmClosed>) {
        self.confirmation.request();
    }

    /// Lets one commit of a fork be rolled out.
    #[signal(name = "approve")]
    pub fn approve(&mut self, ctx: &mut SyncWorkflowContext<Self>, approve: Lenient<Approve>) {
        let approved = approve.0.map_err(|why| format!("approve: {why}")).and_then(|approve| {
            let (mailbox, current) = self.record.mailbox_and_current();
            mailbox.approve(&approve, current)
        });
        if let Err(why) = approved {
            self.record.notes.add(why);
        }
        publish_in_handler(self, ctx);
    }

    /// Rolls the newest release out again, with today's secrets and manifests.
    #[signal(name = "redeploy")]
    pub fn redeploy(&mut self, ctx: &mut SyncWorkflowContext<Self>, redeploy: Lenient<Redeploy>) {
        if let Err(why) = redeploy.0.and_then(|_| self.record.redeploy()) {
            self.record.notes.add(format!("redeploy: {why}"));
        }
        publish_in_handler(self, ctx);
    }

    /// A comment of the pull request may be a command.
    #[signal(name = "command")]
    pub async fn command(ctx: &mut WorkflowContext<Self>, command: Lenient<CommentSignal>) {
        Self::take_comment(ctx, command.0).await;
    }

    /// Progress of the rollout in flight, and the cluster-scoped objects that it is about to make.
    #[signal(name = "rollout_step")]
    pub fn rollout_step(&mut self, ctx: &mut SyncWorkflowContext<Self>, progress: Lenient<RolloutProgress>) {
        if let Ok(progress) = progress.0
            && self.record.book.record_progress(progress)
        {
            publish_in_handler(self, ctx);
        }
    }

    #[update_validator(deploy)]
    fn validate_deploy(&self, _ctx: &WorkflowContextView, push: &Lenient<Push>) -> Result<(), HandlerError> {
        push.0.as_ref().map(|_| ()).map_err(|why| why.clone().into())
    }

    /// Puts a push in, as the signal does. Answers at the first state that is final or waits for a person.
    #[update(name = "deploy")]
    pub async fn deploy(ctx: &mut WorkflowContext<Self>, push: Lenient<Push>) -> Result<DeployAnswer, HandlerError> {
        let (push, arrival) = (push.0?, Arrival::update(ctx.history_length()));
        record_cancel(ctx);
        let now = now_ms(ctx);
        let delivery = ctx.state_mut(|s| {
            s.note_proof(&push, now);
            s.record.deliver(&push, arrival)
        });
        publish(ctx);
        match delivery {
            Delivery::Answered(answer) => Ok(*answer),
            Delivery::Waiting(ticket) => Self::answer_to(ctx, ticket).await,
        }
    }

    #[update_validator(run_script)]
    fn validate_run_script(&self, _ctx: &WorkflowContextView, script: &Lenient<RunScript>) -> Result<(), HandlerError> {
        let script = script.0.as_ref().map_err(Clone::clone)?;
        Ok(self.record.admit_script(script).map(|_| ())?)
    }

    /// Runs one of the app's scripts or `CronJob`s in the serving release, beside everything else. Answers when it has
    /// ended.
    #[update(name = "run_script")]
    pub async fn run_script(
        ctx: &mut WorkflowContext<Self>,
        script: Lenient<RunScript>,
    ) -> Result<ScriptAnswer, HandlerError> {
        Self::run_by_hand(ctx, script.0?).await
    }

    /// The state of the environment for a person, in one JSON object.
    #[query(name = "status")]
    pub fn status(&self, _ctx: &WorkflowContextView) -> Status {
        self.to_status()
    }
}

#[cfg(test)]
mod tests {
    use temporalio_common::SignalDefinition;

    use super::PreviewEnvironment;
    use crate::contract::rollout::RolloutStepSignal;

    #[test]
    fn environment_takes_the_signal_that_a_rollout_sends() {
        assert_eq!(PreviewEnvironment::rollout_step.name(), RolloutStepSignal.name());
    }
}
