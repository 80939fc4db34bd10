//! The stability window: for so long, nothing of the release may restart, and at its end everything must be up.

use std::{collections::BTreeMap, time::Duration};

use berth_workflows::contract::apply::Workload;
use kube::ResourceExt;
use tokio::time::{Instant, timeout_at};

use crate::{
    gates::checks::{Checks, NotPassed, Unmet},
    kubernetes::log_tail::Log,
    rollout::{
        classify,
        container_status::{last_end, statuses},
        snapshot::Snapshot,
        workload_state::{WorkloadState, workload_state},
    },
};

pub(super) const NAME: &str = "stability";

/// By pod UID and container: how often it had restarted.
type Restarts = BTreeMap<(String, String), i32>;

/// Watches for that long. A pod that is made anew meanwhile (a node that goes away) is no restart.
pub(super) async fn check(checks: &Checks<'_>, window: Duration) -> Result<(), NotPassed> {
    let mut current = checks.current.clone();
    let end = Instant::now() + window;
    let workloads = &checks.check.workloads;
    let mut before = Restarts::new();
    loop {
        let seen = restarted(&current.borrow_and_update(), workloads, &mut before);
        if let Some(unmet) = seen {
            return Err(NotPassed::Unmet(Box::new(unmet)));
        }
        if timeout_at(end, current.changed()).await.is_err() {
            let seen = incomplete(&current.borrow(), workloads);
            return seen.map_or(Ok(()), |unmet| Err(NotPassed::Unmet(Box::new(unmet))));
        }
    }
}

fn restarted(snapshot: &Snapshot, workloads: &[Workload], before: &mut Restarts) -> Option<Unmet> {
    let staying = workloads.iter().filter(|workload| workload.kind != "Job");
    for (workload, pod) in staying.flat_map(|w| snapshot.new_pods(w).into_iter().map(move |pod| (w, pod))) {
        for (status, _) in statuses(pod).filter(|(_, init)| !init) {
            let ended = status.state.as_ref().is_some_and(|state| state.terminated.is_some());
            let count = status.restart_count + i32::from(ended);
            let key = (pod.uid().unwrap_or_default(), status.name.clone());
            if count > *before.entry(key).or_insert(count) {
                let exit_code = last_end(status).map(|end| end.exit_code);
                return Some(Unmet {
                    gate: NAME.to_owned(),
                    message: format!(
                        "container {} of pod {} ended with code {} after the gates had passed",
                        status.name,
                        pod.name_any(),
                        exit_code.unwrap_or_default(),
                    ),
                    workload: Some(classify::name_of(workload)),
                    pod: Some((pod.name_any(), Some(status.name.clone()))),
                    exit_code,
                    log: if ended { Log::Current } else { Log::Previous },
                    advice: None,
                });
            }
        }
    }
    None
}

/// A Job has ended well before the gates began, and may have been cleaned up since.
fn incomplete(snapshot: &Snapshot, workloads: &[Workload]) -> Option<Unmet> {
    let mut staying = workloads.iter().filter(|workload| workload.kind != "Job");
    staying.find_map(|workload| match workload_state(snapshot, workload) {
        WorkloadState::Complete => None,
        WorkloadState::Waiting(text) | WorkloadState::JobFailed(text) => Some(Unmet {
            gate: NAME.to_owned(),
            message: format!("no longer complete at the window's end: {text}"),
            workload: Some(classify::name_of(workload)),
            pod: None,
            exit_code: None,
            log: Log::None,
            advice: None,
        }),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rollout::fixtures::{case, deployment, pod, put, rolled_out, snapshot, workload};

    #[test]
    fn a_restart_during_the_window_is_seen_and_one_before_it_is_not() {
        let workloads = [workload("Deployment", "web", 2)];
        let mut snapshot = snapshot("ready");
        let mut status = case("ready")["pod"].clone();
        let mut before = Restarts::new();
        status["containerStatuses"][0]["restartCount"] = json!(2);
        put(&mut snapshot, &pod("web-5d8f-abcde", "pod-uid", "web-5d8f", &status));
        assert!(restarted(&snapshot, &workloads, &mut before).is_none());
        put(&mut snapshot, &pod("web-5d8f-fghij", "another-uid", "web-5d8f", &case("crash_loop")["pod"]));
        assert!(restarted(&snapshot, &workloads, &mut before).is_none(), "a new pod begins with its own count");
        status["containerStatuses"][0]["state"] = json!({"terminated": {"exitCode": 9}});
        put(&mut snapshot, &pod("web-5d8f-abcde", "pod-uid", "web-5d8f", &status));
        let unmet = restarted(&snapshot, &workloads, &mut before).unwrap();
        assert_eq!((unmet.exit_code, unmet.workload.as_deref()), (Some(9), Some("Deployment/web")));
    }

    #[test]
    fn what_is_not_up_at_the_windows_end_is_named() {
        let workloads = [workload("Deployment", "web", 2)];
        let mut snapshot = snapshot("ready");
        assert!(incomplete(&snapshot, &workloads).unwrap().message.contains("0 of 1 pods ready"));
        put(&mut snapshot, &deployment(rolled_out()));
        assert!(incomplete(&snapshot, &workloads).is_none());
    }

    #[test]
    fn a_job_that_was_cleaned_up_after_it_had_succeeded_is_not_missed() {
        let workloads = [workload("Deployment", "web", 2), workload("Job", "migrate", 1)];
        let mut snapshot = snapshot("ready");
        put(&mut snapshot, &deployment(rolled_out()));
        snapshot.jobs.apply(kube::runtime::watcher::Event::Init);
        snapshot.jobs.apply(kube::runtime::watcher::Event::InitDone);
        assert!(incomplete(&snapshot, &workloads).is_none());
    }
}
