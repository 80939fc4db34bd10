//! Scripts run by hand in the environment, while everything else goes on.

use temporalio_common::{WorkflowDefinition, error::IncomingError};
use temporalio_workflow::{
    ChildWorkflowExecutionError, StartedChildWorkflow, WorkflowCancellationToken, WorkflowContext, workflows::select,
};

use super::PreviewEnvironment;
use crate::{
    clock::now_ms,
    contract::{
        environment::Environment,
        run_script::RunScript,
        script::{ScriptAnswer, ScriptRunInput},
        stop_reason::StopReason,
        verdict::{FailureType, Verdict},
    },
    environment::{
        answers::{HandlerError, detached},
        book::Serving,
        children::{Child, is_id_taken},
        publish::publish,
        stuck::await_stopped,
    },
    preview_environment::record::Record,
    script_run::ScriptRun,
};

impl PreviewEnvironment {
    /// Runs the child, and stops it when the environment closes or is cancelled. Rollouts do not stop it.
    pub(super) async fn run_by_hand(
        ctx: &WorkflowContext<Self>,
        script: RunScript,
    ) -> Result<ScriptAnswer, HandlerError> {
        // Not the workflow's own token: its cancel is a close, which is handled below.
        let token = WorkflowCancellationToken::new();
        let (id, started) = Self::start_script(ctx, script, &token).await?;
        let mut result = started.result();
        let result = select! {
            result = result => result,
            // Also when the workflow is cancelled.
            _ = ctx.wait_condition(|s| s.record.is_closing()) => {
                ctx.state_mut(|s| s.record.scripts.stop(&id));
                publish(ctx);
                token.cancel_with_reason(StopReason::EnvironmentCloses.to_string());
                await_stopped(ctx, &id, result).await
            }
        };
        ctx.state_mut(|s| s.record.scripts.end(&id));
        publish(ctx);
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
            publish(ctx);
            let options = child(&script).options(&script.environment, token);
            let why = match ctx.start_child_workflow(ScriptRun::run, script, options).await {
                Ok(started) => return Ok((id, started)),
                Err(why) => why,
            };
            ctx.state_mut(|s| s.record.scripts.end(&id));
            publish(ctx);
            if !is_id_taken(&why) {
                return Err(format!("the script could not be started: {why}").into());
            }
        }
    }

    /// Waits until no script runs any more. The close has stopped each; their own last step bounds the wait.
    pub(super) async fn await_scripts(ctx: &WorkflowContext<Self>) {
        publish(ctx);
        // A detached wait is not cancelled, so there is no error to look at.
        let _ = ctx.wait_condition_with_options(|s| s.record.scripts.running.is_empty(), detached()).await;
    }
}

impl Record {
    /// Refuses a script that may not run now. Returns the release that it would run in.
    pub(super) fn admit_script(&self, script: &RunScript) -> Result<&Serving, String> {
        if self.is_closing() {
            return Err(StopReason::EnvironmentCloses.to_string());
        }
        let serving = self.book.serving.as_ref();
        let serving = serving.ok_or("nothing is live here, so there is nothing to run a script in")?;
        let unique_name = self.book.environment.as_ref().map(Environment::unique_name).unwrap_or_default();
        self.scripts.admit(script, &unique_name)?;
        Ok(serving)
    }

    /// Numbers the next script run and records it. Returns its input.
    fn begin_script(&mut self, script: RunScript, now_ms: u64) -> Result<ScriptRunInput, String> {
        let serving = self.admit_script(&script)?.clone();
        let environment = self.book.environment.clone().ok_or("the environment has no name yet")?;
        Ok(self.scripts.begin(environment, &serving, script, now_ms))
    }
}

/// The answer if the child has no result: an error, or the verdict why the script did not run to its end.
fn failed(error: &ChildWorkflowExecutionError, id: String) -> Result<ScriptAnswer, HandlerError> {
    if error.as_cancelled().is_some() {
        return Err(format!("{id} was stopped before it ended").into());
    }
    let Some(IncomingError::Application(failure)) = error.cause() else {
        return Err(format!("{id} did not report: {error}").into());
    };
    match failure.details::<Verdict>() {
        // A refusal for the caller: the script or workload they named does not exist.
        Ok(Some(verdict)) if verdict.failure == FailureType::InvalidInput => Err(verdict.message.into()),
        Ok(Some(verdict)) => Ok(ScriptAnswer::failed(verdict, id)),
        _ => Err(failure.source_error().to_string().into()),
    }
}

fn child(script: &ScriptRunInput) -> Child<'_> {
    Child {
        workflow_id: script.workflow_id(),
        summary: script.summary(),
        commit: &script.commit,
        author: script.author.as_ref(),
        phase: "RunningScript",
    }
}
