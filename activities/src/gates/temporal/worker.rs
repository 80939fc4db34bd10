//! The worker that is missing or failing: its container, its state, and its log.

use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, Pod};
use kube::ResourceExt;

use super::super::{
    attempt::{Miss, PodAndContainer},
    forward::new_pods,
};
use crate::{
    gates::checks::Checks,
    redaction::message::Message,
    rollout::container_status::{last_end, statuses, waiting},
};

/// The most bytes of the kubelet's message in a verdict.
const SHOWN_BYTES: usize = 1000;
/// The number of ends that make a crash loop, as in a rollout.
const LOOPS: i32 = 3;

/// The container of a worker, in a pod of the new revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Worker {
    pub(super) at: PodAndContainer,
    state: Message,
    restarted: bool,
    exit_code: Option<i32>,
    crash_loops: bool,
}

/// Finds the worker in the workload's pods: the named container, else one with `worker` in its name, else the first.
/// With several pods it is the one with the most restarts.
pub(super) fn find(checks: &Checks<'_>, workload: &str, container: Option<&str>) -> Option<Worker> {
    let snapshot = checks.current.borrow();
    let pods = new_pods(&snapshot, checks, workload);
    let status = |pod| container_status(pod, container_name(pod, container)?);
    let worst = pods.into_iter().max_by_key(|pod| status(pod).map_or(0, |status| status.restart_count))?;
    Some(worker_in(worst, container_name(worst, container)?, status(worst)))
}

/// Returns the worker's container: the named one, else one with `worker` in its name, else the first.
pub(super) fn container_name<'a>(pod: &'a Pod, container: Option<&'a str>) -> Option<&'a str> {
    let spec = pod.spec.as_ref()?;
    let named = container.or_else(|| {
        spec.containers.iter().map(|container| container.name.as_str()).find(|name| name.contains("worker"))
    });
    named.or_else(|| spec.containers.first().map(|container| container.name.as_str()))
}

pub(super) fn container_status<'a>(pod: &'a Pod, name: &str) -> Option<&'a ContainerStatus> {
    statuses(pod).map(|(status, _)| status).find(|status| status.name == name)
}

fn worker_in(pod: &Pod, name: &str, status: Option<&ContainerStatus>) -> Worker {
    let ended = status.and_then(last_end);
    let state = status.and_then(|status| status.state.as_ref());
    let ended_now = state.is_some_and(|state| state.terminated.is_some());
    let restarts = status.map_or(0, |status| status.restart_count);
    let crash_loops = restarts + i32::from(ended_now) >= LOOPS;
    let is_running = state.is_some_and(|state| state.running.is_some());
    Worker {
        at: (pod.name_any(), Some(name.to_owned())),
        state: Message::from(format!("container {name} of pod {} ", pod.name_any()))
            .join(describe_state(status, restarts)),
        // A container that has just restarted has no log yet. The log of the instance before explains its end.
        restarted: restarts > 0 && !ended_now && (!is_running || crash_loops),
        exit_code: ended.map(|end| end.exit_code),
        crash_loops,
    }
}

fn describe_state(status: Option<&ContainerStatus>, restarts: i32) -> Message {
    let Some(status) = status else { return Message::from("is not listed yet") };
    let state = match (waiting(status), &status.state) {
        (Some((reason, "")), _) => Message::from(format!("waits: {reason}")),
        (Some((reason, message)), _) => Message::from(format!("waits: {reason} ")).foreign(message, SHOWN_BYTES),
        (None, Some(ContainerState { terminated: Some(end), .. })) => {
            Message::from(format!("has exited with code {}", end.exit_code))
        }
        (None, Some(ContainerState { running: Some(_), .. })) => Message::from("runs"),
        _ => Message::from("is in an unknown state"),
    };
    match last_end(status) {
        Some(end) if restarts > 0 => {
            state.own(format!(", after {restarts} restarts, the last with code {}", end.exit_code))
        }
        _ => state,
    }
}

/// Adds the worker's state and log to the miss.
pub(super) fn explain(worker: Option<Worker>, miss: Miss) -> Miss {
    let Some(Worker { at, state, restarted, exit_code, crash_loops, .. }) = worker else { return miss };
    let message = miss.message.own("; ").join(state);
    Miss { message, pod: Some(at), restarted, exit_code, is_final: miss.is_final || crash_loops, ..miss }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(worker: &Value) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": "web-temporal-1"},
            "spec": {"containers": [{"name": "temporal-ui"}, {"name": "python-worker"}]},
            "status": {"containerStatuses": [{"name": "python-worker", "image": "", "imageID": "", "ready": true,
                "restartCount": worker["restarts"], "state": worker["state"], "lastState": worker["last"]}]},
        }))
        .unwrap()
    }

    fn seen(worker: &Value) -> Worker {
        let pod = pod(worker);
        let name = container_name(&pod, None).unwrap();
        worker_in(&pod, name, container_status(&pod, name))
    }

    #[test]
    fn the_worker_is_the_named_container_or_one_named_worker_or_the_first() {
        let both = pod(&json!({"restarts": 0}));
        assert_eq!(container_name(&both, Some("temporal-ui")), Some("temporal-ui"));
        assert_eq!(container_name(&both, None), Some("python-worker"));
        let only: Pod = serde_json::from_value(json!({"spec": {"containers": [{"name": "api"}]}})).unwrap();
        assert_eq!(container_name(&only, None), Some("api"));
    }

    #[test]
    fn a_workers_state_is_described_and_decides_the_log() {
        let running = seen(&json!({"restarts": 0, "state": {"running": {"startedAt": "2026-11-24T09:00:00Z"}}}));
        assert_eq!(running.state.unredacted(), "container python-worker of pod web-temporal-1 runs");
        assert_eq!((running.restarted, running.crash_loops), (false, false));
        let waits = json!({"restarts": 3, "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
            "last": {"terminated": {"exitCode": 2}}});
        let miss = explain(Some(seen(&waits)), Miss::new("nobody polls"));
        let expected = "nobody polls; container python-worker of pod web-temporal-1 waits: CrashLoopBackOff back-off 10s, \
            after 3 restarts, the last with code 2";
        assert_eq!(miss.message.unredacted(), expected);
        assert!(miss.restarted && miss.is_final && miss.exit_code == Some(2), "{miss:?}");
        let again = json!({"restarts": 3, "state": {"running": {"startedAt": "2026-11-24T09:00:00Z"}},
            "last": {"terminated": {"exitCode": 2}}});
        assert!(explain(Some(seen(&again)), Miss::new("nobody polls")).restarted, "it has message nothing yet");
    }
}
