//! The judge: it turns successive looks at the cluster into waiting, done, or a verdict.

mod finished;
mod settling;
mod unready;
mod waits;

use std::{collections::BTreeMap, time::Duration};

use berth_workflows::contract::{
    apply::Workload,
    checks::{AwaitInput, OBSERVED_SECONDS},
    environment::EnvironmentKind,
    verdict::FailureType,
};
use k8s_openapi::api::core::v1::Pod;

use super::{
    classify::{self, Bounds, BrokenPod, Cause, Due, Jobs, causes, job_failed},
    snapshot::{Snapshot, unix_ms},
};
use finished::Finished;
use settling::Settling;
use waits::{describe, has_observed, is_troubled, refused_before};

use crate::rollout::{exits::Exits, fenced, workload_state::WorkloadState};

/// The result of a look at the cluster.
#[derive(Debug)]
pub(crate) enum Look {
    Complete,
    Failed(Box<Cause>),
    Waiting {
        /// The subject of the wait, in one short line.
        text: String,
        /// The unix time in milliseconds of the next look, even if nothing has changed.
        again_ms: u64,
        /// True if there may be a cause that only events show.
        troubled: bool,
        /// Deployments whose pods were refused before this rollout and have not been tried again since.
        refused_before: Vec<String>,
        /// Jobs that do not exist and whose end is unknown ([`Judge::learn`]).
        gone: Vec<String>,
        /// Pods of an earlier revision that hold a `StatefulSet` and are to be replaced.
        broken: Vec<BrokenPod>,
    },
}

/// The state of earlier looks.
#[derive(Debug)]
pub(crate) struct Judge {
    workloads: Vec<Workload>,
    wait: AwaitInput,
    bounds: Bounds,
    /// The unix time in milliseconds at which each present cause was first seen.
    seen: BTreeMap<(String, Option<String>, FailureType), u64>,
    exits: Exits,
    finished: Finished,
    settling: Settling,
    /// The unix time in milliseconds at which pods of the namespace were last seen ending.
    ending_ms: Option<u64>,
    /// The unix time in milliseconds since which the cluster is observed: of the first look, or of the first one after a
    /// gap.
    observed_since_ms: Option<u64>,
}

/// The time for which a release is observed before a deadline becomes the verdict, unless the deadline's own time is
/// shorter. The wait may begin late, or have had a gap.
const OBSERVED_FOR_MS: u64 = OBSERVED_SECONDS * 1000;
/// The time in which lists arrive. Until then a wait that resumes after its deadline knows nothing.
const LISTED_WITHIN_MS: u64 = 10_000;
/// The time between requests about the unknown end of a Job.
const ASK_AGAIN_MS: u64 = 2_000;
/// The time after which a broken pod is looked at again that could not be replaced.
const REPLACE_AGAIN_MS: u64 = 1_000;

impl Judge {
    pub(crate) fn new(wait: &AwaitInput) -> Self {
        let bounds = Bounds {
            start_ms: wait.start_ms(),
            deadline_ms: wait.deadline_ms,
            capacity_ms: wait.timings.capacity_seconds * 1000,
            missing: Duration::from_secs(wait.timings.missing_seconds),
            jobs: Jobs::Ended(0),
            is_production: wait.environment.kind == EnvironmentKind::Production,
        };
        let mut workloads = wait.workloads.clone();
        workloads.sort();
        Self {
            workloads,
            wait: wait.clone(),
            bounds,
            seen: BTreeMap::new(),
            exits: Exits::default(),
            finished: Finished::default(),
            settling: Settling::default(),
            ending_ms: None,
            observed_since_ms: None,
        }
    }

    /// Begins to observe anew, after a gap: the release may have needed time that nobody saw.
    pub(crate) fn resume(&mut self) {
        self.observed_since_ms = None;
    }

