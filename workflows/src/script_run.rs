//! A script run: one of an app's cron scripts, or a `CronJob` of its manifests, run by hand in a preview. It is a Job with the
//! image, secrets and rights of the running web pod, or with the `CronJob`'s own template, and a row of its own in
//! temporal-ui. In production both run on their schedule only.

use temporalio_common::error::ApplicationFailure;
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    WorkflowCancellationToken, WorkflowContext, WorkflowContextView, WorkflowResult, WorkflowTermination,
};

use crate::{
    activity_options as options,
    clock::now_ms,
    contract::{
        activity_definitions as activities,
        environment::EnvironmentKind,
        lenient::Lenient,
        script::{SCRIPT_SECONDS, ScriptAnswer, ScriptOutcome, ScriptRunInput},
        script_job::{AwaitScriptInput, RemoveScriptInput, StartScriptInput},
        search_attributes,
        stop_reason::StopReason,
        verdict::{FailureType, Verdict},
    },
    environment::{
        admission::{check_child, invalid_input},
        carry::unreadable_input,
    },
    failure::{self, Unfinished},
};

/// Runs a script in a preview. Only the environment's workflow may start it.
#[workflow]
pub struct ScriptRun {
    input: Result<ScriptRunInput, String>,
}

#[workflow_methods]
impl ScriptRun {
    #[init]
    fn new(_ctx: &WorkflowContextView, input: Lenient<ScriptRunInput>) -> Self {
        Self { input: input.0 }
    }

    #[run(name = "ScriptRun")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<ScriptAnswer> {
        // 1. Admit it only in a preview, and only from its environment.
        let script = Self::admit(ctx)?;

        // 2. Run it, and wait for its end.
        let ended = Self::run_job(ctx, &script).await;

        // 3. However that ended, cancellation included, remove the Job.
        Self::remove_job(ctx, &script).await;

        match ended {
            // The stop is the reason, whatever an activity reported meanwhile.
            Err(_) | Ok(ScriptOutcome::Failed { .. }) if ctx.cancellation_token().is_cancelled() => {
                Err(Self::stop(ctx, &script))
            }
            Ok(ScriptOutcome::Failed { verdict }) => Err(Self::fail(ctx, &script, verdict)),
            Err(Unfinished::Failed(verdict)) => Err(Self::fail(ctx, &script, *verdict)),
            Ok(outcome) => Ok(Self::conclude(ctx, &script, outcome)),
            Err(Unfinished::Cancelled) => Err(Self::stop(ctx, &script)),
        }
    }
}

impl ScriptRun {
    /// Refuses an input that is not one, a script run that its environment has not started, and any in production.
    fn admit(ctx: &WorkflowContext<Self>) -> Result<ScriptRunInput, WorkflowTermination> {
        let script = ctx.state(|s| s.input.clone()).map_err(|why| unreadable_input(ctx, "-script-", &why))?;
        if script.environment.kind == EnvironmentKind::Production {
            return Err(invalid_input("scripts are run by hand in previews only, never in production".to_owned()));
        }
        let (input, expected) = (format!("script run {}", script.number), script.workflow_id());
        check_child(ctx, "ScriptRun", &script.environment.workflow_id, (&input, &expected))?;
        Ok(script)
    }

    async fn run_job(ctx: &WorkflowContext<Self>, script: &ScriptRunInput) -> Result<ScriptOutcome, Unfinished> {
        let ScriptRunInput { environment, script: asked, .. } = script;
        ctx.set_current_details(format!("Running `{}` in `{}`.", asked.title(), environment.namespace));
        let start = StartScriptInput {
            environment: environment.clone(),
            script: asked.clone(),
            stored_release: script.stored_release.clone(),
            job: script.workflow_id(),
            run_id: ctx.run_id().to_owned(),
        };
        let model = if asked.is_cron() { "of the release that serves" } else { "as the web pod that runs" };
        let summary = format!("start {} {model}", asked.title());
        let started = ctx
            .execute_activity(activities::StartScript, start, options::start_script(&ctx.cancellation_token(), summary))
            .await
            .map_err(|e| failure::from_activity(&e, FailureType::KubernetesDenied))?;
        let wait = AwaitScriptInput {
            environment: environment.clone(),
            started,
            deadline_ms: now_ms(ctx) + SCRIPT_SECONDS * 1000,
        };
        let summary = format!("wait for {} to end", asked.title());
        ctx.execute_activity(activities::AwaitScript, wait, options::await_script(&ctx.cancellation_token(), summary))
            .await
            .map_err(|e| failure::from_activity(&e, FailureType::JobFailed))
    }

    /// Removes the Job, on a detached token: a cancel must not leave it behind.
    ///
    /// A failure is reported in the details only, since the script's own end is the result. The Job then ends by its own
    /// deadline, and is removed by its time to live or with the environment.
    async fn remove_job(ctx: &WorkflowContext<Self>, script: &ScriptRunInput) {
        let job = script.workflow_id();
        let options = options::remove_script(&WorkflowCancellationToken::new(), format!("remove Job {job}"));
        let remove = RemoveScriptInput { environment: script.environment.clone(), job: job.clone() };
        if let Err(e) = ctx.execute_activity(activities::RemoveScript, remove, options).await {
            let why = match failure::from_activity(&e, FailureType::KubernetesDenied) {
                Unfinished::Failed(verdict) => verdict.headline(),
                Unfinished::Cancelled => "cancelled".to_owned(),
            };
            ctx.set_current_details(format!("Job `{job}` could not be removed: {why}"));
        }
    }

    fn conclude(ctx: &WorkflowContext<Self>, script: &ScriptRunInput, outcome: ScriptOutcome) -> ScriptAnswer {
        let answer = ScriptAnswer::from((outcome, script.workflow_id()));
        let phase = if answer.exit_code == Some(0) { "Succeeded" } else { "Failed" };
        ctx.upsert_search_attributes([search_attributes::PHASE.value_set(phase.into())]);
        answer
    }

    /// Ends as failed, for a script that did not run to its end. The failure's type, message and details are the verdict.
    fn fail(ctx: &WorkflowContext<Self>, script: &ScriptRunInput, verdict: Verdict) -> WorkflowTermination {
        ctx.upsert_search_attributes([
            search_attributes::PHASE.value_set("Failed".into()),
            search_attributes::FAILURE.value_set(verdict.failure.name().into()),
        ]);
        ctx.set_current_details(format!("`{}` failed: {}", script.script.title(), verdict.headline()));
        ApplicationFailure::builder(anyhow::anyhow!(verdict.headline()))
            .type_name(verdict.failure.name().to_owned())
            .non_retryable(true) // Running a script again is for its caller to decide.
            .details(verdict)
            .build()
            .into()
    }

    fn stop(ctx: &WorkflowContext<Self>, script: &ScriptRunInput) -> WorkflowTermination {
        let reason = StopReason::from_cancellation(ctx.cancellation_token().reason().as_deref());
        ctx.upsert_search_attributes([search_attributes::PHASE.value_set("Stopped".into())]);
        ctx.set_current_details(format!("`{}` was stopped: {reason}.", script.script.title()));
        WorkflowTermination::cancelled_with_details(reason.to_string())
    }
}
