//! Heartbeats and cancellation, the same for every activity.

use std::time::Duration;

use temporalio_sdk::activities::{ActivityContext, ActivityError};
use tokio::{sync::watch, time::Instant};

use crate::failure::Failure;

/// The time between heartbeats. Two of them fit into the heartbeat timeout (`activity_options.rs` of the workflows), so
/// one lost beat is not a lost worker. A beat costs the server about as much as the end of an activity. Short
/// activities end before the first.
const INTERVAL: Duration = Duration::from_millis(800);

/// The progress report of a running activity. temporal-ui shows it, and a retry finds it.
pub struct Progress(watch::Sender<String>);

impl Progress {
    /// A report without listeners, for tests and for code that runs outside an activity.
    pub fn new() -> Self {
        Self(watch::Sender::new(String::new()))
    }

    /// Reports the current step or wait. The next heartbeat carries it.
    pub fn report(&self, what: impl Into<String>) {
        self.0.send_replace(what.into());
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

/// Runs `work` with heartbeats, and drops it when the activity is cancelled.
///
/// Dropping is safe at every await point because every activity is idempotent. Its unfinished work is repeated, or
/// undone by the teardown.
pub async fn heartbeating<T>(
    ctx: &ActivityContext,
    work: impl AsyncFnOnce(&Progress) -> Result<T, Failure>,
) -> Result<T, ActivityError> {
    let progress = Progress::new();
    let said = progress.0.subscribe();
    let work = work(&progress);
    tokio::pin!(work);
    let mut beat = tokio::time::interval_at(Instant::now() + INTERVAL, INTERVAL);
    loop {
        tokio::select! {
            result = &mut work => return result.map_err(Failure::into_activity_error),
            () = ctx.cancelled() => return Err(ActivityError::cancelled()),
            _ = beat.tick() => {
                let what = said.borrow().clone();
                ctx.record_heartbeat(what).await?;
            }
        }
    }
}