    /// Judges the cluster as it is at `now_ms`, a unix time in milliseconds.
    pub(crate) fn look(&mut self, snapshot: &Snapshot, now_ms: u64) -> Look {
        self.observed_since_ms.get_or_insert(now_ms);
        self.exits.observe(snapshot.pods.iter());
        if snapshot.pods.iter().any(|pod| pod.metadata.deletion_timestamp.is_some()) {
            self.ending_ms = Some(now_ms);
        }
        self.bounds.jobs = self.jobs(snapshot);
        let mut waits = Vec::new();
        let mut found = Vec::new();
        let mut settled_ms = u64::MAX;
        for workload in &self.workloads {
            if fenced::is_older(snapshot, workload, self.wait.deploy_id) {
                waits.push((workload.clone(), fenced::OLDER.to_owned()));
                continue;
            }
            match self.finished.state(snapshot, workload) {
                WorkloadState::Complete if self.waits_for_pods(snapshot, workload, now_ms) => {
                    waits.push((workload.clone(), settling::UNKNOWN.to_owned()));
                }
                WorkloadState::Complete => {
                    if let Some(until_ms) = self.settling.until_ms(snapshot, workload, now_ms) {
                        settled_ms = settled_ms.min(until_ms);
                        waits.push((workload.clone(), settling::TEXT.to_owned()));
                    }
                }
                WorkloadState::JobFailed(message) => {
                    return Look::Failed(Box::new(job_failed(snapshot, workload, message)));
                }
                WorkloadState::Waiting(text) => {
                    // An outdated status presents the old pods as the new ones.
                    if has_observed(snapshot, workload) {
                        found.extend(causes(snapshot, workload, &self.exits, self.bounds));
                    }
                    waits.push((workload.clone(), text));
                }
            }
        }
        if waits.is_empty() {
            return Look::Complete;
        }
        let mut look = self.weigh(snapshot, now_ms, &waits, found);
        if let Look::Waiting { again_ms, .. } = &mut look {
            *again_ms = settled_ms.min(*again_ms);
        }
        look
    }

    /// Records the ends of Jobs that no longer exist. `None` means that no event reports an end.
    pub(crate) fn learn(&mut self, ends: Vec<(String, Option<WorkloadState>)>) {
        ends.into_iter().for_each(|(job, end)| self.finished.learn(job, end));
    }

    /// Returns whether the Jobs of the release have ended.
    fn jobs(&mut self, snapshot: &Snapshot) -> Jobs {
        let mut ended_ms = 0;
        for job in self.workloads.iter().filter(|workload| workload.kind == "Job") {
            if matches!(self.finished.state(snapshot, job), WorkloadState::Waiting(_)) {
                return Jobs::Running;
            }
            let status = snapshot.jobs.get(&job.name).and_then(|job| job.status.as_ref());
            let completed = status.and_then(|status| status.completion_time.as_ref());
            ended_ms = ended_ms.max(completed.map_or(0, unix_ms));
        }
        Jobs::Ended(ended_ms)
    }

    /// Returns whether the pods of a done workload are still to be listed: lists arrive one after another. After the
    /// deadline the controller's status suffices.
    fn waits_for_pods(&self, snapshot: &Snapshot, workload: &Workload, now_ms: u64) -> bool {
        let has_pods = matches!(workload.kind.as_str(), "Deployment" | "StatefulSet" | "DaemonSet");
        let until_ms = self.bounds.deadline_ms.max(self.observed_since(now_ms) + LISTED_WITHIN_MS);
        has_pods && !snapshot.knows(std::slice::from_ref(workload)) && now_ms < until_ms
    }

    fn weigh(&mut self, snapshot: &Snapshot, now_ms: u64, waits: &[(Workload, String)], found: Vec<Cause>) -> Look {
        self.seen.retain(|key, _| found.iter().any(|cause| cause.key() == *key));
        let mut again_ms = u64::MAX;
        let mut due = None;
        let mut broken = Vec::new();
        let deadline_ms = self.deadline_ms(snapshot, now_ms, waits);
        for cause in &found {
            let first_ms = *self.seen.entry(cause.key()).or_insert(now_ms);
            match self.due_ms(&cause.due, first_ms, now_ms) {
                // Until the deadline, so that a pod that cannot be replaced is named.
                at if at <= now_ms && now_ms < deadline_ms && cause.replaces.is_some() => {
                    broken.extend(cause.replaces.as_deref().cloned());
                    again_ms = again_ms.min(now_ms + REPLACE_AGAIN_MS);
                }
                at if at <= now_ms => due = due.or(Some(cause)),
                at => again_ms = again_ms.min(at),
            }
        }
        if let Some(cause) = due {
            return Look::Failed(Box::new(cause.clone()));
        }
        let no_room = found.iter().any(|cause| cause.failure == FailureType::NoCapacity);
        if now_ms >= deadline_ms
            && !no_room
            && let Some(cause) = unready::cause(waits, &found)
        {
            return Look::Failed(Box::new(cause));
        }
        again_ms = again_ms.min(deadline_ms.max(now_ms + 1000));
        let refused_before: Vec<String> = found.iter().filter_map(refused_before).collect();
        let troubled = is_troubled(snapshot, waits, &found);
        let gone = self.finished.unknown(snapshot, &self.workloads);
        if !gone.is_empty() {
            again_ms = again_ms.min(now_ms + ASK_AGAIN_MS);
        }
        Look::Waiting { text: describe(waits, &found), again_ms, troubled, refused_before, gone, broken }
    }

