//! Heartbeats and cancellation, the same for every activity.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use berth_workflows::contract::heartbeat::Heartbeat;
use temporalio_sdk::activities::{ActivityContext, ActivityError};
use tokio::{sync::watch, time::Instant};

use crate::{failure::Failure, unix_time::unix_ms};

/// The time between heartbeats. Two of them fit into the heartbeat timeout (`activity_options.rs` of the workflows), so
/// one lost beat is not a lost worker. A beat costs the server about as much as the end of an activity. Short
/// activities end before the first.
const INTERVAL: Duration = Duration::from_millis(800);

/// The progress report of a running activity. temporal-ui shows it, and a retry finds it.
pub struct Progress {
    said: watch::Sender<String>,
    /// Unix time in milliseconds since which nothing is seen. 0 while something is.
    unseen_since_ms: AtomicU64,
    /// Unix time in milliseconds at which this attempt first saw something. 0 before.
    seen_from_ms: AtomicU64,
    /// Remarks for a person, which the result carries.
    notes: Mutex<Vec<String>>,
}

impl Progress {
    /// A report without listeners, for tests and for code that runs outside an activity.
    pub fn new() -> Self {
        Self::following(None)
    }

    /// The report of an attempt that follows another one, which gave this sign. It sees nothing until it says so.
    pub(crate) fn following(last: Option<Heartbeat>) -> Self {
        let unseen_since_ms = AtomicU64::new(last.map_or(0, |last| last.seen_ms));
        Self {
            said: watch::Sender::new(String::new()),
            unseen_since_ms,
            seen_from_ms: AtomicU64::new(0),
            notes: Mutex::default(),
        }
    }

    /// Reports the current step or wait. The next heartbeat carries it.
    pub fn report(&self, what: impl Into<String>) {
        self.said.send_replace(what.into());
    }

    /// Adds a remark for a person.
    pub(crate) fn note(&self, note: String) {
        self.lock_notes().push(note);
    }

    /// Takes the remarks out.
    pub(crate) fn notes(&self) -> Vec<String> {
        std::mem::take(&mut self.lock_notes())
    }

    fn lock_notes(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        // A list of remarks is whole, whatever its writer did afterwards.
        self.notes.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Reports that the activity sees what it works on.
    pub(crate) fn sees(&self) {
        self.unseen_since_ms.store(0, Ordering::Relaxed);
        if self.seen_from_ms() == 0 {
            self.seen_from_ms.store(unix_ms(Instant::now()), Ordering::Relaxed);
        }
    }

    /// Reports that the activity has seen nothing since then, or since an earlier time that was reported.
    pub(crate) fn sees_nothing_since(&self, since: Instant) {
        let earlier = self.unseen_since_ms.load(Ordering::Relaxed);
        if earlier == 0 {
            self.unseen_since_ms.store(unix_ms(since), Ordering::Relaxed);
        }
    }

    /// Returns the unix time in milliseconds since which nothing is seen. `None` while something is.
    pub(crate) fn unseen_since_ms(&self) -> Option<u64> {
        Some(self.unseen_since_ms.load(Ordering::Relaxed)).filter(|since_ms| *since_ms > 0)
    }

    /// Returns the unix time in milliseconds from which the attempt has seen something. 0 if it has not.
    pub(crate) fn seen_from_ms(&self) -> u64 {
        self.seen_from_ms.load(Ordering::Relaxed)
    }

    fn heartbeat(&self) -> Heartbeat {
        let seen_ms = self.unseen_since_ms().unwrap_or_else(|| unix_ms(Instant::now()));
        Heartbeat { progress: self.said.borrow().clone(), seen_ms }
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
    // A worker of an earlier version gave a sign of another form.
    let progress = Progress::following(ctx.heartbeat_details().deserialize().ok().flatten());
    let work = work(&progress);
    tokio::pin!(work);
    let mut beat = tokio::time::interval_at(Instant::now() + INTERVAL, INTERVAL);
    loop {
        tokio::select! {
            result = &mut work => return result.map_err(Failure::into_activity_error),
            () = ctx.cancelled() => return Err(ActivityError::cancelled()),
            _ = beat.tick() => ctx.record_heartbeat(progress.heartbeat()).await?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen_ago(progress: &Progress) -> u64 {
        (unix_ms(Instant::now()) - progress.heartbeat().seen_ms) / 1000
    }

    #[tokio::test(start_paused = true)]
    async fn heartbeat_tells_when_something_was_last_seen() {
        let begun = Instant::now();
        tokio::time::advance(Duration::from_secs(20)).await;
        let progress = Progress::new();
        assert_eq!(seen_ago(&progress), 0);
        progress.sees_nothing_since(begun);
        progress.sees_nothing_since(Instant::now());
        assert_eq!(seen_ago(&progress), 20, "the earlier time counts");
        progress.sees();
        assert_eq!(seen_ago(&progress), 0);
        let next = Progress::following(Some(Heartbeat { progress: String::new(), seen_ms: unix_ms(begun) }));
        assert_eq!(seen_ago(&next), 20, "an attempt has seen nothing until it says so");
    }
}
