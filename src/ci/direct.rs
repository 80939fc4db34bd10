//! The way to Temporal without hooks, with the credential of the job.

use berth_workflows::production_environment::ProductionEnvironment;
use temporalio_client::Client;

use super::{task::Task, unanswered::Unanswered};
use crate::{
    envelope::Envelope,
    exchange::{self, question::Question},
    production::output,
    temporal,
};

/// A connection to Temporal.
pub(super) struct Direct {
    client: Client,
    task_queue: String,
}

impl Direct {
    /// Connects.
    ///
    /// # Errors
    /// Temporal does not answer, or its configuration is wrong.
    pub(super) async fn connect(task_queue: &str) -> anyhow::Result<Self> {
        let client = temporal::connect().await?;
        temporal::warn_if_no_worker_polls(&client, task_queue).await;
        Ok(Self { client, task_queue: task_queue.to_owned() })
    }

    /// Sends the message of a task.
    pub(super) async fn send(&self, task: &Task) -> Result<Envelope, Unanswered> {
        let Self { client, task_queue } = self;
        match task {
            Task::Deploy(input, push) => Ok(exchange::preview::deploy(client, task_queue, input, push.clone()).await?),
            Task::Close(input, close) => Ok(exchange::preview::close(client, task_queue, input, close.clone()).await?),
            Task::Release(input, push) => {
                let message = (ProductionEnvironment::answer_release, push.clone().into());
                let answer = exchange::production::send(client, task_queue, &input.app, message).await?;
                output::from_answer(&input.app, "release", &answer).map_err(Unanswered::Refused)
            }
        }
    }

    /// Asks how far a task is.
    pub(super) async fn ask(&self, task: &Task, question: &Question) -> Result<Envelope, Unanswered> {
        let asked = match task {
            Task::Deploy(input, _) | Task::Close(input, _) => {
                exchange::preview::ask(&self.client, input, question).await
            }
            Task::Release(input, _) => exchange::production::ask(&self.client, &input.app, question).await,
        };
        asked.map_err(Unanswered::later)
    }
}
