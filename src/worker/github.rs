//! The second worker: GitHub's activities, on a task queue whose rate the server limits.

use std::{sync::Arc, time::Duration};

use berth_activities::{Settings, github::GithubActivities};
use berth_manifests::app::read_apps;
use berth_workflows::contract::activity_definitions::github_task_queue;
use clap::Args;
use temporalio_sdk::WorkerOptions;

use super::{metrics::Metrics, observe};
use crate::github::GithubApp;

/// How berth speaks with GitHub.
#[derive(Debug, Args)]
pub(super) struct GithubArgs {
    #[command(flatten)]
    app: GithubApp,
    /// The number of writes on GitHub in a second, of all workers together. GitHub allows 80 a minute and 500 an hour
    #[arg(long, env = "BERTH_GITHUB_WRITES_PER_SECOND", default_value_t = 1.0, value_name = "N", value_parser = positive)]
    github_writes_per_second: f64,
    /// The time in seconds between two looks of a Janitor, which compares previews with pull requests
    #[arg(long, env = "BERTH_JANITOR_SECONDS", default_value_t = 300, value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(super) janitor_seconds: u64,
}

fn positive(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| format!("{text} is not a number"))?;
    if number.is_finite() && number > 0.0 { Ok(number) } else { Err("it must be more than 0".to_owned()) }
}

impl GithubArgs {
    /// Whether the App is given.
    pub(super) fn is_given(&self) -> bool {
        self.app.is_given()
    }

    /// The options of the worker for GitHub, if the App is given. App files may name a repository at any time.
    ///
    /// # Errors
    /// The App's key cannot be read.
    pub(super) fn options(
        &self,
        settings: Settings,
        task_queue: &str,
        drain: Duration,
        metrics: &Arc<Metrics>,
    ) -> anyhow::Result<Option<WorkerOptions>> {
        let Some(github) = self.app.client()? else {
            if read_apps(&settings.apps).apps.iter().any(|app| app.github.is_some()) {
                tracing::warn!("Nothing is reported on GitHub: --github-app-id and --github-key-file are not given");
            }
            return Ok(None);
        };
        let task_queue = github_task_queue(task_queue);
        let options = WorkerOptions::new(&task_queue)
            .register_activities(GithubActivities { settings, github })
            .activity_inbound_interceptor(observe::ActivityObserver(Arc::clone(metrics)))
            // The server hands out no more, whatever the number of workers.
            .max_task_queue_activities_per_second(self.github_writes_per_second)
            .max_heartbeat_throttle_interval(Duration::from_millis(500))
            .graceful_shutdown_period(drain)
            .build();
        tracing::info!(%task_queue, per_second = self.github_writes_per_second, "Taking work from {task_queue}");
        Ok(Some(options))
    }
}
