//! The hosts that may poll a task queue: pods of the release, pods that end, and others. Pure.

use berth_workflows::contract::apply::Workload;
use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::apis::meta::v1::Time};
use kube::ResourceExt;

use super::super::worker::{container_name, container_status};
use crate::{
    gates::standing::{EarlierOwners, Standing, standing},
    rollout::snapshot::Snapshot,
};

/// The longest name of a host. A longer name of a pod is cut.
const LONGEST_HOST: usize = 63;
/// The characters of names that Kubernetes makes. They have no vowel, so that they are no word.
const GENERATED: &str = "bcdfghjklmnpqrstvwxz2456789";

/// The sender of a poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Poller {
    /// A pod that the release serves with, or one of somebody else. Its container runs since this unix time in seconds.
    Current { running_since: Option<i64> },
    /// A pod that is ending, has ended, or is of an earlier release.
    Old,
    /// Its identity names no pod: a worker may set its own.
    Unknown,
}

/// The hosts of a namespace.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    /// Each pod's name as a host.
    pods: Vec<(String, Poller)>,
    /// A pod of the worker's workload that is not of the release any more, and still there.
    old_worker: Option<String>,
    /// The unix time in seconds from which the worker's first container runs.
    worker_since: Option<i64>,
    deployments: Vec<String>,
}

impl Hosts {
    /// The hosts beside the worker's workload. `container` is the worker's, if the gate names it.
    pub(super) fn of(snapshot: &Snapshot, workloads: &[Workload], worker: &str, container: Option<&str>) -> Self {
        let mut hosts = Self::default();
        let is_worker = |pod: &Pod| workloads.iter().any(|w| w.name == worker && snapshot.is_of(pod, w));
        for pod in snapshot.pods.iter() {
            // The owner of a pod of an earlier release does not matter here: it is told from others by its name.
            let poller = match standing(snapshot, workloads, &EarlierOwners::default(), pod) {
                Standing::Serves if is_worker(pod) => Poller::Current { running_since: running_since(pod, container) },
                Standing::Serves | Standing::Outside => Poller::Current { running_since: None },
                Standing::Old | Standing::Unknown => Poller::Old,
            };
            if let Poller::Current { running_since: Some(since) } = poller {
                hosts.worker_since = Some(hosts.worker_since.map_or(since, |first| first.min(since)));
            }
            if poller == Poller::Old && is_worker(pod) && !has_ended(pod) {
                hosts.old_worker = Some(pod.name_any());
            }
            hosts.pods.extend(host_of(pod).map(|host| (host, poller)));
        }
        let deployments = workloads.iter().filter(|workload| workload.kind == "Deployment");
        hosts.deployments = deployments.map(|workload| workload.name.clone()).collect();
        hosts
    }

    /// Returns a pod of the worker's workload that is not of the release any more, and still there.
    pub(super) fn old_worker(&self) -> Option<&str> {
        self.old_worker.as_deref()
    }

    /// Returns the unix time in seconds from which a worker of the release runs.
    pub(super) fn worker_since(&self) -> Option<i64> {
        self.worker_since
    }

    /// Returns the sender of a poll with this identity. SDKs make it of the process and the host: `1@web-5d8f-abcde`.
    pub(super) fn poller(&self, identity: &str) -> Poller {
        let named = self.pods.iter().filter(|(host, _)| has_host(identity, host));
        // `web-1` is also in `web-1-abcde`.
        if let Some((_, poller)) = named.max_by_key(|(host, _)| host.len()) {
            return *poller;
        }
        let host = identity.split('@').nth(1).unwrap_or_default();
        let is_gone = self.deployments.iter().any(|deployment| is_pod_of(host, deployment));
        if is_gone { Poller::Old } else { Poller::Unknown }
    }
}

/// Returns the name that a pod's processes know their host by. In the node's network it is the node's.
fn host_of(pod: &Pod) -> Option<String> {
    let spec = pod.spec.as_ref()?;
    if spec.host_network == Some(true) {
        return None;
    }
    let mut host = spec.hostname.clone().unwrap_or_else(|| pod.name_any());
    host.truncate(LONGEST_HOST);
    Some(host.trim_end_matches(['-', '.']).to_owned())
}

