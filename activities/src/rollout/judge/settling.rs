//! The settling of containers without a probe.
//!
//! A container without a readiness probe is ready whenever it runs. So a crashing one is ready for an instant after
//! each restart, and a controller may count it as available.

use std::collections::BTreeMap;

use berth_workflows::contract::apply::Workload;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::ResourceExt;

use crate::rollout::{
    container_status::{spec_of, statuses},
    snapshot::{Snapshot, unix_ms},
};

/// The time that such a container must run. A crashing one has mostly ended by then. The kubelet restarts it at once
/// the first time, and pauses for ten seconds from the second.
const SETTLED_MS: u64 = 5_000;

/// The description of this wait.
pub(super) const TEXT: &str = "ready for less than 5 s, without a readiness probe";

/// The description of the wait before the pods are listed.
pub(super) const UNKNOWN: &str = "complete by its controller's status, but its pods are not listed yet";

/// The unix time in milliseconds at which each container without a probe was first seen running, by pod UID, name and
/// restarts.
#[derive(Debug, Default)]
pub(super) struct Settling(BTreeMap<(String, String, i32), u64>);

impl Settling {
    /// Returns the unix time in milliseconds until which a done workload must be watched. `None` if it has settled.
    pub(super) fn until_ms(&mut self, snapshot: &Snapshot, workload: &Workload, now_ms: u64) -> Option<u64> {
        if workload.kind == "Job" {
            return None; // it has succeeded
        }
        let ends = snapshot.new_pods(workload).into_iter().flat_map(|pod| {
            let silent = statuses(pod).filter(|(status, init)| !init && !is_probed(pod, &status.name));
            silent.map(move |(status, _)| (pod, status))
        });
        let until = ends.map(|(pod, status)| self.settled_ms(pod, status, now_ms)).max();
        until.filter(|until| *until > now_ms)
    }

    fn settled_ms(&mut self, pod: &Pod, status: &ContainerStatus, now_ms: u64) -> u64 {
        let running = status.state.as_ref().and_then(|state| state.running.as_ref());
        let Some(running) = running else {
            return now_ms + SETTLED_MS; // it has ended, and its controller has not observed it
        };
        let key = (pod.uid().unwrap_or_default(), status.name.clone(), status.restart_count);
        let seen_ms = *self.0.entry(key).or_insert(now_ms);
        // A node's clock may be ahead, which must not prolong the wait.
        let started_ms = running.started_at.as_ref().map_or(seen_ms, unix_ms).min(seen_ms);
        started_ms + SETTLED_MS
    }
}

fn is_probed(pod: &Pod, container: &str) -> bool {
    spec_of(pod, container)
        .is_some_and(|container| container.readiness_probe.is_some() || container.startup_probe.is_some())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::rollout::fixtures::{START_MS, pod, put, replica_set, workload};

    /// A pod whose container started one second after `START_MS`, with restarts and probes.
    fn seen(restarts: i32, state: &Value, probes: &Value) -> Snapshot {
        let mut snapshot = Snapshot::default();
        let status = json!({"containerStatuses": [{"name": "web", "image": "", "imageID": "", "ready": true,
            "restartCount": restarts, "state": state}]});
        let mut pod = pod("web-5d8f-abcde", "pod-uid", "web-5d8f", &status);
        let container = pod["spec"]["containers"][0].as_object_mut().unwrap();
        container.remove("readinessProbe");
        container.extend(probes.as_object().unwrap().clone());
        put(&mut snapshot, &crate::rollout::fixtures::deployment(json!({})));
        put(&mut snapshot, &replica_set("web-5d8f", "2", &Value::Null));
        put(&mut snapshot, &pod);
        snapshot
    }

    fn running() -> Value {
        json!({"running": {"startedAt": "2026-11-24T09:00:01Z"}})
    }

    fn until(settling: &mut Settling, snapshot: &Snapshot, at_ms: u64) -> Option<u64> {
        let until = settling.until_ms(snapshot, &workload("Deployment", "web", 2), START_MS + at_ms);
        until.map(|until| until - START_MS)
    }

    #[test]
    fn a_container_without_a_probe_is_watched_for_five_seconds_from_its_start() {
        let snapshot = seen(0, &running(), &json!({}));
        let mut settling = Settling::default();
        assert_eq!(until(&mut settling, &snapshot, 1_500), Some(6_000));
        assert_eq!(until(&mut settling, &snapshot, 6_000), None);
        assert_eq!(
            until(&mut Settling::default(), &snapshot, 600_000),
            None,
            "a worker that comes later need not wait"
        );
    }

    #[test]
    fn a_restarted_or_ended_container_settles_anew() {
        let ended = json!({"terminated": {"exitCode": 127}});
        assert_eq!(until(&mut Settling::default(), &seen(0, &ended, &json!({})), 60_000), Some(65_000));
        let again = json!({"running": {"startedAt": "2026-11-24T09:01:00Z"}});
        assert_eq!(until(&mut Settling::default(), &seen(1, &again, &json!({})), 61_000), Some(65_000));
    }

    #[test]
    fn a_nodes_clock_ahead_does_not_prolong_the_wait() {
        let snapshot = seen(0, &json!({"running": {"startedAt": "2026-11-24T10:00:00Z"}}), &json!({}));
        let mut settling = Settling::default();
        assert_eq!(until(&mut settling, &snapshot, 1_000), Some(6_000));
        assert_eq!(until(&mut settling, &snapshot, 6_000), None);
    }

    #[test]
    fn a_sidecar_with_a_probe_is_not_watched_either() {
        let until_of = |probe: &str| {
            let sidecar = json!({"name": "proxy", "image": "", "imageID": "", "ready": true, "restartCount": 0, "state": running()});
            let web = json!({"name": "web", "image": "", "imageID": "", "ready": true, "restartCount": 0, "state": running()});
            let mut pod = pod(
                "web-5d8f-abcde",
                "pod-uid",
                "web-5d8f",
                &json!({"initContainerStatuses": [sidecar], "containerStatuses": [web]}),
            );
            pod["spec"]["initContainers"][1][probe] = json!({"httpGet": {"port": 1}});
            let mut snapshot = seen(0, &running(), &json!({}));
            put(&mut snapshot, &pod);
            until(&mut Settling::default(), &snapshot, 1_500)
        };
        assert_eq!((until_of("startupProbe"), until_of("readinessProbe")), (None, None));
        assert!(until_of("livenessProbe").is_some(), "a liveness probe does not keep it from being ready");
    }

    #[test]
    fn a_container_with_a_readiness_or_startup_probe_is_not_watched() {
        for probe in ["readinessProbe", "startupProbe"] {
            let snapshot = seen(0, &running(), &json!({probe: {"httpGet": {"port": 8080}}}));
            assert_eq!(until(&mut Settling::default(), &snapshot, 1_500), None);
        }
        let snapshot = seen(0, &running(), &json!({"livenessProbe": {"httpGet": {"port": 8080}}}));
        assert!(until(&mut Settling::default(), &snapshot, 1_500).is_some());
    }
}
