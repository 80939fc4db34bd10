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
        signals::{Approve, Close, CloseAnswer, ConfirmClosed, DeployAnswer, Push, Redeploy},
        status::Status,
        teardown::LeakReport,
    },
    environment::{
        admission::continues_a_run,
        answers::HandlerError,
        arrival::Arrival,
        cancel::{record_cancel, recording_cancel},
        carry::{self, Refused},
        publish::{Published, publish, publish_in_handler},
        queue::Delivery,
        reporting::Reporting,
    },
    preview_environment::{
        confirm_closed::Confirmation,
        life::{Message, Taken},
        proofs::PushProofs,
        record::Record,
    },
};

mod admit;
pub mod command_book;
mod commands;
mod confirm_closed;
mod environment;
pub mod facts;
mod follow;
mod late_look;
pub mod life;
mod look;
pub mod mailbox;
pub mod memory;
pub mod message;
mod proofs;
mod recall;
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
    /// Whether the run continues no other one, and has taken no message yet.
    is_new: bool,
    record: Record,
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
            is_new: !continues_a_run(ctx),
            record,
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

        // 2. While the pull request is open, keep its newest push rolled out. Then leave nothing behind.
        let life = Box::pin(recording_cancel(ctx, Self::live(ctx, &pull_request)));
        let (report, is_cancelled) = Self::beside(ctx, &pull_request, life).await?;

        // 3. A cancel is a close, and ends as a cancel all the same.
        if is_cancelled { Err(WorkflowTermination::cancelled_with_details(report)) } else { Ok(report) }
    }

    /// A commit of the pull request has an image.
    #[signal(name = "push")]
    pub fn push(&mut self, ctx: &mut SyncWorkflowContext<Self>, push: Lenient<Push>) {
        if let Ok(push) = &push.0 {
            self.note_proof(push, now_ms_in_handler(ctx));
        }
        self.take_signal(ctx, Message::from_signal("push", push.0, Message::Push));
    }

    /// The pull request was closed or merged.
    #[signal(name = "close")]
    pub fn close(&mut self, ctx: &mut SyncWorkflowContext<Self>, close: Lenient<Close>) {
        self.take_signal(ctx, Message::from_signal("close", close.0, Message::Close));
    }

    /// GitHub has news of the pull request.
    #[signal(name = "pull_request")]
    pub fn pull_request(&mut self, ctx: &mut SyncWorkflowContext<Self>, facts: Lenient<PullRequestFacts>) {
        self.take_signal(ctx, Message::from_signal("pull_request", facts.0, Message::Facts));
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
        let taken = Self::take_update(ctx, Message::Close(close), arrival).await;
        publish(ctx);
        match taken {
            Taken::Close(answer) => Ok(answer),
            other => Err(format!("a close was taken as {other:?}").into()),
        }
    }

    /// The pull request may have been closed: GitHub is asked.
    #[signal(name = "confirm_closed")]
    pub fn confirm_closed(&mut self, _ctx: &mut SyncWorkflowContext<Self>, _: Lenient<ConfirmClosed>) {
        self.confirmation.request();
    }

    /// Lets one commit of a fork be rolled out.
    #[signal(name = "approve")]
    pub fn approve(&mut self, ctx: &mut SyncWorkflowContext<Self>, approve: Lenient<Approve>) {
        self.take_signal(ctx, Message::from_signal("approve", approve.0, Message::Approve));
    }

    /// Rolls the newest release out again, with today's secrets and manifests.
    #[signal(name = "redeploy")]
    pub fn redeploy(&mut self, ctx: &mut SyncWorkflowContext<Self>, redeploy: Lenient<Redeploy>) {
        self.take_signal(ctx, Message::from_signal("redeploy", redeploy.0, |_| Message::Redeploy));
    }

    /// A comment of the pull request may be a command.
    #[signal(name = "command")]
    pub async fn command(ctx: &mut WorkflowContext<Self>, command: Lenient<CommentSignal>) {
        Self::take_comment(ctx, command.0).await;
    }

    /// Progress of the rollout in flight, and the cluster-scoped objects that it is about to make.
    #[signal(name = "rollout_step")]
    pub fn rollout_step(&mut self, ctx: &mut SyncWorkflowContext<Self>, progress: Lenient<RolloutProgress>) {
        if let Ok(progress) = progress.0 {
            self.take_signal(ctx, Message::Progress(progress));
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
        ctx.state_mut(|s| s.note_proof(&push, now));
        let taken = Self::take_update(ctx, Message::Push(push), arrival).await;
        publish(ctx);
        match taken {
            Taken::Push(Delivery::Answered(answer)) => Ok(*answer),
            Taken::Push(Delivery::Waiting(ticket)) => Self::answer_to(ctx, ticket).await,
            other => Err(format!("a push was taken as {other:?}").into()),
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

impl PreviewEnvironment {
    /// Takes in what a signal brings.
    fn take_signal(&mut self, ctx: &SyncWorkflowContext<Self>, message: Message) {
        self.begin_in_handler(ctx);
        let arrival = Arrival::signal(ctx.history_length());
        let taken = self.record.take(message, arrival, now_ms_in_handler(ctx));
        if !matches!(taken, Taken::Ignored | Taken::Waiting(_)) {
            publish_in_handler(self, ctx);
        }
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
