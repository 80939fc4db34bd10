//! A worker of this process that a test stops and starts again.

use std::pin::pin;

use temporalio_sdk::Worker;
use tokio::sync::watch;

/// Stops and starts the worker.
pub struct WorkerSwitch {
    wanted: watch::Sender<bool>,
    running: watch::Receiver<bool>,
}

/// The other end of a [`WorkerSwitch`].
pub(crate) struct SwitchedWorker {
    wanted: watch::Receiver<bool>,
    running: watch::Sender<bool>,
}

impl WorkerSwitch {
    pub(crate) fn new() -> (Self, SwitchedWorker) {
        let (wanted, is_wanted) = watch::channel(true);
        let (is_running, running) = watch::channel(false);
        (Self { wanted, running }, SwitchedWorker { wanted: is_wanted, running: is_running })
    }

    /// Stops the worker, and waits until it has stopped. Messages that are sent then are one workflow task.
    pub async fn stop(&self) {
        self.set(false).await;
    }

    /// Starts a new worker.
    pub async fn start(&self) {
        self.set(true).await;
    }

    async fn set(&self, wanted: bool) {
        self.wanted.send(wanted).unwrap();
        self.running.clone().wait_for(|running| *running == wanted).await.unwrap();
    }
}

impl SwitchedWorker {
    /// Runs a worker whenever one is wanted.
    ///
    /// # Panics
    /// A worker ends by itself.
    pub(crate) async fn run(mut self, new_worker: impl Fn() -> Worker) -> ! {
        loop {
            self.wanted.wait_for(|wanted| *wanted).await.unwrap();
            let mut worker = new_worker();
            self.running.send(true).unwrap();
            let stop = worker.shutdown_handle();
            let mut run = pin!(worker.run());
            tokio::select! {
                ended = &mut run => panic!("the worker ended: {ended:?}"),
                _ = self.wanted.wait_for(|wanted| !*wanted) => stop(),
            }
            run.await.unwrap();
            self.running.send(false).unwrap();
        }
    }
}
