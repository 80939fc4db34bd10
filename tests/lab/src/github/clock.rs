//! The stand-in's clock: the machine's, plus what a test has moved it on.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[derive(Debug, Default)]
pub(super) struct Clock {
    ahead: Duration,
}

impl Clock {
    pub(super) fn advance(&mut self, by: Duration) {
        self.ahead += by;
    }

    /// Milliseconds since 1970.
    pub(super) fn milliseconds(&self) -> u64 {
        u64::try_from((machine() + self.ahead).as_millis()).unwrap_or(u64::MAX)
    }

    /// Seconds since 1970.
    pub(super) fn seconds(&self) -> u64 {
        self.milliseconds() / 1000
    }

    /// The time as GitHub writes it, such as `2026-11-28T07:15:00Z`.
    pub(super) fn text(&self) -> String {
        text(self.seconds())
    }
}

/// The machine's own time since 1970. Tokens signed elsewhere are held against it.
pub(super) fn machine() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Formats seconds since 1970 as GitHub does.
pub(super) fn text(seconds: u64) -> String {
    let seconds = i64::try_from(seconds).unwrap_or_default();
    jiff::Timestamp::from_second(seconds).unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_written_in_whole_seconds_of_utc() {
        assert_eq!(text(1_795_850_100), "2026-11-28T07:15:00Z");
    }

    #[test]
    fn clock_is_moved_on_by_a_test() {
        let mut clock = Clock::default();
        let before = clock.seconds();
        clock.advance(Duration::from_secs(3600));
        assert!(clock.seconds() >= before + 3600);
    }
}
