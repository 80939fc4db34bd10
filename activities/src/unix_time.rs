//! The clock of this machine, as unix time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Returns the unix time of the machine's clock.
pub(crate) fn unix_time() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Returns the unix time in milliseconds of an instant that has passed.
pub(crate) fn unix_ms(instant: Instant) -> u64 {
    u64::try_from(unix_time().saturating_sub(instant.elapsed()).as_millis()).unwrap_or(u64::MAX)
}
