//! What is wrong with a workload that is not done, in one of three classes: permanent (nothing will change by
//! itself), budgeted (may pass, is given so long), and no room (nobody's fault, with a deadline of its own).

mod container;
mod creation;
mod image;

use std::{collections::BTreeSet, time::Duration};

use berth_workflows::contract::{apply::Workload, verdict::FailureType};
use k8s_openapi::api::core::v1::{Pod, PodCondition};
use kube::ResourceExt;

use super::snapshot::{Snapshot, unix_ms};

use crate::{kubernetes::log_tail::Log, rollout::exits::Exits};

/// A permanent cause is believed when it is still there at a second look: the kubelet and the controllers write some
/// of these for a moment while caches fill.
pub(crate) const SECOND_LOOK: Duration = Duration::from_secs(2);
/// A Secret or `ConfigMap` that is not the release's own may be made by somebody who watches the namespace, within seconds.
pub(crate) const ABSENT: Duration = Duration::from_secs(3);
/// What may pass by itself: a registry that does not answer, a webhook that is being restarted.
pub(crate) const PASSING: Duration = Duration::from_secs(60);

/// When a cause that is still there becomes the verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Due {
    /// So long after it was first seen.
    After(Duration),
    /// As `After`, but while pods are ending, quota is coming free: the time that took counts double, because the
    /// controller that was refused has doubled its pause meanwhile.
    AfterQuotaSettles(Duration),
    /// At that unix time in milliseconds.
    At(u64),
}

/// Why a workload is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cause {
    pub(crate) failure: FailureType,
    pub(crate) message: String,
    /// `Deployment/web`.
    pub(crate) workload: String,
    pub(crate) pod: Option<String>,
    pub(crate) container: Option<String>,
    pub(crate) exit_code: Option<i32>,
    pub(crate) log: Log,
    pub(crate) due: Due,
    /// What a person reads while it is still given time: berth's own words, reasons, names and numbers. A heartbeat has no
    /// redactor, so what a probe, a webhook or a runtime said stands in `message` alone.
    pub(crate) brief: String,
    /// The system said so before this rollout began and has not looked again since.
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

    /// What makes it the same cause at a second look: a replaced pod with the same trouble is the same trouble.
    pub(crate) fn key(&self) -> (String, Option<String>, FailureType) {
        (self.workload.clone(), self.container.clone(), self.failure)
    }
}

/// `Deployment/web`.
pub(crate) fn name_of(workload: &Workload) -> String {
    format!("{}/{}", workload.kind, workload.name)
}

/// The bounds that a wait was given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Unix time in milliseconds at which the rollout began.
    pub(crate) start_ms: u64,
    /// Unix time in milliseconds at which waiting ends, waiting for a node with room aside.
    pub(crate) deadline_ms: u64,
    /// How long pods may wait for a node with room.
    pub(crate) capacity_ms: u64,
}

/// Everything that keeps the workload from being done, the most telling first.
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

/// The condition that says that the scheduler found no node for the pod.
pub(crate) fn unscheduled(pod: &Pod) -> Option<&PodCondition> {
    scheduled(pod)
        .filter(|condition| condition.status == "False" && condition.reason.as_deref() == Some("Unschedulable"))
}

/// The condition that says whether the pod has a node.
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
    // A pod left from an earlier try at the same release waits anew with this one.
    let since = condition.last_transition_time.as_ref().map_or(bounds.start_ms, unix_ms).max(bounds.start_ms);
    let brief = format!("no node has room{}", short_of(message));
    let message = format!("no node has room: {message}");
    let due = Due::At(since + bounds.capacity_ms);
    Cause::new(FailureType::NoCapacity, workload, message, due).of_pod(pod).briefly(brief)
}

/// Of what the scheduler says that nodes have too little, by the resources' names: `: Insufficient cpu, memory`.
fn short_of(message: &str) -> String {
    let words: Vec<_> = message.split_whitespace().map(|word| word.trim_end_matches(['.', ',', ';'])).collect();
    let resources = words.windows(2).filter(|pair| pair[0] == "Insufficient").map(|pair| pair[1]);
    let resources: BTreeSet<_> = resources.collect();
    if resources.is_empty() {
        return String::new();
    }
    format!(": Insufficient {}", resources.into_iter().collect::<Vec<_>>().join(", "))
}
