//! Waiting for a condition, within a bound.

use std::{
    thread,
    time::{Duration, Instant},
};

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
