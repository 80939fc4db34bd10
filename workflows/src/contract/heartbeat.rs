//! The details of an activity's heartbeat.

use serde::{Deserialize, Serialize};

/// The sign that an activity gives while it lasts. temporal-ui shows it, and the next attempt reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// The current step or wait, for a person.
    pub progress: String,
    /// Unix time in milliseconds at which the activity last saw what it works on.
    pub seen_ms: u64,
}
