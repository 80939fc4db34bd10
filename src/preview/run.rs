//! `berth preview run`: one of the app's scripts, in the environment as it is, with its output as it comes.

use std::{cell::Cell, future::Future, io::Write, process::ExitCode};

use anyhow::{Context, anyhow};
use berth_workflows::{
    contract::{
        script::{RunScript, ScriptAnswer},
        status::Status,
    },
    preview_environment::PreviewEnvironment,
};
use temporalio_client::{
    Client, WorkflowExecuteUpdateOptions, WorkflowHandle, WorkflowQueryOptions, errors::WorkflowUpdateError,
};
use tokio::time::{Duration, timeout};

use super::{Preview, args::RunArgs, found, log, output::Output};
use crate::{exit, temporal};

/// How long what it has written may still take to arrive once it has ended.
const LAST_WORDS: Duration = Duration::from_secs(3);
/// A script run is in `status` as soon as it has begun.
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);
/// What a shell says of a program that Ctrl-C has ended.
const INTERRUPTED: u8 = 130;

impl Preview {
    /// Runs the script, and exits as it does.
    pub(super) async fn run_script(&self, client: &Client, run: &RunArgs) -> anyhow::Result<ExitCode> {
        let script = run.script()?;
        let (id, handle) = found(client, &run.pull_request);
        let options = WorkflowExecuteUpdateOptions::default();
        let answer = handle.execute_update(PreviewEnvironment::run_script, script.clone().into(), options);
        temporal::warn_if_nobody_works(client, &self.task_queue).await;
        let mut shown = log::Shown::default();
        let shows = self.output == Output::Text && !run.no_follow;
        let answer = tokio::select! {
            answer = while_shown(&handle, &script, answer, shows, &mut shown) => answer,
            _ = tokio::signal::ctrl_c() => return goes_on(&handle, &id, &script).await,
        };
        match answer {
            Ok(answer) => self.ended(&answer, shown),
            Err(WorkflowUpdateError::NotFound(_)) => self.not_there(&id),
            Err(WorkflowUpdateError::Failed(failure)) => Err(anyhow!("{id}: {}", failure.message)),
            Err(other) => Err(anyhow::Error::from(other).context(format!("running {} in {id}", script.name))),
        }
    }

    fn ended(&self, answer: &ScriptAnswer, shown: log::Shown) -> anyhow::Result<ExitCode> {
        self.output.script(answer, shown == log::Shown::All)?;
        Ok(answer.exit_code.map_or_else(|| ExitCode::from(exit::COULD_NOT), exit::of_script))
    }
}

/// Waits for the answer, and meanwhile shows the script's output where the caller may see it.
async fn while_shown<T>(
    handle: &WorkflowHandle<Client, PreviewEnvironment>,
    script: &RunScript,
    answer: impl Future<Output = T>,
    shows: bool,
    shown: &mut log::Shown,
) -> T {
    tokio::pin!(answer);
    if !shows {
        return answer.await;
    }
    let has_begun = Cell::new(false);
    let following = async {
        let (namespace, job) = begun(handle, script).await;
        has_begun.set(true);
        log::follow(&namespace, &job).await
    };
    tokio::pin!(following);
    tokio::select! {
        answer = &mut answer => {
            // It may still be on its way.
            if has_begun.get()
                && let Ok(all) = timeout(LAST_WORDS, following).await {
                *shown = all;
            }
            answer
        }
        all = &mut following => {
            *shown = all;
            answer.await
        }
    }
}

/// Waits until the script runs: its namespace, and its Job's name.
async fn begun(handle: &WorkflowHandle<Client, PreviewEnvironment>, script: &RunScript) -> (String, String) {
    loop {
        if let Ok(status) = status(handle).await
            && let Some(running) = status.scripts.iter().find(|running| running.name == script.name.as_str())
            && let Some(namespace) = &status.namespace
        {
            return (namespace.clone(), running.script_run.clone());
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

async fn status(handle: &WorkflowHandle<Client, PreviewEnvironment>) -> anyhow::Result<Status> {
    let asked = handle.query(PreviewEnvironment::status, (), WorkflowQueryOptions::default());
    asked.await.context("asking the environment")
}

/// After Ctrl-C: what goes on, and how it is stopped.
async fn goes_on(
    handle: &WorkflowHandle<Client, PreviewEnvironment>,
    id: &str,
    script: &RunScript,
) -> anyhow::Result<ExitCode> {
    let seen = timeout(LAST_WORDS, status(handle)).await;
    let running = seen.ok().and_then(Result::ok).and_then(|status| {
        let mut running = status.scripts.into_iter();
        running.find(|running| running.name == script.name.as_str()).map(|running| running.script_run)
    });
    let mut out = std::io::stderr();
    match running {
        Some(run) => writeln!(
            out,
            "\nberth: {} goes on. To stop it: temporal workflow cancel --workflow-id {run}\n\
             berth: To see how it ends: temporal workflow result --workflow-id {run}",
            script.name
        )?,
        None => writeln!(out, "\nberth: what was asked of {id} goes on: berth preview status says which scripts run")?,
    }
    Ok(ExitCode::from(INTERRUPTED))
}
