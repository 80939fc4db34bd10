//! Time limits.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Upper bound of a week. It is longer than any useful wait, and no sum or product of two overflows.
const MAX_TIMING_SECONDS: u64 = 7 * 86_400;

/// Lower bound on `history_events`. Below it a run would continue as new before it had done anything, for ever.
const MIN_HISTORY_EVENTS: u32 = 32;

/// Time limits in seconds, and the limit on a history's length.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Timings {
    /// Time from the apply until every workload serves the release. After it the verdict is `NotReady`.
    pub rollout_seconds: u64,
    /// Time that pods may wait for a node with room. After it the verdict is `NoCapacity`. An autoscaler needs minutes.
    pub capacity_seconds: u64,
    /// Time that a rollout waits for a database server that is unreachable, full or refuses. After it the verdict is
    /// `DatabaseUnavailable`.
    pub database_seconds: u64,
    /// Time for which the workloads must stay up without a restart after the gates.
    pub stability_seconds: u64,
    /// Time that an attempt at a teardown watches before it reports that it is blocked, and by which objects.
    pub teardown_seconds: u64,
    /// The longest pause between two attempts at a blocked teardown.
    pub teardown_retry_seconds: u64,
    /// Number of history events at which a run continues as new, if the server has not suggested it before.
    pub history_events: u32,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            rollout_seconds: 600, // Kubernetes' own progress deadline
            capacity_seconds: 900,
            database_seconds: 180, // a managed server's failover or restart takes a minute or two
            stability_seconds: 0,
            teardown_seconds: 120,
            teardown_retry_seconds: 300,
            history_events: 4096, // where the server begins to suggest it
        }
    }
}

impl Timings {
    /// Checks that every value is within its bounds.
    ///
    /// # Errors
    /// A message that names the field, its bounds and its value.
    pub(super) fn check(&self) -> Result<(), String> {
        for (name, seconds, least) in [
            ("rollout_seconds", self.rollout_seconds, 1),
            ("capacity_seconds", self.capacity_seconds, 0),
            ("database_seconds", self.database_seconds, 0),
            ("stability_seconds", self.stability_seconds, 0),
            ("teardown_seconds", self.teardown_seconds, 0),
            // Without a pause a blocked teardown would retry in a tight loop.
            ("teardown_retry_seconds", self.teardown_retry_seconds, 1),
        ] {
            if !(least..=MAX_TIMING_SECONDS).contains(&seconds) {
                return Err(format!("timings.{name} must be from {least} to {MAX_TIMING_SECONDS}, got {seconds}"));
            }
        }
        if self.history_events < MIN_HISTORY_EVENTS {
            let events = self.history_events;
            return Err(format!("timings.history_events must be at least {MIN_HISTORY_EVENTS}, got {events}"));
        }
        Ok(())
    }

    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use crate::contract::environment::PullRequest;

    #[test]
    fn check_refuses_timings_that_overflow_or_never_pause() {
        let check = |json: &str| serde_json::from_str::<PullRequest>(json).unwrap().check();
        for timings in [
            r#"{"rollout_seconds":18446744073709551615}"#,
            r#"{"stability_seconds":604801}"#,
            r#"{"rollout_seconds":0}"#,
            r#"{"teardown_retry_seconds":0}"#,
            r#"{"history_events":1}"#,
        ] {
            let error = check(&format!(r#"{{"app":"web","pr":1,"timings":{timings}}}"#)).unwrap_err();
            assert!(error.starts_with("timings."), "{error}");
        }
        assert_eq!(check(r#"{"app":"web","pr":1,"timings":{"rollout_seconds":1}}"#), Ok(()));
    }
}
