//! The course of a step: task, delivery, judgement, and where it is shown.

use std::{env, fs, time::Instant};

use anyhow::{Context as _, ensure};

use super::{
    JobArgs, answer,
    commands::Kind,
    deliver::{Time, deliver},
    direct::Direct,
    event, files,
    hooks::Hooks,
    job::{Job, StepFiles},
    judge::{Judgement, Level, judge},
    log::{Log, Stream},
    pushed::{Given, pushed},
    summary::summary,
    task::Task,
    way::Way,
};
use crate::{
    arguments::ClientArgs,
    envelope::{Envelope, Output},
    temporal,
};

/// The longest event. GitHub's webhooks have at most 25 MB.
const MAX_EVENT: u64 = 25 * 1024 * 1024;

/// A step of a job.
pub(super) struct Step<'a> {
    pub(super) args: &'a JobArgs,
    pub(super) is_release: bool,
    pub(super) client: &'a ClientArgs,
    pub(super) begun: Instant,
}

impl Step<'_> {
    /// Runs the step, and shows how it ended. The exit code in the answer is that of the process.
    ///
    /// # Errors
    /// A file of the step cannot be written.
    pub(super) async fn run(&self) -> anyhow::Result<Envelope> {
        let mut log = Log::new(match self.client.output {
            Output::Text => Stream::Stdout,
            Output::Json => Stream::Stderr,
        })?;
        let task = self.task();
        let (title, required) = match &task {
            // Nothing serves after a close.
            Ok(task) => (task.title(), self.args.require.filter(|_| !task.is_close())),
            Err(_) => (self.args.app.clone(), self.args.require),
        };
        let ended = match &task {
            Ok(task) => self.deliver(task, &mut log).await,
            Err(error) => Envelope::error(error),
        };
        let Judgement { code, level } = judge(&ended.outcome, ended.exit_code, required);
        let envelope = Envelope { exit_code: code, complaint: None, ..ended };
        match level {
            Level::Quiet => log.text(&answer::sentence(&envelope)),
            Level::Notice => log.message(Kind::Notice, &title, &answer::sentence(&envelope)),
            Level::Error => log.message(Kind::Error, &title, &answer::sentence(&envelope)),
        }
        log.text(&answer::details(&envelope));
        files::write(&StepFiles::read(variable), &envelope, &summary(&self.args.app, &envelope, level))?;
        Ok(envelope)
    }

    /// The task that follows from the job's event.
    fn task(&self) -> anyhow::Result<Task> {
        let (args, job) = (self.args, Job::read(variable)?);
        let JobArgs { images, tag, digest, variables, .. } = args;
        let pushed = || pushed(&Given { images, tag, digest, variables }, variable);
        if self.is_release {
            return event::release(&job, &args.app, pushed);
        }
        let path = &job.event_path;
        let reading = || format!("reading the event in {} (GITHUB_EVENT_PATH)", path.display());
        let length = fs::metadata(path).with_context(reading)?.len();
        ensure!(length <= MAX_EVENT, "the event has {length} bytes");
        event::preview(&job, &args.app, &fs::read(path).with_context(reading)?, pushed)
    }

    async fn deliver(&self, task: &Task, log: &mut Log) -> Envelope {
        let time = Time { begun: self.begun, timeout: self.args.patience.timeout };
        log.open(&task.title());
        let ended = match self.way().await {
            Ok(way) => Box::pin(deliver(&way, task, time, log)).await,
            Err(error) => Err(error),
        };
        log.close();
        let ended = ended.unwrap_or_else(|error| Envelope::error(&error));
        let environment = task.environment();
        let own_page = || {
            let namespace = if self.args.hooks.is_empty() { temporal::namespace() } else { None };
            self.client.workflow_page(&namespace?, &environment)
        };
        Envelope {
            commit: ended.commit.clone().or_else(|| task.commit()),
            temporal_ui_url: ended.temporal_ui_url.clone().or_else(own_page),
            environment: Some(environment),
            ..ended
        }
    }

    async fn way(&self) -> anyhow::Result<Way> {
        let JobArgs { hooks, audience, .. } = self.args;
        if hooks.is_empty() {
            let direct = Direct::connect(&self.client.task_queue).await;
            return direct.map(Way::Direct).context("without --hooks");
        }
        Ok(Way::Hooks(Box::new(Hooks::new(hooks, audience, variable)?)))
    }
}

/// A variable of the job. An empty one counts as not set.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
