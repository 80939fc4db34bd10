//! Time limits: those that a start asks for, those of the app file, and those in force.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::number;

/// Upper bound of a week. It is longer than any useful wait, and no sum or product of two overflows.
const MAX_TIMING_SECONDS: u64 = 7 * 86_400;

/// The longest stability window that a start may ask for. Whoever may start a workflow must not hold an environment for days.
const MAX_STABILITY_SECONDS: u64 = 300;

/// The time after which a child counts as stuck that was told to stop. An obedient one ends within a minute: its own last step
/// is bounded.
const MAX_STUCK_SECONDS: u64 = 300;

/// The longest attempt at a teardown, and the longest pause after it. A start that asks for more gets these.
const MAX_TEARDOWN_SECONDS: u64 = 600;
const MAX_TEARDOWN_RETRY_SECONDS: u64 = 3600;

/// Lower bound on `history_events`. Below it a run would continue as new before it had done anything, for ever.
const MIN_HISTORY_EVENTS: u32 = 32;

/// What a start asks for: time limits in seconds, and the limit on a history's length. The app file's `timings` count where a
/// start asks for nothing, and a start may only shorten its waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StartTimings {
    /// Time from the apply until every workload serves the release, if it is shorter than the app file's `rollout`.
    #[serde(deserialize_with = "number::read_optional", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = MAX_TIMING_SECONDS))]
    pub rollout_seconds: Option<u64>,
    /// Time that pods may wait for a node with room, if it is shorter than the app file's `capacity`.
    #[serde(deserialize_with = "number::read_optional", skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = MAX_TIMING_SECONDS))]
    pub capacity_seconds: Option<u64>,
    /// Time that a rollout waits for a database server, if it is shorter than the app file's `database`.
    #[serde(deserialize_with = "number::read_optional", skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = MAX_TIMING_SECONDS))]
    pub database_seconds: Option<u64>,
    /// Time for which the workloads must stay up without a restart after the gates, in place of the app file's `stability`.
    #[serde(deserialize_with = "number::read_optional", skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = MAX_STABILITY_SECONDS))]
    pub stability_seconds: Option<u64>,
    /// Time that an attempt at a teardown watches before it reports that it is blocked, and by which objects.
    #[serde(deserialize_with = "number::read")]
    #[schemars(range(max = MAX_TEARDOWN_SECONDS))]
    pub teardown_seconds: u64,
    /// The longest pause between two attempts at a blocked teardown.
    #[serde(deserialize_with = "number::read")]
    #[schemars(range(min = 1, max = MAX_TEARDOWN_RETRY_SECONDS))]
    pub teardown_retry_seconds: u64,
    /// Time after which `status` names a rollout or script run that was told to stop and has not ended, if it is shorter than
    /// five minutes.
    #[serde(deserialize_with = "number::read_optional", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = MAX_STUCK_SECONDS))]
    pub stuck_seconds: Option<u64>,
    /// Number of history events at which a run continues as new, if the server has not suggested it before.
    #[serde(deserialize_with = "number::read")]
    #[schemars(range(min = MIN_HISTORY_EVENTS))]
    pub history_events: u32,
}

impl Default for StartTimings {
    fn default() -> Self {
        Self {
            rollout_seconds: None,
            capacity_seconds: None,
            database_seconds: None,
            stability_seconds: None,
            teardown_seconds: Timings::default().teardown_seconds,
            teardown_retry_seconds: 300,
            stuck_seconds: None,
            history_events: 4096, // where the server begins to suggest it
        }
    }
}

/// The limits of an app file, in seconds. Its activities read them with every rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppTimings {
    pub rollout_seconds: u64,
    pub capacity_seconds: u64,
    pub database_seconds: u64,
    pub stability_seconds: u64,
    pub longest_seconds: u64,
    pub missing_seconds: u64,
}

/// The time limits in force, in seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
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
    /// Bound on a deadline that a manifest writes.
    pub longest_seconds: u64,
    /// Time for an object that pods name and that somebody else makes.
    pub missing_seconds: u64,
    /// Time that an attempt at a teardown watches before it reports that it is blocked, and by which objects.
    pub teardown_seconds: u64,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            rollout_seconds: 600, // Kubernetes' own progress deadline
            capacity_seconds: 900,
            database_seconds: 180, // a managed server's failover or restart takes a minute or two
            stability_seconds: 0,
            longest_seconds: 3600,
            missing_seconds: 10, // an operator that makes a Secret has mostly done so by then
            teardown_seconds: 120,
        }
    }
}

