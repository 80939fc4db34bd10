//! Commands in comments of the pull request: what each does.

use temporalio_workflow::{WorkflowCancellationToken, WorkflowContext, workflows::select};

use super::PreviewEnvironment;
use crate::{
    activity_options as options,
    contract::{
        activity_definitions::{self as activities, github_task_queue},
        command::{AdmitCommandInput, AdmittedCommand, CommentCommand, CommentSignal},
        release::{Commit, Name, Release},
        signals::Approve,
    },
    environment::{answers::detached, publish::publish},
    failure::refusal,
    preview_environment::{
        life::{Message, Taken},
        record::Record,
    },
    report::view::CommandAnswer,
};

impl PreviewEnvironment {
    /// Reads a comment, and obeys it if its author may give the command. Nothing of the signal is believed but the id.
    pub(super) async fn take_comment(ctx: &WorkflowContext<Self>, signal: Result<CommentSignal, String>) {
        // A detached wait is not cancelled, so there is no error to look at.
        let _ = ctx.wait_condition_with_options(|s| !s.is_new && !s.record.is_recalling(), detached()).await;
        let begun = signal.and_then(|CommentSignal { comment, .. }| {
            let is_new = ctx.state_mut(|s| s.record.commands.begin(comment))?;
            Ok(is_new.then_some(comment))
        });
        match begun {
            Ok(None) => {}
            Err(why) => ctx.state_mut(|s| s.record.notes.add(format!("command: {why}"))),
            Ok(Some(comment)) => {
                if let Err(why) = Self::obey_comment(ctx, comment).await {
                    ctx.state_mut(|s| s.record.notes.add(format!("command: {why}")));
                }
                ctx.state_mut(|s| s.record.commands.end());
            }
        }
        publish(ctx);
    }

    async fn obey_comment(ctx: &WorkflowContext<Self>, comment: u64) -> Result<(), String> {
        // An approval is for the image that waits as the comment arrives. GitHub may take minutes to answer.
        let waiting = ctx.state(|s| s.record.waiting_at(comment));
        ctx.state_mut(|s| s.record.mailbox.facts.ask_for_rules());
        // A detached wait is not cancelled, so there is no error to look at.
        let _ = ctx.wait_condition_with_options(|s| !s.record.mailbox.facts.are_rules_due(), detached()).await;
        if !ctx.state(|s| s.record.mailbox.facts.github().is_some_and(|rules| rules.commands)) {
            return Err("the app file allows no commands".to_owned());
        }
        let (by, command) = match Self::admit_command(ctx, comment).await? {
            AdmittedCommand::Nothing => return Ok(()),
            AdmittedCommand::Refused { by, reason } => {
                let answer = CommandAnswer { comment, by, command: String::new(), answer: reason };
                ctx.state_mut(|s| s.record.commands.answer(answer));
                return Ok(());
            }
            AdmittedCommand::Admitted { by, command } => (by, command),
        };
        let answer = |text: String| CommandAnswer::to(comment, by.clone(), &command, text);
        if let CommentCommand::Run { script } = &command {
            ctx.state_mut(|s| s.record.commands.answer(answer("it runs".to_owned())));
            let ended = match Self::run_by_hand(ctx, script.clone()).await {
                Ok(ended) => ended.sentence(),
                Err(why) => why.to_string(),
            };
            ctx.state_mut(|s| s.record.commands.answer(answer(ended)));
        } else {
            let message = Message::Command { command: command.clone(), by: by.clone(), waiting };
            if let Taken::Said(done) = Self::take(ctx, message) {
                ctx.state_mut(|s| s.record.commands.answer(answer(done)));
            }
        }
        Ok(())
    }

    /// Reads the comment and its author's permission, unless the environment closes meanwhile.
    async fn admit_command(ctx: &WorkflowContext<Self>, comment: u64) -> Result<AdmittedCommand, String> {
        use futures::FutureExt;
        let (app, pull_request) = match ctx.state(|s| s.input.clone()) {
            Ok(input) => (input.app, input.pr),
            Err(_) => return Err("the workflow has no valid input".to_owned()),
        };
        let token = WorkflowCancellationToken::new();
        let input = AdmitCommandInput { app, pull_request, comment };
        let summary = format!("comment {comment}, and what its author may do");
        let options = options::admit_command(&token, summary, github_task_queue(ctx.task_queue()));
        let mut admitting = std::pin::pin!(ctx.execute_activity(activities::AdmitCommand, input, options).fuse());
        let admitted = select! {
            admitted = admitting => admitted,
            _ = ctx.wait_condition_with_options(|s| s.record.is_closing(), detached()) => {
                token.cancel();
                admitting.await
            }
        };
        admitted.map_err(|e| refusal(&e).map_or_else(|| "the environment closes".to_owned(), |(why, _)| why))
    }
}

impl Record {
    /// Obeys a command that takes no time. Returns the answer, also as the error.
    pub(super) fn obey(
        &mut self,
        command: &CommentCommand,
        by: &Name,
        waiting: Option<&Release>,
    ) -> Result<String, String> {
        match command {
            CommentCommand::Redeploy => {
                self.redeploy()?;
                Ok("it is rolled out again".to_owned())
            }
            CommentCommand::Approve { commit } => {
                self.check_waiting(waiting)?;
                let commit = self.waiting_as(commit);
                // It is the image that waited as the comment was written.
                let image = waiting.map(|waiting| waiting.image.clone());
                self.approve(&Approve { commit, image, by: Some(by.clone()) })?;
                Ok("it is approved, with the image that waited".to_owned())
            }
            CommentCommand::Status => Ok("this comment is up to date".to_owned()),
            CommentCommand::Run { .. } => Err("a script takes time".to_owned()),
        }
    }

    /// The push that an approval in this comment is for. An older comment than one that was read before it is for none: it is
    /// delivered again, or late, and its author has not seen what waits now.
    fn waiting_at(&self, comment: u64) -> Option<Release> {
        self.mailbox.to_be_approved().filter(|_| self.commands.is_newest(comment)).cloned()
    }

    /// Checks that what waits now is what waited then. Without anything that waits, the approval says so itself.
    fn check_waiting(&self, then: Option<&Release>) -> Result<(), String> {
        match self.mailbox.awaiting_approval() {
            Some(now) if !then.is_some_and(|then| then.is_same_version(now)) => {
                Err("another push waits now than when the comment was written: look at its images and variables, and \
                     approve again"
                    .to_owned())
            }
            _ => Ok(()),
        }
    }

    /// The commit as the push that waits has written it: it may be abbreviated there, never in a command.
    fn waiting_as(&self, commit: &Commit) -> Commit {
        let waiting = self.mailbox.awaiting_approval().map(|release| &release.commit);
        waiting.filter(|waiting| waiting.matches(commit.as_str())).unwrap_or(commit).clone()
    }
}