    fn due_ms(&self, due: &Due, first_ms: u64, now_ms: u64) -> u64 {
        let after =
            |ms: u64, patience: Duration| ms.saturating_add(u64::try_from(patience.as_millis()).unwrap_or(u64::MAX));
        match (due, self.ending_ms) {
            (Due::Deadline, _) => u64::MAX,
            (Due::At(at), _) => (*at).max(self.observed_until_ms(now_ms, self.bounds.capacity_ms)),
            (Due::AfterQuotaSettles(_), Some(ending_ms)) if ending_ms == now_ms => after(now_ms, classify::PASSING),
            (Due::AfterQuotaSettles(patience), Some(ending_ms)) if ending_ms > first_ms => {
                after(ending_ms + (ending_ms - first_ms), *patience)
            }
            (Due::After(patience) | Due::AfterQuotaSettles(patience), _) => after(first_ms, *patience),
        }
    }

    /// Returns the deadline of the workloads that are waited for. The longest that a manifest of theirs writes counts.
    fn deadline_ms(&self, snapshot: &Snapshot, now_ms: u64, waits: &[(Workload, String)]) -> u64 {
        let own_ms = waits.iter().map(|(workload, _)| self.wait.deadline_of_ms(workload)).max();
        let base_ms = own_ms.unwrap_or(self.bounds.deadline_ms);
        let deadline_ms = base_ms.saturating_add(self.waited_for_room_ms(snapshot, now_ms));
        let span_ms = base_ms.saturating_sub(self.bounds.start_ms);
        let deadline_ms = deadline_ms.max(self.observed_until_ms(now_ms, span_ms));
        if snapshot.knows(&self.workloads) && self.finished.unknown(snapshot, &self.workloads).is_empty() {
            deadline_ms
        } else {
            deadline_ms.max(self.observed_since(now_ms) + LISTED_WITHIN_MS)
        }
    }

    fn observed_since(&self, now_ms: u64) -> u64 {
        self.observed_since_ms.unwrap_or(now_ms)
    }

    /// Returns the unix time in milliseconds at which the cluster will have been observed for long enough. `span_ms` is the
    /// deadline's own time.
    fn observed_until_ms(&self, now_ms: u64, span_ms: u64) -> u64 {
        self.observed_since(now_ms) + OBSERVED_FOR_MS.min(span_ms)
    }

    /// Returns the longest time that a pod waited for a node. It does not count against the release. It is read from
    /// the cluster, so that it survives a worker's restart.
    fn waited_for_room_ms(&self, snapshot: &Snapshot, now_ms: u64) -> u64 {
        let waited = |pod: &Pod| {
            let condition = classify::scheduled(pod)?;
            let created_ms = pod.metadata.creation_timestamp.as_ref().map(unix_ms)?;
            let until_ms = match condition.status.as_str() {
                "True" => condition.last_transition_time.as_ref().map(unix_ms)?,
                _ if classify::waits_for_node(pod) => now_ms,
                _ => return None,
            };
            Some(until_ms.saturating_sub(created_ms.max(self.bounds.start_ms)))
        };
        let pods = self.workloads.iter().flat_map(|workload| snapshot.new_pods(workload));
        pods.filter_map(waited).max().unwrap_or_default().min(self.bounds.capacity_ms)
    }
}

#[cfg(test)]
mod tests;