impl StartTimings {
    /// The limits in force: the app file's, shortened by the start. Without an app file those that the start asks for, or the
    /// defaults.
    pub fn in_force(&self, app: Option<&AppTimings>) -> Timings {
        let teardown_seconds = self.teardown_seconds.min(MAX_TEARDOWN_SECONDS);
        let defaults = Timings { teardown_seconds, ..Timings::default() };
        let Some(app) = app else {
            return Timings {
                rollout_seconds: self.rollout_seconds.unwrap_or(defaults.rollout_seconds),
                capacity_seconds: self.capacity_seconds.unwrap_or(defaults.capacity_seconds),
                database_seconds: self.database_seconds.unwrap_or(defaults.database_seconds),
                stability_seconds: self.stability_seconds.unwrap_or(defaults.stability_seconds),
                ..defaults
            };
        };
        let shortened = |of_app: u64, asked: Option<u64>| asked.map_or(of_app, |asked| asked.min(of_app));
        // Runs that an earlier version started may have asked for more.
        let stability = self.stability_seconds.map(|asked| asked.min(MAX_STABILITY_SECONDS));
        Timings {
            rollout_seconds: shortened(app.rollout_seconds, self.rollout_seconds),
            capacity_seconds: shortened(app.capacity_seconds, self.capacity_seconds),
            database_seconds: shortened(app.database_seconds, self.database_seconds),
            stability_seconds: stability.unwrap_or(app.stability_seconds),
            longest_seconds: app.longest_seconds,
            missing_seconds: app.missing_seconds,
            ..defaults
        }
    }

    /// The time after which a child counts as stuck that was told to stop.
    pub fn stuck_after(&self) -> Duration {
        Duration::from_secs(self.stuck_seconds.unwrap_or(MAX_STUCK_SECONDS).min(MAX_STUCK_SECONDS))
    }

    /// The longest pause in force between two attempts at a blocked teardown.
    pub fn teardown_retry_in_force(&self) -> u64 {
        self.teardown_retry_seconds.min(MAX_TEARDOWN_RETRY_SECONDS)
    }

    /// Remarks for a person: waits that the start asked for and that are longer than the app file's.
    pub fn not_in_force(&self, app: &AppTimings) -> Vec<String> {
        let waits = [
            ("rollout", self.rollout_seconds, app.rollout_seconds),
            ("capacity", self.capacity_seconds, app.capacity_seconds),
            ("database", self.database_seconds, app.database_seconds),
        ];
        let longer = waits.into_iter().filter_map(|(name, asked, of_app)| Some((name, asked?, of_app)));
        let longer = longer.filter(|(_, asked, of_app)| asked > of_app);
        let teardown = [
            ("teardown_seconds", self.teardown_seconds, MAX_TEARDOWN_SECONDS),
            ("teardown_retry_seconds", self.teardown_retry_seconds, MAX_TEARDOWN_RETRY_SECONDS),
        ];
        let too_long = teardown.into_iter().filter(|(_, asked, most)| asked > most).map(|(name, asked, most)| {
            format!(
                "the start's timings.{name} of {asked} is not in force: {most} is the most that a start may ask for"
            )
        });
        longer
            .map(|(name, asked, of_app)| {
                format!(
                    "the start's timings.{name}_seconds of {asked} is not in force: the app file's timings.{name} is {of_app} s, \
                     and a start can only shorten it"
                )
            })
            .chain(too_long)
            .collect()
    }

