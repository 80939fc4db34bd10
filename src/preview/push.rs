//! `berth preview push`: sends a commit, and waits for its outcome.

use std::fmt::Write as _;

use anyhow::Context;
use berth_workflows::{
    contract::signals::{DeployAnswer, DeployOutcome},
    preview_environment::PreviewEnvironment,
};
use temporalio_client::Client;

use super::{Preview, args::PushArgs, late, output, refused, sent, while_waiting};
use crate::{envelope::Envelope, seen::AsJson, temporal};

impl Preview {
    /// Starts the environment if it does not run, pushes, and waits for the answer, in one request.
    pub(super) async fn push(&self, client: &Client, push: &PushArgs) -> anyhow::Result<Envelope> {
        let (input, message) = (push.pull_request.input(), push.payload()?);
        let id = input.workflow_id();
        let answer = temporal::until_taken(|| {
            let (start, update, options) = (input.clone(), message.clone(), self.update_with_start(&input));
            let (run, deploy) = (PreviewEnvironment::run, AsJson(PreviewEnvironment::deploy));
            client.execute_update_with_start_workflow(run, start.into(), deploy, update.into(), options)
        });
        let handle = client.get_workflow_handle::<PreviewEnvironment>(&id);
        temporal::warn_if_no_worker_polls(client, &self.client.task_queue).await;
        let timeout = push.patience.timeout;
        let Ok(answer) = tokio::time::timeout(timeout, while_waiting(&handle, answer)).await else {
            let late = late(&handle, &id, timeout).await?;
            return Ok(Envelope { commit: Some(push.commit.to_string()), ..late });
        };
        let json = answer.map_err(|e| refused(&id, "push", e))?;
        let answer: DeployAnswer = serde_json::from_value(json.clone()).context("reading the answer to the push")?;
        let envelope = output::with_json(output::from_answer(&answer)?, json);
        let Some(dashboard) = answer.temporal_ui.filter(|_| answer.outcome == DeployOutcome::Live) else {
            return Ok(envelope);
        };
        let shown = envelope.with_text(|out| writeln!(out, "- its temporal-ui: {dashboard}"));
        Ok(Envelope { temporal_dashboard_url: Some(dashboard), ..shown })
    }

    /// Signals the push, and does not wait.
    pub(super) async fn signal_push(&self, client: &Client, push: &PushArgs) -> anyhow::Result<Envelope> {
        let signal = ("push", PreviewEnvironment::push, push.payload()?.into());
        let id = self.signal_with_start(client, push.pull_request.input(), signal).await?;
        let sent = sent(format!("{id} has the push of {}", push.commit));
        Ok(Envelope { commit: Some(push.commit.to_string()), ..sent })
    }
}
