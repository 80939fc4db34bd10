//! `berth production`: commands for releases of an app. Each can also be done with the `temporal` CLI.

use std::process::ExitCode;

use berth_workflows::production_environment::ProductionEnvironment;
use clap::Args;
use temporalio_client::Client;

use crate::{
    arguments::ClientArgs,
    envelope::Envelope,
    exit::{self, Exit},
    temporal,
};

mod args;
pub(crate) mod decide;
mod history;
pub(crate) mod observe;
pub(crate) mod output;
mod plan;
mod restore;
mod send;
mod wait;

use args::{Action, AppArgs, HistoryArgs};

/// Release to production, approve, roll back, freeze, and show it.
#[derive(Debug, Args)]
#[command(after_help = exit::help(exit::ALL))]
pub(crate) struct Production {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    client: ClientArgs,
}

impl Production {
    /// Runs the command, and prints its answer.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let id = self.action.app().input().workflow_id();
        let mut envelope = Box::pin(self.act()).await.unwrap_or_else(|error| self.failed(&error));
        envelope.temporal_ui_url =
            temporal::namespace().and_then(|namespace| self.client.workflow_page(&namespace, &id));
        envelope.environment = Some(id);
        envelope.print(self.client.output)
    }

    fn failed(&self, error: &anyhow::Error) -> Envelope {
        let envelope = Envelope::error(error);
        match &self.action {
            Action::Rollback(rollback) if envelope.exit_code == Exit::Error.code() => {
                let app = &rollback.app.app;
                envelope
                    .with_remark(&format!("without Temporal, and with a kubeconfig: berth production restore {app}"))
            }
            _ => envelope,
        }
    }

    async fn act(&self) -> anyhow::Result<Envelope> {
        // The history outlives Temporal, and can be read without it.
        if let Action::History(HistoryArgs { namespace: Some(namespace), .. }) = &self.action {
            return history::in_namespace(namespace).await;
        }
        self.action.check_caller()?;
        // Temporal is what may be away.
        if let Action::Restore(restore) = &self.action {
            return restore::restore(restore).await;
        }
        let client = &temporal::connect().await?;
        match &self.action {
            Action::Release(release) => self.release(client, release).await,
            Action::Approve(approve) => {
                let message = ("approve", ProductionEnvironment::answer_approve, approve.payload()?.into());
                self.answer(client, &approve.app, message).await
            }
            Action::Reject(reject) => {
                let message = ("reject", ProductionEnvironment::answer_reject, reject.payload()?.into());
                self.answer(client, &reject.app, message).await
            }
            Action::Freeze(freeze) => {
                let message = ("freeze", ProductionEnvironment::answer_freeze, freeze.payload()?.into());
                self.answer(client, &freeze.app, message).await
            }
            Action::Unfreeze(unfreeze) => {
                let message = ("unfreeze", ProductionEnvironment::answer_unfreeze, unfreeze.payload()?.into());
                self.answer(client, &unfreeze.app, message).await
            }
            Action::Rollback(rollback) => Box::pin(self.rollback(client, rollback)).await,
            Action::Redeploy(redeploy) => self.redeploy(client, redeploy).await,
            Action::Plan(plan) => plan::show(client, plan).await,
            Action::Status(app) => status(client, app).await,
            Action::History(history) => history::show(client, &history.app).await,
            Action::Wait(wait) => wait::wait(client, wait).await,
            Action::Restore(restore) => restore::restore(restore).await,
        }
    }
}

/// The id and handle of the workflow of an app's production, which may not exist.
fn environment(client: &Client, app: &AppArgs) -> (String, observe::Handle) {
    let id = app.input().workflow_id();
    let handle = client.get_workflow_handle(&id);
    (id, handle)
}

async fn status(client: &Client, app: &AppArgs) -> anyhow::Result<Envelope> {
    let (id, handle) = environment(client, app);
    let status = observe::answered(&handle, &id).await?;
    status.map_or_else(|| Ok(output::not_found(&app.app)), |status| output::from_status(&status))
}