    /// Checks that every value is within its bounds.
    ///
    /// # Errors
    /// A message that names the field, its bounds and its value.
    pub(super) fn check(&self) -> Result<(), String> {
        for (name, seconds, least, most) in [
            ("rollout_seconds", self.rollout_seconds, 1, MAX_TIMING_SECONDS),
            ("capacity_seconds", self.capacity_seconds, 0, MAX_TIMING_SECONDS),
            ("database_seconds", self.database_seconds, 0, MAX_TIMING_SECONDS),
            ("stability_seconds", self.stability_seconds, 0, MAX_STABILITY_SECONDS),
            ("teardown_seconds", Some(self.teardown_seconds), 0, MAX_TIMING_SECONDS),
            ("stuck_seconds", self.stuck_seconds, 1, MAX_STUCK_SECONDS),
            // Without a pause a blocked teardown would retry in a tight loop.
            ("teardown_retry_seconds", Some(self.teardown_retry_seconds), 1, MAX_TIMING_SECONDS),
        ] {
            if let Some(seconds) = seconds.filter(|seconds| !(least..=most).contains(seconds)) {
                return Err(format!("timings.{name} must be from {least} to {most}, got {seconds}"));
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
    use super::*;
    use crate::contract::environment::PullRequest;

    const APP: AppTimings = AppTimings {
        rollout_seconds: 1200,
        capacity_seconds: 60,
        database_seconds: 30,
        stability_seconds: 20,
        longest_seconds: 7200,
        missing_seconds: 90,
    };

    #[test]
    fn check_refuses_timings_that_overflow_or_never_pause() {
        let check = |json: &str| serde_json::from_str::<PullRequest>(json).unwrap().check();
        for timings in [
            r#"{"rollout_seconds":18446744073709551615}"#,
            r#"{"stability_seconds":301}"#,
            r#"{"rollout_seconds":0}"#,
            r#"{"teardown_retry_seconds":0}"#,
            r#"{"stuck_seconds":0}"#,
            r#"{"stuck_seconds":301}"#,
            r#"{"history_events":1}"#,
        ] {
            let error = check(&format!(r#"{{"app":"web","pr":1,"timings":{timings}}}"#)).unwrap_err();
            assert!(error.starts_with("timings."), "{error}");
        }
        for timings in [r#"{"rollout_seconds":1}"#, r#"{"stability_seconds":300}"#] {
            assert_eq!(check(&format!(r#"{{"app":"web","pr":1,"timings":{timings}}}"#)), Ok(()));
        }
    }

    #[test]
    fn a_start_shortens_the_app_files_waits_and_sets_the_window() {
        let nothing = StartTimings::default().in_force(Some(&APP));
        let of_app = (1200, 60, 30, 20, 7200, 90);
        let all = |t: &Timings| {
            (
                t.rollout_seconds,
                t.capacity_seconds,
                t.database_seconds,
                t.stability_seconds,
                t.longest_seconds,
                t.missing_seconds,
            )
        };
        assert_eq!(all(&nothing), of_app);
        let asked = StartTimings {
            rollout_seconds: Some(600), // the default, and still shorter than the app file's
            capacity_seconds: Some(900),
            stability_seconds: Some(300),
            ..StartTimings::default()
        };
        assert_eq!(all(&asked.in_force(Some(&APP))), (600, 60, 30, 300, 7200, 90));
        let notes = asked.not_in_force(&APP);
        assert!(notes.len() == 1 && notes[0].contains("timings.capacity_seconds of 900"), "{notes:?}");
        assert!(StartTimings::default().not_in_force(&APP).is_empty());
    }

    #[test]
    fn start_cannot_hold_a_teardown_for_days() {
        let asked: StartTimings =
            serde_json::from_str(r#"{"teardown_seconds":604800,"teardown_retry_seconds":604800}"#).unwrap();
        assert_eq!(asked.check(), Ok(()), "a run of an earlier version may have it");
        assert_eq!((asked.in_force(Some(&APP)).teardown_seconds, asked.teardown_retry_in_force()), (600, 3600));
        assert_eq!(asked.in_force(None).teardown_seconds, 600);
        let notes = asked.not_in_force(&APP);
        assert!(notes.len() == 2 && notes[1].contains("timings.teardown_retry_seconds of 604800"), "{notes:?}");
    }

    #[test]
    fn timings_of_an_earlier_version_keep_their_values() {
        let earlier = r#"{"rollout_seconds":600,"capacity_seconds":900,"database_seconds":180,"stability_seconds":3600,
            "teardown_seconds":5,"teardown_retry_seconds":300,"history_events":4096}"#;
        let asked: StartTimings = serde_json::from_str(earlier).unwrap();
        let timings = asked.in_force(None);
        assert_eq!((timings.rollout_seconds, timings.stability_seconds, timings.teardown_seconds), (600, 3600, 5));
        assert_eq!(asked.in_force(Some(&APP)).stability_seconds, 300);
        let in_force: Timings = serde_json::from_str(earlier).unwrap();
        assert_eq!((in_force.teardown_seconds, in_force.longest_seconds), (5, 3600));
    }
}