/// Returns whether the identity has the host's name, and not that of a longer one.
fn has_host(identity: &str, host: &str) -> bool {
    identity.match_indices(host).any(|(at, _)| {
        let before = identity[..at].chars().next_back();
        let after = identity[at + host.len()..].chars().next();
        !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(|char| char.is_alphanumeric() || char == '-')
    })
}

/// Returns whether a host has the name of a pod that this Deployment makes: `web-5d8f7c9b4-abcde`.
fn is_pod_of(host: &str, deployment: &str) -> bool {
    let Some(rest) = host.strip_prefix(deployment).and_then(|rest| rest.strip_prefix('-')) else { return false };
    let Some((set, pod)) = rest.split_once('-') else { return false };
    let is_generated = |text: &str| text.chars().all(|char| GENERATED.contains(char));
    (5..=10).contains(&set.len()) && pod.len() == 5 && is_generated(set) && is_generated(pod)
}

fn running_since(pod: &Pod, container: Option<&str>) -> Option<i64> {
    let name = container_name(pod, container)?;
    let running = container_status(pod, name)?.state.as_ref()?.running.as_ref()?;
    running.started_at.as_ref().map(|Time(at)| at.as_second())
}

fn has_ended(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Failed" | "Succeeded"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rollout::fixtures::{case, pod, put, replica_set, snapshot, workload};

    const RUNNING: Poller = Poller::Current { running_since: None };

    /// The Deployment `web` with a new pod, and an old one that is ending.
    fn hosts() -> Hosts {
        let mut snapshot = snapshot("ready");
        put(&mut snapshot, &replica_set("web-4c7e", "1", &json!(null)));
        let mut old = pod("web-4c7e-fghij", "old-uid", "web-4c7e", &case("ready")["pod"]);
        old["metadata"]["deletionTimestamp"] = json!("2026-11-24T09:00:00Z");
        put(&mut snapshot, &old);
        let mut by_hand = pod("by-hand", "by-hand-uid", "none", &case("ready")["pod"]);
        by_hand["metadata"]["ownerReferences"] = json!([]);
        put(&mut snapshot, &by_hand);
        Hosts::of(&snapshot, &[workload("Deployment", "web", 2)], "web", None)
    }

    #[test]
    fn poller_is_known_by_the_host_in_its_identity() {
        let hosts = hosts();
        assert_eq!(hosts.old_worker(), Some("web-4c7e-fghij"));
        for identity in
            ["1@web-5d8f-abcde", "7@web-5d8f-abcde@", "worker:web-5d8f-abcde.pr-1.svc", "greeter-web-5d8f-abcde"]
        {
            assert!(matches!(hosts.poller(identity), Poller::Current { .. }), "{identity}");
        }
        for identity in ["1@web-4c7e-fghij", "web-4c7e-fghij", "1@web-5d8f7c9b4-xzz42"] {
            assert_eq!(hosts.poller(identity), Poller::Old, "{identity}");
        }
        assert_eq!(hosts.poller("1@by-hand"), RUNNING);
        for identity in ["", "greeter", "1@laptop", "1@web-worker-greeter", "1@web-5d8f-abcdefg", "1@myweb-5d8f-abcde"]
        {
            assert_eq!(hosts.poller(identity), Poller::Unknown, "{identity}");
        }
    }

    #[test]
    fn poller_on_a_host_of_a_stateful_set_is_that_of_its_ordinal() {
        let mut snapshot = Snapshot::default();
        let set = json!({"kind": "StatefulSet", "metadata": {"name": "w", "uid": "w-uid"},
            "spec": {"selector": {}, "template": {}}, "status": {"replicas": 2, "updateRevision": "new"}});
        put(&mut snapshot, &set);
        for (name, revision) in [("w-1", "old"), ("w-10", "new")] {
            let mut pod = pod(name, name, "none", &case("ready")["pod"]);
            pod["metadata"]["ownerReferences"] = json!([crate::rollout::fixtures::owner("StatefulSet", "w", "w-uid")]);
            pod["metadata"]["labels"] = json!({"controller-revision-hash": revision});
            put(&mut snapshot, &pod);
        }
        let hosts = Hosts::of(&snapshot, &[workload("StatefulSet", "w", 1)], "w", None);
        assert_eq!(hosts.poller("1@w-1"), Poller::Old);
        assert!(matches!(hosts.poller("1@w-10"), Poller::Current { .. }));
    }
}
