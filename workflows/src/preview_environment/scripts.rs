//! Scripts that somebody runs by hand in the environment, while everything else goes on.

use temporalio_common::{
    WorkflowDefinition,
    error::{IncomingError, StartChildWorkflowExecutionFailedCause},
    search_attributes::SearchAttributes,
};
use temporalio_workflow::{
    ChildWorkflowExecutionError, ChildWorkflowOptions, ChildWorkflowStartError, ParentClosePolicy,
    StartedChildWorkflow, WaitConditionOptions, WorkflowCancellationToken, WorkflowContext, workflows::select,
};

use super::{HandlerError, PreviewEnvironment, follow::now_ms};
use crate::{
    contract::{
        script::{RunScript, RunningScript, ScriptAnswer, ScriptRunInput},
        search_attributes,
        stop_reason::StopReason,
        verdict::{FailureType, Verdict},
    },
    environment::book::Serving,
    preview_environment::record::Record,
    script_run::ScriptRun,
};

/// More at once than anybody watches. The server holds ten updates open at a time, and `deploy` is one of those too.
const AT_ONCE: usize = 5;

impl PreviewEnvironment {
    /// Runs the child, and stops it when the environment closes or is cancelled. Rollouts do not disturb it.
    pub(super) async fn run_by_hand(
        ctx: &WorkflowContext<Self>,
        script: RunScript,
    ) -> Result<ScriptAnswer, HandlerError> {
        // Not the workflow's own: cancelling that is a close, which is met below.
        let token = WorkflowCancellationToken::new();
        let (id, started) = Self::start_script(ctx, script, &token).await?;
        let mut result = started.result();
        let result = select! {
            result = result => result,
            // Also when the workflow is cancelled.
            _ = ctx.wait_condition(|s| s.record.is_closing()) => {
                ctx.state_mut(|s| s.record.scripts.stop(&id));
                Self::publish_now(ctx);
                token.cancel_with_reason(StopReason::EnvironmentCloses.to_string());
                result.await
            }
        };
        ctx.state_mut(|s| s.record.scripts.end(&id));
        Self::publish_now(ctx);
        result.or_else(|e| failed(&e, id))
    }

    async fn start_script(
        ctx: &WorkflowContext<Self>,
        asked: RunScript,
        token: &WorkflowCancellationToken,
    ) -> Result<(String, StartedChildWorkflow<impl WorkflowDefinition<Output = ScriptAnswer>>), HandlerError> {
        loop {
            let now = now_ms(ctx);
            let script = ctx.state_mut(|s| s.record.begin_script(asked.clone(), now))?;
            let id = script.workflow_id();
            Self::publish_now(ctx);
            let options = child_options(&script, token);
            let why = match ctx.start_child_workflow(ScriptRun::run, script, options).await {
                Ok(started) => return Ok((id, started)),
                Err(why) => why,
            };
            ctx.state_mut(|s| s.record.scripts.end(&id));
            Self::publish_now(ctx);
            // A script of a run that was terminated may still be stopping under this id: take the next number.
            if !matches!(
                why,
                ChildWorkflowStartError::StartFailed {
                    cause: StartChildWorkflowExecutionFailedCause::WorkflowAlreadyExists,
                    ..
                }
            ) {
                return Err(format!("the script could not be started: {why}").into());
            }
        }
    }

    /// Waits until no script runs any more; each has been told to stop by the close. Bounded by the script runs' own last step.
    pub(super) async fn await_scripts(ctx: &WorkflowContext<Self>) {
        if ctx.state(|s| s.record.scripts.running.is_empty()) {
            return;
        }
        ctx.state_mut(|s| s.record.tearing_down = true);
        Self::publish_now(ctx);
        let detached = WaitConditionOptions::builder().cancellation_token(WorkflowCancellationToken::new()).build();
        // A detached wait is not cancelled, so there is no error to look at.
        let _ = ctx.wait_condition_with_options(|s| s.record.scripts.running.is_empty(), detached).await;
    }
}

impl Record {
    /// Whether a close has come, and nothing for a new environment is begun yet.
    pub(super) fn is_closing(&self) -> bool {
        self.tearing_down || self.closed || self.mailbox.is_close_requested()
    }

    /// What a script would run in, or why it may not run now.
    pub(super) fn admit_script(&self, script: &RunScript) -> Result<&Serving, String> {
        if self.is_closing() {
            return Err(StopReason::EnvironmentCloses.to_string());
        }
        let serving =
            self.book.serving.as_ref().ok_or("nothing is live here, so there is nothing to run a script in")?;
        let running = &self.scripts.running;
        if let Some(same) = running.iter().find(|running| running.name == script.name.as_str()) {
            return Err(format!("{} is running already: {}", script.name, same.script_run));
        }
        if running.len() >= AT_ONCE {
            return Err(format!("{AT_ONCE} scripts are running already"));
        }
        Ok(serving)
    }

    /// The next script run, numbered and recorded.
    fn begin_script(&mut self, script: RunScript, now_ms: u64) -> Result<ScriptRunInput, String> {
        let release = self.admit_script(&script)?.release.clone();
        let mut environment = self.book.environment.clone().ok_or("the environment has no name yet")?;
        // A script needs none of them, and they would be most of its input.
        environment.cluster_objects.clear();
        let number = self.scripts.last_number + 1;
        let commit = release.commit.to_string();
        let script = ScriptRunInput { environment, script, number, commit, author: release.author };
        self.scripts.last_number = number;
        self.scripts.running.push(RunningScript {
            name: script.script.name.to_string(),
            script_run: script.workflow_id(),
            since_ms: now_ms,
            stopping: false,
        });
        Ok(script)
    }
}

/// What whoever asked is answered where the child has no result: words, or the verdict why the script did not come to its end.
fn failed(error: &ChildWorkflowExecutionError, id: String) -> Result<ScriptAnswer, HandlerError> {
    if error.as_cancelled().is_some() {
        return Err(format!("{id} was stopped before it ended").into());
    }
    let Some(IncomingError::Application(failure)) = error.cause() else {
        return Err(format!("{id} did not report: {error}").into());
    };
    match failure.details::<Verdict>() {
        // Nothing has run: it was asked for what there is not.
        Ok(Some(verdict)) if verdict.failure == FailureType::InvalidInput => Err(verdict.message.into()),
        Ok(Some(verdict)) => Ok(ScriptAnswer::failed(verdict, id)),
        _ => Err(failure.source_error().to_string().into()),
    }
}

fn child_options(script: &ScriptRunInput, token: &WorkflowCancellationToken) -> ChildWorkflowOptions {
    let environment = &script.environment;
    let mut attributes = vec![
        search_attributes::APP.value_set(environment.app.clone()),
        search_attributes::ENVIRONMENT.value_set(environment.kind.name().into()),
        search_attributes::COMMIT.value_set(script.commit.clone()),
        search_attributes::PHASE.value_set("RunningScript".into()),
    ];
    let pr = environment.kind.pr().and_then(|pr| i64::try_from(pr).ok());
    attributes.extend(pr.map(|pr| search_attributes::PULL_REQUEST.value_set(pr)));
    let author = script.author.as_ref();
    attributes.extend(author.map(|author| search_attributes::AUTHOR.value_set(author.as_str().into())));
    ChildWorkflowOptions::builder()
        .workflow_id(script.workflow_id())
        .cancellation_token(token.clone())
        .parent_close_policy(ParentClosePolicy::RequestCancel)
        .static_summary(script.summary())
        .search_attributes(SearchAttributes::new(attributes))
        .build()
}
