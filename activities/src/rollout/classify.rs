//! The causes that keep a workload from being done, in three classes: permanent, passing (with a time limit), and no
//! room (with a deadline of its own).

mod container;
mod creation;
mod image;

use std::{collections::BTreeSet, time::Duration};

use berth_workflows::contract::{apply::Workload, verdict::FailureType};
use k8s_openapi::api::core::v1::{Pod, PodCondition};
use kube::ResourceExt;

use super::snapshot::{Snapshot, unix_ms};

use crate::{kubernetes::log_tail::Log, rollout::exits::Exits};

/// The time after which a permanent cause is believed. The kubelet and controllers report some of them for a moment
/// while caches fill.
pub(crate) const SECOND_LOOK: Duration = Duration::from_secs(2);
/// The time for a missing Secret or `ConfigMap` outside the release: a controller in the namespace may create it within
/// seconds.
pub(crate) const ABSENT: Duration = Duration::from_secs(3);
/// The time for causes that may pass: a registry that does not answer, a restarting webhook.
pub(crate) const PASSING: Duration = Duration::from_secs(60);

/// The time at which a cause becomes the verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Due {
    /// This long after it was first seen.
    After(Duration),
    /// Like `After`, but ending pods still release quota. Their time counts twice, because the refused controller
    /// doubles its pauses meanwhile.
    AfterQuotaSettles(Duration),
    /// At this unix time in milliseconds.
    At(u64),
}

/// A reason why a workload is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cause {
    pub(crate) failure: FailureType,
    pub(crate) message: String,
    /// The workload, for example `Deployment/web`.
    pub(crate) workload: String,
    pub(crate) pod: Option<String>,
    pub(crate) container: Option<String>,
    pub(crate) exit_code: Option<i32>,
    pub(crate) log: Log,
    pub(crate) due: Due,
    /// The text for progress reports: berth's own text, reasons, names and numbers. Heartbeats are not redacted, so
    /// messages of probes, webhooks and runtimes are in `message` alone.
    pub(crate) brief: String,
    /// True if the cause was reported before this rollout began and has not been checked again since.
    pub(crate) from_earlier_rollout: bool,
}

impl Cause {
    pub(crate) fn new(failure: FailureType, workload: &Workload, message: impl Into<String>, due: Due) -> Self {
        Self {
            failure,
            workload: name_of(workload),
            pod: None,
            container: None,
            exit_code: None,
            log: Log::None,
            due,
            brief: failure.name().to_owned(),
            message: message.into(),
            from_earlier_rollout: false,
        }
    }

    fn of_pod(mut self, pod: &Pod) -> Self {
        self.pod = Some(pod.name_any());
        self
    }

    fn in_container(mut self, container: &str) -> Self {
        self.container = Some(container.to_owned());
        self
    }

    fn briefly(mut self, brief: impl Into<String>) -> Self {
        self.brief = brief.into();
        self
    }

    /// The identity of a cause at a second look. The same problem of a replaced pod is the same cause.
    pub(crate) fn key(&self) -> (String, Option<String>, FailureType) {
        (self.workload.clone(), self.container.clone(), self.failure)
    }
}

/// Returns the workload's name, for example `Deployment/web`.
pub(crate) fn name_of(workload: &Workload) -> String {
    format!("{}/{}", workload.kind, workload.name)
}

/// The time limits of a wait.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// The unix time in milliseconds at which the rollout began.
    pub(crate) start_ms: u64,
    /// The unix time in milliseconds of the deadline. Time spent waiting for a node with room is added.
    pub(crate) deadline_ms: u64,
    /// The longest wait of a pod for a node with room.
    pub(crate) capacity_ms: u64,
}

/// Returns the causes that keep the workload from being done, the most specific first.
pub(crate) fn causes(snapshot: &Snapshot, workload: &Workload, exits: &Exits, bounds: Bounds) -> Vec<Cause> {
    let mut causes = Vec::new();
    for pod in snapshot.new_pods(workload) {
        if pod.metadata.deletion_timestamp.is_some() {
            continue;
        }
        match unscheduled(pod) {
            Some(condition) => causes.push(no_room(workload, pod, condition, bounds)),
            None => causes.extend(container::causes(snapshot, workload, pod, exits, bounds)),
        }
    }
    causes.extend(creation::cause(snapshot, workload, bounds));
    causes
}

/// Returns the condition that reports that no node fits the pod.
pub(crate) fn unscheduled(pod: &Pod) -> Option<&PodCondition> {
    scheduled(pod)
        .filter(|condition| condition.status == "False" && condition.reason.as_deref() == Some("Unschedulable"))
}

/// Returns the condition that reports whether the pod has a node.
pub(crate) fn scheduled(pod: &Pod) -> Option<&PodCondition> {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    conditions.iter().find(|condition| condition.type_ == "PodScheduled")
}

fn no_room(workload: &Workload, pod: &Pod, condition: &PodCondition, bounds: Bounds) -> Cause {
    let message = condition.message.as_deref().unwrap_or("the scheduler gives no reason");
    if message.contains("persistentvolumeclaim") && message.contains("not found") {
        return Cause::new(FailureType::ConfigMissing, workload, message, Due::After(SECOND_LOOK))
            .of_pod(pod)
            .briefly("a PersistentVolumeClaim does not exist");
    }
    // A pod of an earlier attempt at the same release starts its wait anew.
    let since = condition.last_transition_time.as_ref().map_or(bounds.start_ms, unix_ms).max(bounds.start_ms);
    let brief = format!("no node has room{}", short_of(message));
    let message = format!("no node has room: {message}");
    let due = Due::At(since + bounds.capacity_ms);
    Cause::new(FailureType::NoCapacity, workload, message, due).of_pod(pod).briefly(brief)
}

/// Returns the resources that nodes lack, from the scheduler's message: `: Insufficient cpu, memory`.
fn short_of(message: &str) -> String {
    let words: Vec<_> = message.split_whitespace().map(|word| word.trim_end_matches(['.', ',', ';'])).collect();
    let resources = words.windows(2).filter(|pair| pair[0] == "Insufficient").map(|pair| pair[1]);
    let resources: BTreeSet<_> = resources.collect();
    if resources.is_empty() {
        return String::new();
    }
    format!(": Insufficient {}", resources.into_iter().collect::<Vec<_>>().join(", "))
}
