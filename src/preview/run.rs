//! `berth preview run`: runs one of the app's scripts or `CronJob`s in an environment, and shows its output while it runs.

use std::{cell::Cell, future::Future};

use anyhow::anyhow;
use berth_workflows::{contract::run_script::RunScript, preview_environment::PreviewEnvironment};
use temporalio_client::{Client, WorkflowExecuteUpdateOptions, WorkflowHandle, errors::WorkflowUpdateError};
use tokio::time::{Duration, timeout};

use super::{Preview, args::RunArgs, environment, log, output, wait::status};
use crate::{
    envelope::{Envelope, Output},
    exit::Exit,
    temporal,
};

/// How long the rest of the output may take to arrive after the script has ended.
const OUTPUT_TIMEOUT: Duration = Duration::from_secs(3);
/// How often `status` is asked whether the script run has started.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

impl Preview {
    /// Runs the script, and exits with its exit code.
    pub(super) async fn run_script(&self, client: &Client, run: &RunArgs) -> anyhow::Result<Envelope> {
        let script = run.script()?;
        let (id, handle) = environment(client, &run.pull_request);
        let options = WorkflowExecuteUpdateOptions::default();
        let answer = handle.execute_update(PreviewEnvironment::run_script, script.clone().into(), options);
        temporal::warn_if_no_worker_polls(client, &self.client.task_queue).await;
        let mut followed = log::Followed::default();
        let follows = self.client.output == Output::Text && !run.no_follow;
        let answer = tokio::select! {
            answer = while_following(&handle, &script, answer, follows, &mut followed) => answer,
            _ = tokio::signal::ctrl_c() => return Ok(going_on(&handle, &id, &script).await),
        };
        match answer {
            Ok(answer) => output::from_script(&answer, followed == log::Followed::All),
            Err(WorkflowUpdateError::NotFound(_)) => Ok(output::not_found(&id)),
            Err(WorkflowUpdateError::Failed(failure)) => Err(anyhow!("{id}: {}", failure.message)),
            Err(other) => Err(anyhow::Error::from(other).context(format!("running {} in {id}", script.title()))),
        }
    }
}

/// Waits for the answer, and meanwhile follows the script's output if the caller may read it.
async fn while_following<T>(
    handle: &WorkflowHandle<Client, PreviewEnvironment>,
    script: &RunScript,
    answer: impl Future<Output = T>,
    follows: bool,
    followed: &mut log::Followed,
) -> T {
    tokio::pin!(answer);
    if !follows {
        return answer.await;
    }
    let has_started = Cell::new(false);
    let following = async {
        let (namespace, job) = started(handle, script).await;
        has_started.set(true);
        log::follow(&namespace, &job).await
    };
    tokio::pin!(following);
    tokio::select! {
        answer = &mut answer => {
            // The rest of the output may still arrive.
            if has_started.get()
                && let Ok(all) = timeout(OUTPUT_TIMEOUT, following).await {
                *followed = all;
            }
            answer
        }
        all = &mut following => {
            *followed = all;
            answer.await
        }
    }
}

/// Waits until the script runs. Gives its namespace and its Job's name.
async fn started(handle: &WorkflowHandle<Client, PreviewEnvironment>, script: &RunScript) -> (String, String) {
    loop {
        if let Ok(status) = status(handle).await
            && let Some(running) = status.scripts.iter().find(|running| running.is(script))
            && let Some(namespace) = &status.namespace
        {
            return (namespace.clone(), running.script_run.clone());
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// The answer after Ctrl-C: the script goes on, and how to stop it.
async fn going_on(handle: &WorkflowHandle<Client, PreviewEnvironment>, id: &str, script: &RunScript) -> Envelope {
    let answer = timeout(OUTPUT_TIMEOUT, status(handle)).await;
    let running = answer.ok().and_then(Result::ok).and_then(|status| {
        let mut running = status.scripts.iter();
        running.find(|running| running.is(script)).map(|running| running.script_run.clone())
    });
    let reason = match running {
        Some(run) => format!(
            "{} goes on; to stop it: temporal workflow cancel --workflow-id {run}; to see how it ends: temporal workflow \
             result --workflow-id {run}",
            script.title()
        ),
        None => format!("the request to {id} goes on: berth preview status shows which scripts run"),
    };
    Envelope::new("interrupted", Exit::Interrupted).complain(reason)
}
