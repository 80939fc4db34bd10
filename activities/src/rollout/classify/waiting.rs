//! Pods that have a node and are not ready: what they wait for, as far as their status and events say. It may end by itself, so
//! that it counts at the deadline only.

use berth_workflows::contract::apply::Workload;
use k8s_openapi::api::core::v1::{Container, ContainerStatus, Pod};
use kube::ResourceExt;

use super::Cause;
use crate::{
    failure::advice,
    kubernetes::log_tail::Log,
    rollout::{
        container_status::{is_sidecar, last_end, spec_of, statuses, waiting},
        snapshot::{Snapshot, event_ms, has_ended, is_ready},
    },
};

/// Returns the cause of a pod that is not ready. The pod of a Job is never: it has to end.
pub(super) fn cause(snapshot: &Snapshot, workload: &Workload, pod: &Pod) -> Option<Cause> {
    let is_job = workload.kind == "Job";
    if has_ended(pod) || (is_ready(pod) && !is_job) {
        return None;
    }
    let undone = statuses(pod).find(|(status, init)| !has_done_its_part(status, *init, is_job));
    let cause = match undone {
        Some((status, init)) => Waiting { snapshot, workload, pod, status, init }.cause(),
        None => of_pod(workload, pod)?,
    };
    Some(cause.of_pod(pod))
}

fn has_done_its_part(status: &ContainerStatus, init: bool, is_job: bool) -> bool {
    let has_ended = last_end(status).is_some_and(|end| end.exit_code == 0);
    if init || is_job { has_ended && !is_running(status) } else { status.ready }
}

fn is_running(status: &ContainerStatus) -> bool {
    status.state.as_ref().is_some_and(|state| state.running.is_some())
}

/// The cause of a pod whose containers have all done their part.
fn of_pod(workload: &Workload, pod: &Pod) -> Option<Cause> {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let condition = |name: &str| conditions.iter().find(|condition| condition.type_ == name);
    let name = pod.name_any();
    let gates = pod.spec.iter().flat_map(|spec| spec.readiness_gates.iter().flatten());
    let gates = gates.map(|gate| gate.condition_type.as_str());
    let unmet = gates.into_iter().find(|gate| condition(gate).is_none_or(|condition| condition.status != "True"));
    if let Some(gate) = unmet {
        let said = condition(gate).and_then(|condition| condition.message.as_deref()).filter(|said| !said.is_empty());
        let said = said.map_or_else(|| " (nothing has set it)".to_owned(), |said| format!(": {said}"));
        return Some(
            Cause::state(workload, format!("pod {name} waits for its readiness gate {gate}{said}"))
                .briefly(format!("its readiness gate {gate} is not met"))
                .advise(format!(
                    "Something outside of the pod must set its condition {gate}, such as a load balancer's controller. Check that it \
                     runs, or remove spec.readinessGates."
                )),
        );
    }
    let ready = condition("Ready").filter(|ready| ready.status != "True")?;
    let (reason, said) = (ready.reason.as_deref().unwrap_or("no reason"), ready.message.as_deref().unwrap_or_default());
    let colon = if said.is_empty() { "" } else { ": " };
    Some(Cause::state(workload, format!("pod {name} is not ready ({reason}{colon}{said})")).advise(advice::CLUSTER))
}

struct Waiting<'a> {
    snapshot: &'a Snapshot,
    workload: &'a Workload,
    pod: &'a Pod,
    status: &'a ContainerStatus,
    init: bool,
}

