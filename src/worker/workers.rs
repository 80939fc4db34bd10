//! The SDK's workers of one process: one for all workflows and activities, and one for GitHub's activities.

use std::sync::Arc;

use anyhow::Context;
use temporalio_client::{Client, NamespacedClient};
use temporalio_sdk::{Worker, WorkerOptions};
use temporalio_sdk_core::{CoreRuntime, init_worker};

use super::forget::Forget;

/// Workers that start and stop together.
pub(super) struct Workers {
    main: Worker,
    /// GitHub's, if there is anything to report there.
    github: Option<Worker>,
}

impl Workers {
    /// Starts the workers.
    ///
    /// # Errors
    /// The SDK does not take the options.
    pub(super) fn start(
        runtime: &CoreRuntime,
        client: &Client,
        main: WorkerOptions,
        github: Option<WorkerOptions>,
    ) -> anyhow::Result<Self> {
        let start = |options| start(runtime, client, options);
        let main = start(main).context("starting the worker")?;
        let github = github.map(start).transpose().context("starting the worker for GitHub")?;
        Ok(Self { main, github })
    }

    /// Returns a function that tells all to stop.
    pub(super) fn shutdown_handle(&self) -> impl Fn() + Send + 'static {
        let (stop, stop_github) = (self.main.shutdown_handle(), self.github.as_ref().map(Worker::shutdown_handle));
        move || {
            stop();
            stop_github.iter().for_each(|stop| stop());
        }
    }

    /// Works until all have been told to stop, and have drained.
    ///
    /// # Errors
    /// One of them ends with an error.
    pub(super) async fn run(mut self) -> anyhow::Result<()> {
        let github = async {
            match &mut self.github {
                Some(github) => github.run().await,
                None => Ok(()),
            }
        };
        let ran = futures::future::try_join(self.main.run(), github).await;
        ran.map_err(|e| anyhow::anyhow!("{e}")).context("running the worker")?;
        Ok(())
    }
}

/// Starts one worker, which forgets the runs that a query has put ahead of their histories.
///
/// Like the SDK's `Worker::new`, which keeps the core worker to itself; only that one can forget a run.
fn start(runtime: &CoreRuntime, client: &Client, mut options: WorkerOptions) -> anyhow::Result<Worker> {
    let forget = Forget::default();
    options.worker_interceptor(forget.clone());
    let config = options.to_core_options(client.namespace(), client.identity()).map_err(anyhow::Error::msg)?;
    let core = Arc::new(init_worker(runtime, config, client.connection().clone())?);
    forget.of(&core);
    Worker::new_from_core_options(core, client.options().clone(), options).map_err(|e| anyhow::anyhow!("{e}"))
}
