//! The end of a script, as its Job and pod report it. Pure.

use berth_workflows::contract::{
    apply::Workload, script::SCRIPT_SECONDS, script_job::ScriptStarted, verdict::FailureType,
};
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{ContainerStateTerminated, Pod},
};
use kube::ResourceExt;

use crate::{
    kubernetes::log_tail::Log,
    rollout::{
        classify::{Cause, Due},
        container_status,
        snapshot::Snapshot,
    },
};

/// The end of a script.
#[derive(Debug, PartialEq)]
pub(super) enum End {
    /// The script's process exited, in that container.
    Exited { pod: Box<Pod>, container: String, exit_code: i32 },
    /// The script was ended, or never started.
    Lost(Box<Cause>),
}

/// Returns how the script ended, if it did. The ends of its own containers count, not the pod's: a sidecar that the
/// cluster injects may keep running. `removed` means that its Job was looked up and does not exist.
pub(super) fn end(started: &ScriptStarted, workload: &Workload, snapshot: &Snapshot, removed: bool) -> Option<End> {
    let lost = |failure, message: String, pod: Option<&Pod>, exit: Option<(&str, i32)>| {
        let mut cause = Cause::new(failure, workload, message, Due::At(0));
        cause.exit_code = exit.map(|(_, exit_code)| exit_code);
        attach_pod(&mut cause, pod, exit.map_or(&started.container, |(container, _)| container));
        Some(End::Lost(Box::new(cause)))
    };
    let job = snapshot.jobs.get(&workload.name);
    if removed {
        return lost(FailureType::JobFailed, "somebody has removed its Job".to_owned(), None, None);
    }
    let pod = pod(workload, snapshot)?;
    if let Some(job) = job.filter(|job| is_out_of_time(job)) {
        let deadline = job.spec.as_ref().and_then(|spec| spec.active_deadline_seconds);
        let seconds = deadline.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(SCRIPT_SECONDS);
        let message = format!("it ran for longer than {seconds} s and was killed");
        return lost(FailureType::JobFailed, message, Some(pod), None);
    }
    let (container, ended) = deciding_end(pod, started)?;
    let exit = Some((container, ended.exit_code));
    match ended.reason.as_deref() {
        Some("StartError" | "ContainerCannotRun") => {
            let message = ended.message.as_deref().unwrap_or_default().trim();
            let message = format!("its command could not be started: {message}");
            lost(FailureType::JobFailed, message, Some(pod), exit)
        }
        Some("OOMKilled") => {
            let message = "it exceeded its container's memory limit".to_owned();
            lost(FailureType::OutOfMemory, message, Some(pod), exit)
        }
        _ => Some(End::Exited {
            pod: Box::new(pod.clone()),
            container: container.to_owned(),
            exit_code: ended.exit_code,
        }),
    }
}

/// Returns whether the listed Jobs lack the script's. The first list may be older than the Job.
pub(super) fn misses_job(workload: &Workload, snapshot: &Snapshot) -> bool {
    snapshot.jobs.lacks(&workload.name)
}

/// Returns the script's pod. Its Job creates at most one.
pub(super) fn pod<'s>(workload: &Workload, snapshot: &'s Snapshot) -> Option<&'s Pod> {
    snapshot.new_pods(workload).into_iter().next()
}

/// Adds the pod and the container's log to a cause. They say more than the Job.
pub(super) fn attach_pod(cause: &mut Cause, pod: Option<&Pod>, container: &str) {
    let Some(pod) = pod.filter(|_| cause.pod.is_none()) else { return };
    cause.pod = Some(pod.name_any());
    let has_run = container_status::statuses(pod).any(|(status, _)| {
        let state = status.state.as_ref();
        status.name == container && state.is_some_and(|s| s.running.is_some() || s.terminated.is_some())
    });
    if has_run {
        cause.container = Some(container.to_owned());
        cause.log = Log::Current;
    }
}

