//! Writes that take place only if the object is still as it was read.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use berth_workflows::contract::verdict::FailureType;

use crate::failure::Failure;

/// The pauses after conflicts: each is twice the one before, and up to twice as long at random. Controllers answer one
/// write with several of their own, for seconds where the API server is busy. All pauses take 4 to 9 s.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
const PAUSES: usize = 9;

/// The version for an object that must not exist. No object has it. The API server compares versions only where an object
/// exists, so an apply with it creates the object, or is a conflict.
const ABSENT: &str = "1";

/// Returns the `metadata.resourceVersion` to apply with, from the version that was read.
pub(crate) fn precondition(read: Option<&str>) -> &str {
    read.unwrap_or(ABSENT)
}

/// Returns whether the object is no longer as it was read: another version, or there by now.
pub(crate) fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409)
}

/// The conflicts of one write.
pub(crate) struct Conflicts(ExponentialBackoff);

impl Conflicts {
    pub(crate) fn new() -> Self {
        let pauses = ExponentialBuilder::new()
            .with_min_delay(FIRST_PAUSE)
            .with_max_delay(LONGEST_PAUSE)
            .with_max_times(PAUSES)
            .with_jitter();
        Self(pauses.build())
    }

    /// Waits until the object `name` should be read and written again.
    ///
    /// # Errors
    /// Transient, after the last attempt.
    pub(crate) async fn pause(&mut self, name: &str) -> Result<(), Failure> {
        let Some(pause) = self.0.next() else { return Err(contested(name)) };
        tokio::time::sleep(pause).await;
        Ok(())
    }
}

fn contested(name: &str) -> Failure {
    let message = format!("{name} was changed by others during each of {} attempts to write it", PAUSES + 1);
    Failure::transient(FailureType::NotObserved, message)
}
