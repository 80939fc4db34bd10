//! The stability window: nothing of the release may restart in it, and every workload must be complete at its end.

use std::{collections::BTreeMap, time::Duration};

use berth_workflows::contract::apply::Workload;
use kube::ResourceExt;
use tokio::time::{Instant, timeout_at};

use crate::{
    gates::{
        checks::{Checks, NotPassed, Unmet},
        sight::OBSERVED_FOR,
    },
    kubernetes::log_tail::Log,
    rollout::{
        classify,
        container_status::{last_end, statuses},
        snapshot::Snapshot,
        workload_state::{WorkloadState, workload_state},
    },
};

pub(super) const NAME: &str = "stability";

/// The number of restarts by pod UID and container.
type Restarts = BTreeMap<(String, String), i32>;

/// Watches for the window's time. A pod that is recreated meanwhile (its node went away) is no restart. A gap in which
/// nothing is seen moves the end.
pub(super) async fn check(checks: &Checks<'_>, window: Duration) -> Result<(), NotPassed> {
    let mut current = checks.current.clone();
    let mut end = Instant::now() + window;
    let workloads = &checks.check.workloads;
    let mut before = Restarts::new();
    loop {
        let seen = restarted(&current.borrow_and_update(), workloads, &mut before);
        if let Some(unmet) = seen {
            return Err(unmet.into());
        }
        if timeout_at(end, current.changed()).await.is_ok() {
            continue;
        }
        // Nothing is seen of a restart over a broken connection, either.
        let hidden = checks.observer.refreshed().await;
        let seen = {
            let snapshot = current.borrow_and_update();
            restarted(&snapshot, workloads, &mut before).or_else(|| incomplete(&snapshot, workloads))
        };
        if let Some(unmet) = seen {
            return Err(unmet.into());
        }
        match hidden.map(|hidden| hidden.until + window.min(OBSERVED_FOR)) {
            Some(later) if later > Instant::now() => end = later,
            _ => return Ok(()),
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
                let (container, code) = (&status.name, exit_code.unwrap_or_default());
                let message = format!(
                    "container {container} of pod {} exited with code {code} after the gates had passed",
                    pod.name_any()
                );
                return Some(Unmet {
                    workload: Some(classify::name_of(workload)),
                    pod: Some((pod.name_any(), Some(container.clone()))),
                    exit_code,
                    log: if ended { Log::Current } else { Log::Previous },
                    ..Unmet::new(NAME, message)
                });
            }
        }
    }
    None
}

/// Returns a workload that is not complete. Jobs are left out: they ended before the gates, and may have been cleaned
/// up.
fn incomplete(snapshot: &Snapshot, workloads: &[Workload]) -> Option<Unmet> {
    let mut staying = workloads.iter().filter(|workload| workload.kind != "Job");
    staying.find_map(|workload| match workload_state(snapshot, workload) {
        WorkloadState::Complete => None,
        WorkloadState::Waiting(text) | WorkloadState::JobFailed(text) => {
            let message = format!("not complete at the end of the stability window: {text}");
            Some(Unmet { workload: Some(classify::name_of(workload)), ..Unmet::new(NAME, message) })
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rollout::fixtures::{case, deployment, pod, put, rolled_out, snapshot, workload};

    #[test]
    fn only_restarts_during_the_window_count() {
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
    fn an_incomplete_workload_at_the_windows_end_is_named() {
        let workloads = [workload("Deployment", "web", 2)];
        let mut snapshot = snapshot("ready");
        assert!(incomplete(&snapshot, &workloads).unwrap().message.unredacted().contains("0 of 1 pods ready"));
        put(&mut snapshot, &deployment(rolled_out()));
        assert!(incomplete(&snapshot, &workloads).is_none());
    }

    #[test]
    fn a_job_cleaned_up_after_success_is_not_missed() {
        let workloads = [workload("Deployment", "web", 2), workload("Job", "migrate", 1)];
        let mut snapshot = snapshot("ready");
        put(&mut snapshot, &deployment(rolled_out()));
        snapshot.jobs.apply(kube::runtime::watcher::Event::Init);
        snapshot.jobs.apply(kube::runtime::watcher::Event::InitDone);
        assert!(incomplete(&snapshot, &workloads).is_none());
    }
}
