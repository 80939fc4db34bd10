//! `berth preview`: commands for the environments of pull requests. Each can also be done with the `temporal` CLI.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow};
use berth_workflows::{
    contract::{
        environment::PullRequest,
        phase::Phase,
        release::Commit,
        signals::{Approve, Redeploy},
        status::Status,
    },
    preview_environment::PreviewEnvironment,
};
use clap::Args;
use futures::StreamExt;
use temporalio_client::{
    Client, WorkflowHandle, WorkflowIdConflictPolicy, WorkflowListOptions, WorkflowSignalOptions, WorkflowStartOptions,
    WorkflowUpdateWithStartOptions,
    errors::{WorkflowUpdateError, WorkflowUpdateWithStartError},
};
use temporalio_common::{HasWorkflowDefinition, SignalDefinition};

use crate::{
    arguments::ClientArgs,
    envelope::Envelope,
    exit::{self, Exit},
    poll::{Ending, LAST_LOOK, PATIENCE, Unobserved, Waited},
    progress::Progress,
    seen::Seen,
    temporal,
};

mod args;
mod close;
mod log;
pub(crate) mod output;
mod push;
mod run;
pub(crate) mod standing;
pub(crate) mod wait;

use args::{Action, ApproveArgs, Goal, PullRequestArgs, RedeployArgs, WaitArgs};
use output::Row;

type Run = <PreviewEnvironment as HasWorkflowDefinition>::Run;

/// Deploy, close and show the environments of pull requests.
#[derive(Debug, Args)]
#[command(after_help = exit::help(exit::ALL))]
pub(crate) struct Preview {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    client: ClientArgs,
}

impl Preview {
    /// Runs the command, and prints its answer.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let answered = match temporal::connect().await {
            Ok(client) => Box::pin(self.act(&client)).await,
            Err(error) => Err(error),
        };
        let mut envelope = answered.unwrap_or_else(|error| Envelope::error(&error));
        if let Some(pull_request) = self.action.pull_request() {
            let id = pull_request.input().workflow_id();
            envelope.temporal_ui_url =
                temporal::namespace().and_then(|namespace| self.client.workflow_page(&namespace, &id));
            envelope.environment = Some(id);
        }
        envelope.print(self.client.output)
    }

    async fn act(&self, client: &Client) -> anyhow::Result<Envelope> {
        match &self.action {
            Action::Push(push) if push.no_wait => self.signal_push(client, push).await,
            Action::Push(push) => Box::pin(self.push(client, push)).await,
            Action::Redeploy(redeploy) => self.redeploy(client, redeploy).await,
            Action::Approve(approve) => self.approve(client, approve).await,
            Action::Close(close) if close.no_wait => self.signal_close(client, close).await,
            Action::Close(close) => self.close(client, close).await,
            Action::Wait(wait) => self.wait(client, wait).await,
            Action::Run(run) => self.run_script(client, run).await,
            Action::Status(pull_request) => self.status(client, pull_request).await,
            Action::List { app } => self.list(client, app.as_deref()).await,
        }
    }

    /// Options of an update that starts the environment if it does not run, in one request.
    fn update_with_start(&self, input: &PullRequest) -> WorkflowUpdateWithStartOptions {
        let (task_queue, policy) = (self.client.task_queue.clone(), WorkflowIdConflictPolicy::UseExisting);
        let options = WorkflowUpdateWithStartOptions::new(task_queue, input.workflow_id(), policy);
        options.static_summary(summary(input)).rpc_options(temporal::until_the_timeout()).build()
    }

    /// Sends a signal, named as people name it, and starts the environment if it does not run. Returns its id.
    async fn signal_with_start<S>(
        &self,
        client: &Client,
        input: PullRequest,
        (name, signal, message): (&str, S, S::Input),
    ) -> anyhow::Result<String>
    where
        S: SignalDefinition<Workflow = Run>,
        S::Input: Send,
    {
        let id = input.workflow_id();
        let options = WorkflowStartOptions::new(self.client.task_queue.clone(), id.clone())
            .static_summary(summary(&input))
            .build();
        client
            .signal_with_start_workflow(PreviewEnvironment::run, input.into(), signal, message, options)
            .await
            .with_context(|| format!("signalling {name} to {id}"))?;
        Ok(id)
    }

    /// Signals `redeploy`, and waits until nothing is in flight. The status is the answer.
    async fn redeploy(&self, client: &Client, redeploy: &RedeployArgs) -> anyhow::Result<Envelope> {
        let (id, handle) = environment(client, &redeploy.pull_request);
        let (begun, timeout) = (Instant::now(), redeploy.patience.timeout);
        let status = match wait::answered(&handle, &id, timeout).await {
            Err(Unobserved::Passing(trouble)) => return Ok(Envelope::not_sent(timeout, &trouble)),
            answered => answered.map_err(Unobserved::into_error)?,
        };
        let Some(status) = status.filter(|status| status.phase != Phase::Closed) else {
            return Ok(output::not_found(&id));
        };
        anyhow::ensure!(status.has_release(), "{id} has no release to roll out again: nothing has been pushed yet");
        let signal = Redeploy::default().into();
        handle.signal(PreviewEnvironment::redeploy, signal, WorkflowSignalOptions::default()).await?;
        if redeploy.no_wait {
            return Ok(sent(format!("{id} has the redeploy")));
        }
        let waited = wait::until(&handle, &id, left(timeout, begun), wait::at_rest).await?;
        shown(&id, waited, timeout)
    }

    /// Signals `approve` for the commit that waits, and waits for its end.
    async fn approve(&self, client: &Client, approve: &ApproveArgs) -> anyhow::Result<Envelope> {
        let (id, handle) = environment(client, &approve.pull_request);
        let (begun, timeout) = (Instant::now(), approve.patience.timeout);
        let status = match wait::answered(&handle, &id, timeout).await {
            Err(Unobserved::Passing(trouble)) => return Ok(Envelope::not_sent(timeout, &trouble)),
            answered => answered.map_err(Unobserved::into_error)?,
        };
        let Some(status) = status else { return Ok(output::not_found(&id)) };
        check_waits(&id, &status, &approve.commit)?;
        let signal = Approve { commit: approve.commit.clone(), image: approve.image.clone(), by: approve.by.clone() };
        handle.signal(PreviewEnvironment::approve, signal.into(), WorkflowSignalOptions::default()).await?;
        if approve.no_wait {
            return Ok(sent(format!("{id} has the approval of {}", approve.commit)));
        }
        let decide = |status: Option<&Status>| wait::approved(status, &approve.commit);
        let waited = wait::until(&handle, &id, left(timeout, begun), decide).await?;
        Ok(output::about(shown(&id, waited, timeout)?, &approve.commit))
    }

    async fn wait(&self, client: &Client, wait: &WaitArgs) -> anyhow::Result<Envelope> {
        let (id, handle) = environment(client, &wait.pull_request);
        let timeout = wait.patience.timeout;
        let waited = match (wait.goal, &wait.commit) {
            (Goal::Gone, _) => wait::until(&handle, &id, timeout, wait::gone).await?,
            (Goal::Live, None) => wait::until(&handle, &id, timeout, wait::live).await?,
            (Goal::Live, Some(commit)) => {
                let mut was_open = false;
                wait::until(&handle, &id, timeout, |status| wait::live_commit(status, commit, &mut was_open)).await?
            }
        };
        let shown = shown(&id, waited, timeout)?;
        Ok(match &wait.commit {
            Some(commit) => output::about(shown, commit),
            None => shown,
        })
    }

    async fn status(&self, client: &Client, pull_request: &PullRequestArgs) -> anyhow::Result<Envelope> {
        let (id, handle) = environment(client, pull_request);
        let status = wait::answered(&handle, &id, PATIENCE).await.map_err(Unobserved::into_error)?;
        status.map_or_else(|| Ok(output::not_found(&id)), |status| output::from_status(&status))
    }

    async fn list(&self, client: &Client, app: Option<&str>) -> anyhow::Result<Envelope> {
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
        output::from_list(&rows)
    }
}

