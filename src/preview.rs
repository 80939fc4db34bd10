//! `berth preview`: what CI and people do with the environments of pull requests. Everything here can also be done with
//! the `temporal` CLI.

use std::process::ExitCode;

use anyhow::{Context, anyhow};
use berth_workflows::{
    TASK_QUEUE,
    activity_definitions::LeakReport,
    environment::PullRequest,
    mailbox::{Close, DeployAnswer, Push},
    preview_environment::PreviewEnvironment,
    release::{Commit, Image, Name},
    status::Status,
};
use clap::{Args, Subcommand};
use futures::StreamExt;
use temporalio_client::{
    Client, WorkflowGetResultOptions, WorkflowHandle, WorkflowIdConflictPolicy, WorkflowListOptions,
    WorkflowQueryOptions, WorkflowStartOptions, WorkflowUpdateWithStartOptions,
    errors::{WorkflowQueryError, WorkflowUpdateError, WorkflowUpdateWithStartError},
};

use crate::{exit, temporal};

mod output;
mod progress;

use output::{Output, Row};

/// Deploy, close and look at the environments of pull requests.
#[derive(Debug, Args)]
pub(crate) struct Preview {
    #[command(subcommand)]
    action: Action,
    /// How answers look.
    #[arg(long, global = true, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// The Temporal task queue that the worker takes work from.
    #[arg(long, global = true, env = "BERTH_TASK_QUEUE", default_value = TASK_QUEUE)]
    task_queue: String,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Roll a commit out, and wait until it is live or it is clear why it will not be.
    Push(PushArgs),
    /// Close the environment, and wait until nothing of it is left.
    Close(CloseArgs),
    /// Show one environment.
    Status(PullRequestArgs),
    /// Show all environments.
    List {
        /// Only those of this app.
        #[arg(long)]
        app: Option<String>,
    },
}

#[derive(Debug, Args)]
struct PullRequestArgs {
    /// The app, as the platform team has named it.
    app: String,
    /// The pull request's number.
    pr: u64,
}

#[derive(Debug, Args)]
struct PushArgs {
    #[command(flatten)]
    pull_request: PullRequestArgs,
    /// The commit's hash.
    #[arg(long, value_parser = |text: &str| Commit::try_from(text.to_owned()))]
    commit: Commit,
    /// The image that was built from it, by digest: repository:tag@sha256:…
    #[arg(long, value_parser = |text: &str| Image::try_from(text.to_owned()))]
    image: Image,
    /// The CI run's number: a push with a lower one than already seen is skipped.
    #[arg(long)]
    sequence: Option<u64>,
    /// Who pushed.
    #[arg(long, value_parser = |text: &str| Name::try_from(text.to_owned()))]
    author: Option<Name>,
    /// The branch.
    #[arg(long, value_parser = |text: &str| Name::try_from(text.to_owned()))]
    branch: Option<Name>,
    /// The commit comes from a fork: it waits for an approval.
    #[arg(long)]
    fork: bool,
    /// The pull request is a draft: the push is skipped.
    #[arg(long)]
    draft: bool,
    /// Return as soon as Temporal has the push.
    #[arg(long)]
    no_wait: bool,
}

#[derive(Debug, Args)]
struct CloseArgs {
    #[command(flatten)]
    pull_request: PullRequestArgs,
    /// The CI run's number: a close with a lower one than already seen is ignored.
    #[arg(long)]
    sequence: Option<u64>,
    /// Return as soon as Temporal has the close.
    #[arg(long)]
    no_wait: bool,
}

