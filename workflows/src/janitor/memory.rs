//! The memory of a `Janitor` from look to look. Carried from run to run.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::contract::{
    janitor::{Finding, JanitorDeed, JanitorStatus, ListedEnvironments},
    pull_request::Timestamp,
    verdict::truncate,
};

/// Bound on the reason why a look was not whole.
const MAX_TROUBLE_BYTES: usize = 300;
/// The time between two looks before the worker has said one, in seconds.
const FIRST_INTERVAL: u64 = 300;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    pub(super) looks: u64,
    pub(super) looked_ms: u64,
    interval_seconds: Option<u64>,
    pub(super) environments: usize,
    /// Running previews whose pull request was open at the last look.
    pub(super) open: BTreeSet<u64>,
    /// Running previews whose pull request is closed, with the Unix time in milliseconds of the first look that saw it.
    pub(super) closed_since: BTreeMap<u64, u64>,
    /// The facts that each running preview has, as far as it was told or asked.
    pub(super) told: BTreeMap<u64, Told>,
    /// The last number that was asked for, where not all could be.
    pub(super) asked_up_to: u64,
    pub(super) findings: Vec<Finding>,
    unseen: Vec<String>,
    trouble: Option<String>,
    pub(super) closed: Vec<JanitorDeed>,
    pub(super) sent: Vec<JanitorDeed>,
}

/// Facts that a run of a preview has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    pub run_id: String,
    pub updated_at: Timestamp,
}

impl Memory {
    /// Begins a look.
    pub fn begin(&mut self, now_ms: u64) {
        self.looks += 1;
        self.looked_ms = now_ms;
        self.trouble = None;
    }

    /// Takes the environments of a look in.
    pub fn take_found(&mut self, found: &ListedEnvironments) {
        self.interval_seconds = Some(found.interval_seconds.max(1));
        self.environments = found.workflows.len();
        self.unseen.clone_from(&found.unseen);
    }

    /// Records why a look is not whole.
    pub fn record_trouble(&mut self, mut why: String) {
        truncate(&mut why, MAX_TROUBLE_BYTES);
        self.trouble = Some(why);
    }

    /// The time until the next look, in seconds.
    pub fn interval_seconds(&self) -> u64 {
        self.interval_seconds.unwrap_or(FIRST_INTERVAL)
    }

    /// The answer of the query `status`.
    pub fn to_status(&self, app: &str) -> JanitorStatus {
        let sighting = |(pull_request, at_ms): (&u64, &u64)| JanitorDeed { pull_request: *pull_request, at_ms: *at_ms };
        JanitorStatus {
            app: app.to_owned(),
            looks: self.looks,
            looked_ms: self.looked_ms,
            environments: self.environments,
            closing: self.closed_since.iter().map(sighting).collect(),
            closed: self.closed.clone(),
            sent: self.sent.clone(),
            findings: self.confirmed_findings(),
            unseen: self.unseen.clone(),
            trouble: self.trouble.clone(),
        }
    }
}
