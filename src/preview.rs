//! `berth preview`: commands for the environments of pull requests. Each can also be done with the `temporal` CLI.

use std::process::ExitCode;

use anyhow::Context;
use berth_workflows::{
    TASK_QUEUE,
    contract::{
        environment::PullRequest,
        phase::Phase,
        signals::{Approve, Close, Redeploy},
    },
    preview_environment::PreviewEnvironment,
};
use clap::Args;
use futures::StreamExt;
use temporalio_client::{
    Client, WorkflowGetResultOptions, WorkflowHandle, WorkflowListOptions, WorkflowSignalOptions, WorkflowStartOptions,
    errors::WorkflowGetResultError,
};

use crate::{exit, progress, temporal};

mod args;
mod log;
mod output;
mod push;
mod run;
mod wait;

use args::{Action, ApproveArgs, CloseArgs, Goal, PullRequestArgs, RedeployArgs, WaitArgs};
use output::{Output, Row};

/// Deploy, close and show the environments of pull requests.
#[derive(Debug, Args)]
pub(crate) struct Preview {
    #[command(subcommand)]
    action: Action,
    /// Format of the answer
    #[arg(long, global = true, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// The Temporal task queue that the worker polls
    #[arg(long, global = true, env = "BERTH_TASK_QUEUE", default_value = TASK_QUEUE)]
    task_queue: String,
}

