//! Waiting for a condition, within a bound.

use std::{
    thread,
    time::{Duration, Instant},
};

/// Short enough for a test, long enough for a server.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// More time than a healthy cluster needs for anything.
const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until the condition holds.
///
/// # Panics
/// It does not hold within two minutes.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "never: {what}");
        thread::sleep(Duration::from_millis(100));
    }
}

/// Looks again and again until it finds something, while other tasks of the thread go on. None: not within `limit`.
pub async fn found_within<T>(limit: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(limit, looking).await.ok()
}

/// Whether the condition holds within `limit`. Other tasks of the thread go on.
pub async fn holds_within(limit: Duration, mut holds: impl AsyncFnMut() -> bool) -> bool {
    found_within(limit, async || holds().await.then_some(())).await.is_some()
}
