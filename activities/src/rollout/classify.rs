//! The causes that keep a workload from being done, in four classes: permanent, passing (with a time limit), no room (with a
//! deadline of its own), and states that may end by themselves at any moment, which count at the deadline.
//!
//! `rollout/states.rs` lists every condition, reason and event of Kubernetes 1.34 that can hold a rollout, with what becomes of it here.

mod cause;
mod container;
mod controller;
mod creation;
mod ended;
mod image;
mod job;
mod replaced;
mod scheduling;
mod waiting;

use std::time::Duration;

use berth_workflows::contract::{apply::Workload, verdict::FailureType};

use super::snapshot::Snapshot;
use crate::rollout::exits::Exits;

pub(crate) use cause::{BrokenPod, Cause, Due};
pub(crate) use job::failed as job_failed;
pub(crate) use scheduling::{scheduled, waits_for_node};

/// The time after which a permanent cause is believed. The kubelet and controllers report some of them for a moment
/// while caches fill.
pub(crate) const SECOND_LOOK: Duration = Duration::from_secs(2);
/// The time for causes that may pass: a registry that does not answer, a restarting webhook.
pub(crate) const PASSING: Duration = Duration::from_secs(60);

/// Returns the workload's name, for example `Deployment/web`.
pub(crate) fn name_of(workload: &Workload) -> String {
    format!("{}/{}", workload.kind, workload.name)
}

/// The time limits of a wait, and what they depend on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// The unix time in milliseconds at which the rollout began.
    pub(crate) start_ms: u64,
    /// The unix time in milliseconds of the deadline. Time spent waiting for a node with room is added.
    pub(crate) deadline_ms: u64,
    /// The longest wait of a pod for a node with room.
    pub(crate) capacity_ms: u64,
    /// The time for a Secret, `ConfigMap` or claim outside the release that does not exist: somebody else may make it.
    pub(crate) missing: Duration,
    /// The Jobs of the release.
    pub(crate) jobs: Jobs,
    /// Whether broken pods of an earlier revision are replaced only if a failed rollout made that revision.
    pub(crate) is_production: bool,
}

/// The Jobs of a release. Until they have ended, other containers may crash for want of what a Job makes: the tables of a
/// database, for example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Jobs {
    Running,
    /// All have ended, the last at this unix time in milliseconds. 0: there is none, or the time is not known.
    Ended(u64),
}

/// Returns the causes that keep the workload from being done, the most specific first.
pub(crate) fn causes(snapshot: &Snapshot, workload: &Workload, exits: &Exits, bounds: Bounds) -> Vec<Cause> {
    if let Some(stopped) = controller::stopped(snapshot, workload) {
        return vec![stopped]; // its pods, if it has any, are of before
    }
    let mut causes = Vec::new();
    for pod in snapshot.new_pods(workload) {
        if pod.metadata.deletion_timestamp.is_some() {
            continue;
        }
        if let Some(cause) = scheduling::cause(snapshot, workload, pod, bounds) {
            causes.push(cause);
            continue;
        }
        let found = container::causes(snapshot, workload, pod, exits, bounds);
        if found.is_empty() {
            causes.extend(waiting::cause(snapshot, workload, pod));
        }
        causes.extend(found);
    }
    causes.extend(replaced::causes(snapshot, workload, exits, bounds));
    causes.extend(creation::cause(snapshot, workload, bounds));
    causes.extend(job::attempts(snapshot, workload));
    causes.extend(ended::cause(snapshot, workload, bounds));
    causes.extend(controller::leaving(snapshot, workload));
    // A certain cause explains the states that wait with it.
    causes.sort_by_key(|cause| (cause.due == Due::Deadline, cause.failure == FailureType::NotReady));
    causes
}