impl Waiting<'_> {
    fn cause(&self) -> Cause {
        let what = if self.init { "init container" } else { "container" };
        let place = format!("{what} {} of pod {}", self.status.name, self.pod.name_any());
        let cause = match (waiting(self.status), is_running(self.status)) {
            (Some((reason, message)), _) => self.waits(&place, reason, message),
            (None, true) => self.runs(&place),
            (None, false) => self.has_ended(&place),
        };
        cause.in_container(&self.status.name)
    }

    fn state(&self, message: String, log: Log) -> Cause {
        Cause { log, ..Cause::state(self.workload, message) }
    }

    fn waits(&self, place: &str, reason: &str, message: &str) -> Cause {
        let log = if last_end(self.status).is_some() { Log::Previous } else { Log::None };
        let colon = if message.is_empty() { "" } else { ": " };
        let end = last_end(self.status).filter(|end| end.exit_code != 0);
        let ended = end.map_or_else(String::new, |end| format!(", after it exited with code {}", end.exit_code));
        // A state without a message has its cause in an event.
        let event = self.newest_warning().filter(|_| message.is_empty() && end.is_none());
        let event = event.map_or_else(String::new, |event| format!("; {event}"));
        let mut cause = self.state(format!("{place} waits ({reason}{colon}{message}){ended}{event}"), log);
        cause.exit_code = end.map(|end| end.exit_code);
        cause.advise(if end.is_some() { advice::EXITS } else { advice::NODE })
    }

    fn runs(&self, place: &str) -> Cause {
        let spec = spec_of(self.pod, &self.status.name);
        if self.init || self.workload.kind == "Job" {
            let brief = format!("{} runs and has not ended", self.status.name);
            return self
                .state(format!("{place} runs and has not ended"), Log::Current)
                .briefly(brief)
                .advise(if self.init { advice::INIT_WAITS } else { advice::JOB_RUNS });
        }
        let has = |probe: fn(&Container) -> bool| spec.is_some_and(probe);
        let is_started = self.status.started != Some(false);
        let hooks = |c: &Container| c.lifecycle.as_ref().is_some_and(|lifecycle| lifecycle.post_start.is_some());
        if !is_started && has(|c| c.startup_probe.is_some()) {
            return self.probed(place, "startup", "Startup probe failed");
        }
        if !is_started && has(hooks) {
            let text = format!("{place} runs, but its postStart hook has not ended");
            return self.state(text, Log::Current).briefly("its postStart hook has not ended").advise(
                "The container counts as started only when its postStart hook has ended. See what the hook waits for.",
            );
        }
        if has(|c| c.readiness_probe.is_some()) || spec.is_none() {
            return self.probed(place, "readiness", "Readiness probe failed");
        }
        self.state(format!("{place} runs, and the kubelet has not reported it ready"), Log::Current)
            .advise(advice::NODE)
    }

    fn probed(&self, place: &str, probe: &str, event: &str) -> Cause {
        let said = self.probe_message(event).map_or_else(String::new, |said| format!(" ({})", said.trim()));
        let sidecar = if is_sidecar(self.pod, &self.status.name) { ", a sidecar," } else { "" };
        let text = format!("{place}{sidecar} runs, but its {probe} probe has not passed{said}");
        self.state(text, Log::Current).advise(advice::PROBE)
    }

    fn has_ended(&self, place: &str) -> Cause {
        let Some(end) = last_end(self.status) else {
            let event = self.newest_warning().map_or_else(String::new, |event| format!("; {event}"));
            return self.state(format!("{place} has not begun{event}"), Log::None).advise(advice::NODE);
        };
        let (code, reason) = (end.exit_code, end.reason.as_deref().unwrap_or("Error"));
        let mut cause = self.state(format!("{place} exited with code {code} ({reason})"), Log::Current);
        cause.exit_code = Some(code);
        cause.briefly(format!("exited with code {code} ({reason})")).advise(advice::EXITS)
    }

    fn probe_message(&self, start: &str) -> Option<&str> {
        let field = format!("{{{}}}", self.status.name);
        self.snapshot
            .events_about(self.pod.metadata.uid.as_deref())
            .filter(|event| event.involved_object.field_path.as_deref().is_some_and(|path| path.ends_with(&field)))
            .filter_map(|event| event.message.as_deref())
            .find(|message| message.starts_with(start))
    }

    /// Returns the newest warning about the pod as a whole: its volumes, its network, its sandbox.
    fn newest_warning(&self) -> Option<String> {
        let about = self.snapshot.events_about(self.pod.metadata.uid.as_deref());
        let event = about.max_by_key(|event| event_ms(event))?;
        Some(format!("{}: {}", event.reason.as_deref()?, event.message.as_deref()?.trim()))
    }
}
