//! Messages to production. Each is an update with start, so that it also reaches production after a terminate.

use std::time::Duration;

use anyhow::anyhow;
use berth_workflows::{
    contract::{production::Production, production_answer::ProductionAnswer},
    production_environment::ProductionEnvironment,
};
use temporalio_client::{
    Client, WorkflowIdConflictPolicy, WorkflowUpdateWithStartOptions,
    errors::{WorkflowUpdateError, WorkflowUpdateWithStartError},
};
use temporalio_common::{HasWorkflowDefinition, UpdateDefinition};

use super::{Production as Command, args::AppArgs, observe, output};
use crate::{envelope::Envelope, exit::Exit, poll::Unobserved, temporal};

/// How long an answer may take that waits for nothing but the worker, and perhaps for the record of the namespace.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

type Run = <ProductionEnvironment as HasWorkflowDefinition>::Run;

/// An update, named as people name it, with its input.
pub(super) type Message<U> = (&'static str, U, <U as UpdateDefinition>::Input);

impl Command {
    /// Sends an update, and shows the answer.
    ///
    /// # Errors
    /// As [`Command::send`].
    pub(super) async fn answer<U>(
        &self,
        client: &Client,
        app: &AppArgs,
        message: Message<U>,
    ) -> anyhow::Result<Envelope>
    where
        U: UpdateDefinition<Workflow = Run, Output = ProductionAnswer>,
        U::Input: Send,
    {
        let verb = message.0;
        match self.send(client, app.input(), message, ANSWER_TIMEOUT).await? {
            Some(answer) => output::from_answer(&app.app, verb, &answer),
            None => Ok(unanswered(&app.app, ANSWER_TIMEOUT)),
        }
    }

    /// Sends the update `update`, and starts production if it does not run. None: no answer came within the time.
    ///
    /// # Errors
    /// Temporal does not answer, or the workflow refuses the input.
    pub(super) async fn send<U>(
        &self,
        client: &Client,
        input: Production,
        (verb, update, message): Message<U>,
        within: Duration,
    ) -> anyhow::Result<Option<ProductionAnswer>>
    where
        U: UpdateDefinition<Workflow = Run, Output = ProductionAnswer>,
        U::Input: Send,
    {
        let id = input.workflow_id();
        let options = WorkflowUpdateWithStartOptions::new(
            self.client.task_queue.clone(),
            id.clone(),
            WorkflowIdConflictPolicy::UseExisting,
        )
        .static_summary(format!("production of {}", input.app))
        .rpc_options(temporal::until_the_timeout());
        temporal::warn_if_no_worker_polls(client, &self.client.task_queue).await;
        let run = ProductionEnvironment::run;
        let answer = client.execute_update_with_start_workflow(run, input.into(), update, message, options.build());
        match tokio::time::timeout(within, answer).await {
            Ok(Ok(answer)) => Ok(Some(answer)),
            Ok(Err(error)) => Err(refused(client, &id, verb, error).await),
            Err(_) => Ok(None),
        }
    }
}

/// No answer came within the time. The message may have been taken all the same.
pub(super) fn unanswered(app: &str, within: Duration) -> Envelope {
    let next = format!("the message may have been taken: berth production status {app} shows it");
    Envelope::new("timed_out", Exit::Waiting).timed_out(within).with_remark(&next)
}

/// Turns a refused update into its failure's message, which the error's own text hides. A workflow that is not admitted, such
/// as one of an unknown app, fails as a whole.
async fn refused(client: &Client, id: &str, verb: &str, error: WorkflowUpdateWithStartError) -> anyhow::Error {
    match error {
        WorkflowUpdateWithStartError::Update(WorkflowUpdateError::Failed(failure)) => {
            let handle = client.get_workflow_handle(id);
            match observe::check_alive(&handle, id).await {
                Err(Unobserved::Final(why)) => why,
                _ => anyhow!("{id} refused the {verb}: {}", failure.message),
            }
        }
        other => anyhow::Error::from(other).context(format!("sending the {verb} to {id}")),
    }
}
