//! Heartbeats and cancellation, the same for every activity.

use std::time::Duration;

use temporalio_sdk::activities::{ActivityContext, ActivityError};
use tokio::{sync::watch, time::Instant};

use crate::failure::Failure;

/// Two of them, and the way to the server, are within the heartbeat time-out (`activity_options.rs` of the workflows): one
/// lost beat is not a lost worker. Each costs the server about as much as an activity's end, and what waits beats for long;
/// what is done before the first never does.
const INTERVAL: Duration = Duration::from_millis(800);

/// Where a running activity says what it is doing: it is what a pending activity shows in temporal-ui, and what a
/// retry finds.
pub struct Progress(watch::Sender<String>);

impl Progress {
    /// Nothing said yet, and nobody listening: for tests and for what runs outside an activity.
    pub fn new() -> Self {
        Self(watch::Sender::new(String::new()))
    }

    /// Says what is being done or waited for. The next heartbeat carries it.
    pub fn say(&self, what: impl Into<String>) {
        self.0.send_replace(what.into());
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

/// Runs `work`, heartbeats while it lasts, and drops it when the activity is cancelled.
///
/// Dropping is safe at every await point because every activity is idempotent: what was begun is done again, or undone
/// by the teardown.
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