impl Preview {
    /// Does what was asked.
    ///
    /// # Errors
    /// Temporal or the worker did not answer, or the input is not a pull request.
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let client = temporal::connect().await?;
        match &self.action {
            Action::Push(push) if push.no_wait => self.signal_push(&client, push).await,
            Action::Push(push) => self.push(&client, push).await,
            Action::Close(close) => self.close(&client, close).await,
            Action::Status(pull_request) => self.status(&client, pull_request).await,
            Action::List { app } => self.list(&client, app.as_deref()).await,
        }
    }

    /// Starts the environment if need be, hands it the push, and waits for the answer: one request, one answer.
    async fn push(&self, client: &Client, push: &PushArgs) -> anyhow::Result<ExitCode> {
        let input = push.pull_request.input()?;
        let id = input.workflow_id();
        let options = WorkflowUpdateWithStartOptions::new(
            self.task_queue.clone(),
            id.clone(),
            WorkflowIdConflictPolicy::UseExisting,
        );
        let answer = client.execute_update_with_start_workflow(
            PreviewEnvironment::run,
            input.into(),
            PreviewEnvironment::deploy,
            push.payload().into(),
            options.build(),
        );
        let handle = client.get_workflow_handle::<PreviewEnvironment>(&id);
        let answer: DeployAnswer = progress::while_waiting(&handle, answer).await.map_err(|e| refused(&id, e))?;
        self.output.answer(&answer)?;
        Ok(exit::of_outcome(answer.outcome))
    }

    async fn signal_push(&self, client: &Client, push: &PushArgs) -> anyhow::Result<ExitCode> {
        let input = push.pull_request.input()?;
        let id = input.workflow_id();
        client
            .signal_with_start_workflow(
                PreviewEnvironment::run,
                input.into(),
                PreviewEnvironment::push,
                push.payload().into(),
                WorkflowStartOptions::new(self.task_queue.clone(), id.clone()).build(),
            )
            .await
            .with_context(|| format!("signalling push to {id}"))?;
        self.output.note(&format!("{id} has the push of {}", push.commit))?;
        Ok(ExitCode::SUCCESS)
    }

    /// Also where no workflow runs: one that was terminated may have left something, and the new one finds it.
    async fn close(&self, client: &Client, close: &CloseArgs) -> anyhow::Result<ExitCode> {
        let input = close.pull_request.input()?;
        let id = input.workflow_id();
        let handle = client
            .signal_with_start_workflow(
                PreviewEnvironment::run,
                input.into(),
                PreviewEnvironment::close,
                Close { sequence: close.sequence }.into(),
                WorkflowStartOptions::new(self.task_queue.clone(), id.clone()).build(),
            )
            .await
            .with_context(|| format!("signalling close to {id}"))?;
        if close.no_wait {
            self.output.note(&format!("{id} has the close"))?;
            return Ok(ExitCode::SUCCESS);
        }
        let handle: WorkflowHandle<_, PreviewEnvironment> =
            client.get_workflow_handle(handle.info().workflow_id.clone());
        let report: LeakReport =
            progress::while_waiting(&handle, handle.get_result(WorkflowGetResultOptions::default()))
                .await
                .with_context(|| format!("waiting for {id} to be gone"))?;
        self.output.report(&report)?;
        Ok(ExitCode::SUCCESS)
    }

    async fn status(&self, client: &Client, pull_request: &PullRequestArgs) -> anyhow::Result<ExitCode> {
        let id = pull_request.input()?.workflow_id();
        let handle = client.get_workflow_handle::<PreviewEnvironment>(&id);
        match handle.query(PreviewEnvironment::status, (), WorkflowQueryOptions::default()).await {
            Ok(status) => {
                let status: Status = status;
                self.output.status(&status)?;
                Ok(exit::of_phase(status.phase))
            }
            Err(WorkflowQueryError::NotFound(_)) => {
                self.output.note(&format!("there is no environment {id}"))?;
                Ok(exit::of_phase(berth_workflows::record::Phase::Closed))
            }
            Err(e) => Err(e).with_context(|| format!("asking {id}; does a worker take work from {}?", self.task_queue)),
        }
    }

    async fn list(&self, client: &Client, app: Option<&str>) -> anyhow::Result<ExitCode> {
        let mut query = "WorkflowType = 'PreviewEnvironment' AND ExecutionStatus = 'Running'".to_owned();
        if let Some(app) = app {
            PullRequest::new(app, 1).check().map_err(|why| anyhow!(why))?;
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

impl PullRequestArgs {
    fn input(&self) -> anyhow::Result<PullRequest> {
        let input = PullRequest::new(&self.app, self.pr);
        input.check().map_err(|why| anyhow!(why))?;
        Ok(input)
    }
}

impl PushArgs {
    fn payload(&self) -> Push {
        Push {
            commit: self.commit.clone(),
            image: self.image.clone(),
            sequence: self.sequence,
            author: self.author.clone(),
            branch: self.branch.clone(),
            fork: self.fork,
            draft: self.draft,
        }
    }
}

/// A refused update's words are in its failure; the error's own text hides them.
fn refused(id: &str, error: WorkflowUpdateWithStartError) -> anyhow::Error {
    match error {
        WorkflowUpdateWithStartError::Update(WorkflowUpdateError::Failed(failure)) => {
            anyhow!("{id} refused the push: {}", failure.message)
        }
        other => anyhow::Error::from(other).context(format!("pushing to {id}")),
    }
}