/// The summary that temporal-ui shows beside the workflow's id.
pub(crate) fn summary(input: &PullRequest) -> String {
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

/// The rest of the time.
fn left(timeout: Duration, begun: Instant) -> Duration {
    timeout.saturating_sub(begun.elapsed())
}

/// Checks that the commit waits for approval.
fn check_waits(id: &str, status: &Status, commit: &Commit) -> anyhow::Result<()> {
    let waiting = status.awaiting_approval.as_ref().map(|release| &release.commit);
    anyhow::ensure!(
        waiting == Some(commit),
        "{id}: no push of {commit} waits for approval, {}",
        waiting.map_or_else(|| "nor does any other".to_owned(), |waiting| format!("but {waiting} does"))
    );
    Ok(())
}

/// Turns a refused update into its failure's message, which the error's own text hides. `message` names it: `push`.
fn refused(id: &str, message: &str, error: WorkflowUpdateWithStartError) -> anyhow::Error {
    match error {
        WorkflowUpdateWithStartError::Update(WorkflowUpdateError::Failed(failure)) => {
            anyhow!("{id} refused the {message}: {}", failure.message)
        }
        other => anyhow::Error::from(other).context(format!("sending the {message} to {id}")),
    }
}

/// Waits for `answer`, and meanwhile prints what the environment waits for.
async fn while_waiting<T>(handle: &WorkflowHandle<Client, PreviewEnvironment>, answer: impl Future<Output = T>) -> T {
    // An environment that does not answer yet is asked again.
    let ask = async || Some(wait::line(Some(&wait::status(handle).await.ok()?)));
    Progress::shown().while_waiting(ask, answer).await
}

/// The answer once Temporal has a message that is not waited for.
fn sent(sentence: String) -> Envelope {
    Envelope::sentence("sent", Exit::Done, sentence)
}

/// The answer after `--timeout`, with the status if it can be had.
async fn late(
    handle: &WorkflowHandle<Client, PreviewEnvironment>,
    id: &str,
    timeout: Duration,
) -> anyhow::Result<Envelope> {
    let status = tokio::time::timeout(LAST_LOOK, wait::status(handle)).await;
    shown(id, Waited { status: status.ok().and_then(Result::ok), ending: None, trouble: None }, timeout)
}

/// The answer of a command that waited.
fn shown(id: &str, waited: Waited<Seen<Status>>, timeout: Duration) -> anyhow::Result<Envelope> {
    let trouble = waited.trouble.as_ref();
    match (waited.status, waited.ending) {
        (Some(status), Some(ending)) => output::from_wait(&status, ending),
        (None, Some(Ending { outcome, exit, .. })) => {
            Ok(Envelope { outcome, exit_code: exit.code(), ..output::not_found(id) })
        }
        (Some(status), None) => Ok(output::from_status(&status)?.timed_out(timeout).with_trouble(trouble)),
        (None, None) => Ok(Envelope::new("", Exit::Waiting).timed_out(timeout).with_trouble(trouble)),
    }
}
