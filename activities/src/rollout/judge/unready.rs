//! The verdict at the deadline, when no certain cause was found.

use berth_workflows::contract::{apply::Workload, verdict::FailureType};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::ResourceExt;

use crate::{
    kubernetes::log_tail::Log,
    rollout::{
        classify::{Cause, Due},
        container_status,
        snapshot::{Snapshot, is_ready},
    },
};

/// Returns the cause `NotReady`. It lists every incomplete workload, and names the container that is most likely the
/// reason. `None` if no workload is waited for.
pub(super) fn cause(snapshot: &Snapshot, waits: &[(Workload, String)]) -> Option<Cause> {
    let mut lacks: Vec<_> = waits.iter().map(|(workload, text)| lack(snapshot, workload, text)).collect();
    let message = match lacks.as_slice() {
        [only] => only.message.clone(), // a verdict names its workload itself
        all => all.iter().map(|lack| format!("{}: {}", lack.workload, lack.message)).collect::<Vec<_>>().join("; "),
    };
    lacks.sort_by_key(|lack| lack.container.is_none());
    let blamed = lacks.into_iter().next()?;
    Some(Cause { message, ..blamed })
}

fn lack(snapshot: &Snapshot, workload: &Workload, text: &str) -> Cause {
    let unready = snapshot.new_pods(workload).into_iter().filter(|pod| !is_ready(pod)).find_map(|pod| {
        let status = container_status::statuses(pod).find(|(status, init)| !has_done_its_part(status, *init));
        status.map(|(status, _)| (pod, status))
    });
    let Some((pod, status)) = unready else {
        return Cause::new(FailureType::NotReady, workload, text, Due::At(0));
    };
    let (state, log) = state_of(snapshot, pod, status);
    let text = format!("{text}; container {} of pod {} {state}", status.name, pod.name_any());
    let mut cause = Cause::new(FailureType::NotReady, workload, text, Due::At(0));
    cause.pod = Some(pod.name_any());
    cause.container = Some(status.name.clone());
    cause.log = log;
    cause
}

fn has_done_its_part(status: &ContainerStatus, init: bool) -> bool {
    status.ready || (init && container_status::last_end(status).is_some_and(|end| end.exit_code == 0))
}

fn state_of(snapshot: &Snapshot, pod: &Pod, status: &ContainerStatus) -> (String, Log) {
    if let Some((reason, message)) = container_status::waiting(status) {
        let colon = if message.is_empty() { "" } else { ": " };
        let log = if container_status::last_end(status).is_some() { Log::Previous } else { Log::None };
        return (format!("waits ({reason}{colon}{message})"), log);
    }
    let (probe, said) = match status.started {
        Some(false) => ("startup", probe_message(snapshot, pod, status, "Startup probe failed")),
        _ => ("readiness", probe_message(snapshot, pod, status, "Readiness probe failed")),
    };
    let said = said.map_or_else(String::new, |said| format!(" ({})", said.trim()));
    (format!("runs, but its {probe} probe has not passed{said}"), Log::Current)
}

fn probe_message<'a>(snapshot: &'a Snapshot, pod: &'a Pod, status: &ContainerStatus, start: &str) -> Option<&'a str> {
    let field = format!("{{{}}}", status.name);
    snapshot
        .events_about(pod.metadata.uid.as_deref())
        .filter(|event| event.involved_object.field_path.as_deref().is_some_and(|path| path.ends_with(&field)))
        .filter_map(|event| event.message.as_deref())
        .find(|message| message.starts_with(start))
}