impl Preview {
    /// Runs the command.
    ///
    /// # Errors
    /// Temporal or the worker does not answer, or refuses the input.
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let client = temporal::connect().await?;
        match &self.action {
            Action::Push(push) if push.no_wait => self.signal_push(&client, push).await,
            Action::Push(push) => self.push(&client, push).await,
            Action::Redeploy(redeploy) => self.redeploy(&client, redeploy).await,
            Action::Approve(approve) => self.approve(&client, approve).await,
            Action::Close(close) => self.close(&client, close).await,
            Action::Wait(wait) => self.wait(&client, wait).await,
            Action::Run(run) => self.run_script(&client, run).await,
            Action::Status(pull_request) => self.status(&client, pull_request).await,
            Action::List { app } => self.list(&client, app.as_deref()).await,
        }
    }

    /// Closes the environment, even if no workflow runs: a terminated one may have left objects, and the new one finds them.
    async fn close(&self, client: &Client, close: &CloseArgs) -> anyhow::Result<ExitCode> {
        let input = close.pull_request.input();
        let id = input.workflow_id();
        let options = WorkflowStartOptions::new(self.task_queue.clone(), id.clone()).static_summary(summary(&input));
        let handle = client
            .signal_with_start_workflow(
                PreviewEnvironment::run,
                input.into(),
                PreviewEnvironment::close,
                Close { sequence: close.sequence }.into(),
                options.build(),
            )
            .await
            .with_context(|| format!("signalling close to {id}"))?;
        if close.no_wait {
            self.output.note(&format!("{id} has the close"))?;
            return Ok(ExitCode::SUCCESS);
        }
        let handle: WorkflowHandle<_, PreviewEnvironment> =
            client.get_workflow_handle(handle.info().workflow_id.clone());
        temporal::warn_if_no_worker_polls(client, &self.task_queue).await;
        if close.sequence.is_some()
            && let Some(status) = wait::observe(&handle, &id).await?
            && !status.is_closing()
        {
            self.output.note(&format!("{id} ignores the close: it is older than a push already seen"))?;
            return Ok(ExitCode::from(exit::SKIPPED));
        }
        let gone = progress::while_waiting(&handle, handle.get_result(WorkflowGetResultOptions::default()));
        let Ok(gone) = tokio::time::timeout(close.patience.timeout, gone).await else {
            return Ok(exit::timed_out(close.patience.timeout));
        };
        match gone {
            Ok(report) => self.output.report(&report)?,
            // A cancelled environment ends only after its teardown: it is gone.
            Err(WorkflowGetResultError::Cancelled { .. }) => {
                self.output.note(&format!("{id} is gone: its workflow was cancelled"))?;
            }
            Err(e) => return Err(e).with_context(|| format!("waiting for {id} to be gone")),
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Signals `redeploy`, and waits until nothing is in flight. The status is the answer.
    async fn redeploy(&self, client: &Client, redeploy: &RedeployArgs) -> anyhow::Result<ExitCode> {
        let (id, handle) = environment(client, &redeploy.pull_request);
        let Some(status) = wait::observe(&handle, &id).await? else { return self.not_found(&id) };
        if status.phase == Phase::Closed {
            return self.not_found(&id);
        }
        anyhow::ensure!(status.has_release(), "{id} has no release to roll out again: nothing has been pushed yet");
        let signal = Redeploy::default().into();
        handle.signal(PreviewEnvironment::redeploy, signal, WorkflowSignalOptions::default()).await?;
        if redeploy.no_wait {
            self.output.note(&format!("{id} has the redeploy"))?;
            return Ok(ExitCode::SUCCESS);
        }
        let observed = wait::until(&handle, &id, redeploy.patience.timeout, wait::at_rest).await?;
        self.show(&id, observed)
    }

    /// Signals `approve` for the commit that waits, then as [`Preview::redeploy`].
    async fn approve(&self, client: &Client, approve: &ApproveArgs) -> anyhow::Result<ExitCode> {
        let (id, handle) = environment(client, &approve.pull_request);
        let Some(status) = wait::observe(&handle, &id).await? else { return self.not_found(&id) };
        let waiting = status.awaiting_approval.as_ref().map(|release| release.commit.to_string());
        let waits_for_this = waiting.as_deref() == Some(approve.commit.as_str());
        anyhow::ensure!(
            waits_for_this,
            "{id}: no push of {} waits for approval, {}",
            approve.commit,
            waiting.map_or_else(|| "nor does any other".to_owned(), |waiting| format!("but {waiting} does"))
        );
        let signal = Approve { commit: approve.commit.clone(), by: approve.by.clone() };
        handle.signal(PreviewEnvironment::approve, signal.into(), WorkflowSignalOptions::default()).await?;
        if approve.no_wait {
            self.output.note(&format!("{id} has the approval of {}", approve.commit))?;
            return Ok(ExitCode::SUCCESS);
        }
        let observed = wait::until(&handle, &id, approve.patience.timeout, wait::at_rest).await?;
        self.show(&id, observed)
    }

    async fn wait(&self, client: &Client, wait: &WaitArgs) -> anyhow::Result<ExitCode> {
        let (id, handle) = environment(client, &wait.pull_request);
        let timeout = wait.patience.timeout;
        let observed = match (wait.goal, &wait.commit) {
            (Goal::Gone, _) => wait::until(&handle, &id, timeout, wait::gone).await?,
            (Goal::Live, None) => wait::until(&handle, &id, timeout, wait::live).await?,
            (Goal::Live, Some(commit)) => {
                let mut was_open = false;
                wait::until(&handle, &id, timeout, |status| wait::live_commit(status, commit, &mut was_open)).await?
            }
        };
        self.show(&id, observed)
    }

    async fn status(&self, client: &Client, pull_request: &PullRequestArgs) -> anyhow::Result<ExitCode> {
        let (id, handle) = environment(client, pull_request);
        let Some(status) = wait::observe(&handle, &id).await? else { return self.not_found(&id) };
        self.output.status(&status)?;
        Ok(exit::from_phase(status.phase))
    }

    fn show(&self, id: &str, (observed, code): (wait::Observed, ExitCode)) -> anyhow::Result<ExitCode> {
        match observed {
            Some(status) => self.output.status(&status)?,
            None => self.output.note(&format!("there is no environment {id}"))?,
        }
        Ok(code)
    }

    fn not_found(&self, id: &str) -> anyhow::Result<ExitCode> {
        self.show(id, (None, ExitCode::from(exit::CLOSED)))
    }

    async fn list(&self, client: &Client, app: Option<&str>) -> anyhow::Result<ExitCode> {
        let mut query = "WorkflowType = 'PreviewEnvironment' AND ExecutionStatus = 'Running'".to_owned();
        if let Some(app) = app {
            // A DNS label cannot end the quotes.
            query.push_str(&format!(" AND BerthApp = '{app}'"));
        }
        let mut found = client.list_workflows(query, WorkflowListOptions::default());
        let mut rows = Vec::new();
        while let Some(workflow) = found.next().await {
            rows.push(Row::new(&workflow.context("listing environments")?));
        }
        self.output.list(&rows)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The summary that temporal-ui shows beside the workflow's id.
fn summary(input: &PullRequest) -> String {
    format!("the environment of pull request {} of {}", input.pr, input.app)
}

/// The id and handle of the environment's workflow, which may not exist.
fn environment(
    client: &Client,
    pull_request: &PullRequestArgs,
) -> (String, WorkflowHandle<Client, PreviewEnvironment>) {
    let id = pull_request.input().workflow_id();
    let handle = client.get_workflow_handle(&id);
    (id, handle)
}