fn is_out_of_time(job: &Job) -> bool {
    let conditions = job.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    conditions.iter().any(|c| c.status == "True" && c.reason.as_deref() == Some("DeadlineExceeded"))
}

/// Returns the container that decides how the pod ended, once all of the script's own have: the first that failed, else the
/// main one.
fn deciding_end<'s>(pod: &'s Pod, started: &'s ScriptStarted) -> Option<(&'s str, &'s ContainerStateTerminated)> {
    let names = std::iter::once(&started.container).chain(&started.other_containers);
    let ends: Option<Vec<_>> = names.map(|name| Some((name.as_str(), terminated(pod, name)?))).collect();
    let ends = ends?;
    ends.iter().find(|(_, end)| end.exit_code != 0).or_else(|| ends.first()).copied()
}

fn terminated<'s>(pod: &'s Pod, container: &str) -> Option<&'s ContainerStateTerminated> {
    let mut statuses = pod.status.as_ref()?.container_statuses.iter().flatten();
    statuses.find(|status| status.name == container)?.state.as_ref()?.terminated.as_ref()
}

/// Returns the end of a text. It begins with a whole line if possible.
pub(super) fn last_bytes(text: &str, bytes: usize) -> String {
    let text = text.trim_end();
    let from = (text.len().saturating_sub(bytes)..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or_default();
    let (before, tail) = text.split_at_checked(from).unwrap_or_default();
    match tail.split_once('\n') {
        Some((_, whole)) if !before.is_empty() && !before.ends_with('\n') => whole.to_owned(),
        _ => tail.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn seen(conditions: Value, container: Value) -> Snapshot {
        let mut snapshot = Snapshot::default();
        let job = json!({
            "metadata": {"name": "script", "uid": "job"}, "spec": {"template": {}}, "status": {"conditions": conditions}});
        snapshot.jobs.put(serde_json::from_value(job).unwrap());
        let pod = json!({
            "metadata": {"name": "script-x", "ownerReferences":
                [{"apiVersion": "batch/v1", "kind": "Job", "name": "script", "uid": "job"}]},
            "status": {"containerStatuses": [
                {"name": "injected", "image": "", "imageID": "", "ready": true, "restartCount": 0, "state": {"running": {}}},
                {"name": "web", "image": "", "imageID": "", "ready": true, "restartCount": 0, "state": container}]}});
        snapshot.pods.put(serde_json::from_value(pod).unwrap());
        snapshot
    }

    fn script() -> Workload {
        Workload::new("Job", "script", 1)
    }

    fn end_of(snapshot: &Snapshot, removed: bool) -> Option<End> {
        end_of_containers(snapshot, removed, &[])
    }

    fn end_of_containers(snapshot: &Snapshot, removed: bool, others: &[&str]) -> Option<End> {
        let started = ScriptStarted {
            job: "script".into(),
            container: "web".into(),
            other_containers: others.iter().map(|name| (*name).to_owned()).collect(),
            workload: "Deployment/web".into(),
            secrets: Vec::new(),
        };
        end(&started, &script(), snapshot, removed)
    }

    #[test]
    fn a_script_has_ended_once_its_own_container_has() {
        assert_eq!(end_of(&seen(json!([]), json!({"running": {}})), false), None);
        let ended = end_of(&seen(json!([]), json!({"terminated": {"exitCode": 3, "reason": "Error"}})), false);
        assert!(matches!(ended, Some(End::Exited { exit_code: 3, .. })), "{ended:?}");
    }

    #[test]
    fn a_script_that_was_ended_has_a_cause() {
        let exceeded = json!([{"type": "FailureTarget", "status": "True", "reason": "DeadlineExceeded"}]);
        let start =
            json!({"terminated": {"exitCode": 128, "reason": "StartError", "message": "exec: \"x\": not found"}});
        for (snapshot, failure, words) in [
            (seen(exceeded, json!({"running": {}})), FailureType::JobFailed, "longer than 900 s"),
            (seen(json!([]), start), FailureType::JobFailed, "could not be started: exec"),
            (
                seen(json!([]), json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}})),
                FailureType::OutOfMemory,
                "memory limit",
            ),
        ] {
            let Some(End::Lost(cause)) = end_of(&snapshot, false) else { panic!("{words}") };
            assert_eq!((cause.failure, cause.log), (failure, Log::Current));
            assert!(cause.message.contains(words), "{}", cause.message);
        }
    }

    #[test]
    fn pod_with_several_containers_has_ended_once_all_have() {
        let seen = |web: Value, other: Value| {
            let mut snapshot = seen(json!([]), web);
            let status =
                json!({"name": "other", "image": "", "imageID": "", "ready": true, "restartCount": 0, "state": other});
            let mut pod = snapshot.pods.iter().next().unwrap().clone();
            let statuses = &mut pod.status.as_mut().unwrap().container_statuses;
            statuses.as_mut().unwrap().push(serde_json::from_value(status).unwrap());
            snapshot.pods.put(pod);
            snapshot
        };
        let exit = |code: i32| json!({"terminated": {"exitCode": code}});
        let running = json!({"running": {}});
        for (web, other, expected) in [
            (exit(0), running.clone(), None),
            (exit(3), running.clone(), None),
            (running, exit(4), None),
            (exit(0), exit(0), Some(("web", 0))),
            (exit(3), exit(0), Some(("web", 3))),
            (exit(0), exit(4), Some(("other", 4))),
            (exit(3), exit(4), Some(("web", 3))),
        ] {
            let snapshot = seen(web, other);
            let ended = end_of_containers(&snapshot, false, &["other"]);
            let ended = ended.map(|end| match end {
                End::Exited { container, exit_code, .. } => (container, exit_code),
                End::Lost(cause) => panic!("{cause:?}"),
            });
            assert_eq!(ended, expected.map(|(container, code)| (container.to_owned(), code)));
        }
        let killed = json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}});
        let ended = end_of_containers(&seen(exit(0), killed), false, &["other"]);
        let Some(End::Lost(cause)) = ended else { panic!("{ended:?}") };
        assert_eq!((cause.failure, cause.container.as_deref()), (FailureType::OutOfMemory, Some("other")));
    }

    #[test]
    fn verdict_names_the_deadline_of_the_job() {
        let mut snapshot = seen(
            json!([{"type": "FailureTarget", "status": "True", "reason": "DeadlineExceeded"}]),
            json!({"running": {}}),
        );
        let mut job = snapshot.jobs.get("script").unwrap().clone();
        job.spec.as_mut().unwrap().active_deadline_seconds = Some(60);
        snapshot.jobs.put(job);
        let Some(End::Lost(cause)) = end_of(&snapshot, false) else { panic!("should be lost") };
        assert_eq!(cause.message, "it ran for longer than 60 s and was killed");
    }

    #[test]
    fn a_removed_job_is_not_waited_for() {
        let mut snapshot = Snapshot::default();
        assert!(!misses_job(&script(), &snapshot), "not listed yet");
        snapshot.jobs.apply(kube::runtime::watcher::Event::Init);
        snapshot.jobs.apply(kube::runtime::watcher::Event::InitDone);
        assert!(misses_job(&script(), &snapshot));
        assert_eq!(end_of(&snapshot, false), None, "the list may be older than the Job");
        assert!(matches!(end_of(&snapshot, true), Some(End::Lost(_))));
    }

    #[test]
    fn last_bytes_begin_with_a_whole_line_and_never_inside_a_character() {
        assert_eq!(last_bytes("one\ntwo\nthree\n", 8), "three");
        assert_eq!(last_bytes("one\ntwo\nthree\n", 9), "two\nthree");
        assert_eq!(last_bytes("one\ntwo\nthree\n", 100), "one\ntwo\nthree");
        assert_eq!(last_bytes("one\ntwo", 3), "two");
        assert_eq!(last_bytes("äöü", 3), "ü");
        assert_eq!(last_bytes("", 3), "");
    }
}
