//! Containers that do not start, do not stay up, or wait for a missing object.

use std::time::Duration;

use berth_workflows::contract::{apply::Workload, verdict::FailureType};
use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Pod};

use super::{Bounds, Cause, Due, Jobs, PASSING, SECOND_LOOK, image};
use crate::{
    failure::advice,
    kubernetes::log_tail::Log,
    rollout::{
        container_status::{last_end, spec_of, statuses, waiting},
        exits::Exits,
        snapshot::{Snapshot, event_ms, unix_ms},
    },
};

/// The number of similar restarts that make a crash loop. One or two may come from a database that is still starting.
const SIMILAR_RESTARTS: i32 = 3;
/// The time for a container that runs again after its third restart.
const LAST_CHANCE: Duration = Duration::from_secs(10);

/// The beginning of the names of Secrets with Doppler's values. Their content never changes.
const OWN_SECRET: &str = "/berth-secrets-";

/// A container of a pod, with the state that its judgement needs.
struct Seen<'a> {
    snapshot: &'a Snapshot,
    workload: &'a Workload,
    pod: &'a Pod,
    status: &'a ContainerStatus,
    /// True for an init container that ends before the others start. False for a sidecar.
    init: bool,
    exits: &'a Exits,
    bounds: Bounds,
}

/// Returns the causes of the pod's containers, in the order in which they start.
pub(super) fn causes(snapshot: &Snapshot, workload: &Workload, pod: &Pod, exits: &Exits, bounds: Bounds) -> Vec<Cause> {
    let found: Vec<_> = statuses(pod)
        .filter_map(|(status, init)| Seen { snapshot, workload, pod, status, init, exits, bounds }.cause())
        .collect();
    if found.is_empty() { missing_volume(snapshot, workload, pod, bounds.missing).into_iter().collect() } else { found }
}

impl Seen<'_> {
    fn cause(&self) -> Option<Cause> {
        let (reason, message) = waiting(self.status).unwrap_or_default();
        match reason {
            "InvalidImageName" | "ErrImageNeverPull" => {
                Some(self.because(FailureType::ImageUnavailable, message.to_owned(), SECOND_LOOK).briefly(reason))
            }
            "ErrImagePull"
            | "ImagePullBackOff"
            | "ImageInspectError"
            | "RegistryUnavailable"
            | "SignatureValidationFailed" => Some(self.no_image(reason, message)),
            "CreateContainerConfigError" => Some(self.no_config(message)),
            "CreateContainerError" | "PreCreateHookError" | "PreStartHookError" => {
                Some(self.not_created(reason, message))
            }
            _ => self.crash_cause(),
        }
    }

    fn because(&self, failure: FailureType, message: String, patience: Duration) -> Cause {
        Cause::new(failure, self.workload, message, Due::After(patience))
            .of_pod(self.pod)
            .in_container(&self.status.name)
    }

    fn image(&self) -> &str {
        spec_of(self.pod, &self.status.name)
            .and_then(|container| container.image.as_deref())
            .unwrap_or(&self.status.image)
    }

    fn no_image(&self, reason: &str, message: &str) -> Cause {
        let image = self.image();
        let event = self.warnings("Failed").find(|message| message.starts_with("Failed to pull image"));
        let message = event.filter(|_| !image::says_why(message, image)).unwrap_or(message);
        let message = image::first_cause(message, image);
        let message = if message.is_empty() { format!("{reason}: {image}") } else { message.to_owned() };
        let patience = image::patience(&message, image, self.pulled_without_secret());
        self.because(FailureType::ImageUnavailable, message, patience).briefly(reason)
    }

    /// Returns whether the kubelet pulled without the pod's pull secret, which it had not found in time.
    fn pulled_without_secret(&self) -> bool {
        let mut about = self.snapshot.events_about(self.pod.metadata.uid.as_deref());
        about.any(|event| event.reason.as_deref() == Some("FailedToRetrieveImagePullSecret"))
    }

    /// This reason has three causes, which differ in the message.
    fn no_config(&self, message: &str) -> Cause {
        let (failure, patience) = if message.contains("runAsNonRoot") || message.contains("non-root") {
            (FailureType::PolicyDenied, SECOND_LOOK)
        } else if message.contains("couldn't find key") && message.contains(OWN_SECRET) {
            (FailureType::ConfigMissing, SECOND_LOOK) // nobody adds a key to it
        } else if message.contains("couldn't find key") || message.contains("not found") {
            (FailureType::ConfigMissing, self.bounds.missing)
        } else {
            (FailureType::NotReady, PASSING) // such as a kubelet's cache that is not filled yet
        };
        self.because(failure, message.to_owned(), patience).briefly("CreateContainerConfigError")
    }

    fn not_created(&self, reason: &str, message: &str) -> Cause {
        let (failure, patience) = if message.contains("no command specified") {
            (self.crash(), SECOND_LOOK)
        } else {
            (FailureType::NotReady, PASSING)
        };
        let message = format!("the container could not be created: {message}");
        self.because(failure, message, patience).briefly(reason).advise(advice::NODE)
    }

    fn crash(&self) -> FailureType {
        if self.init { FailureType::InitFailed } else { FailureType::CrashLoop }
    }

    /// Returns the cause of a container that exits. A Job counts its own failures. A command that cannot be started
    /// stays a cause.
    fn crash_cause(&self) -> Option<Cause> {
        if self.status.ready {
            return None;
        }
        let end = last_end(self.status);
        let (reason, message) = waiting(self.status).unwrap_or_default();
        let start_error = match end {
            Some(end) if is_start_error(end.reason.as_deref()) => end.message.as_deref().unwrap_or(message),
            _ if reason == "RunContainerError" => message,
            _ => "",
        };
        if will_never_start(start_error) {
            let message = format!("the command could not be started: {start_error}");
            let mut cause =
                self.because(self.crash(), message, SECOND_LOOK).briefly("the command could not be started");
            cause.exit_code = end.map(|end| end.exit_code);
            return Some(cause);
        }
        let end = end.filter(|end| !(self.init && end.exit_code == 0))?;
        let restarts = self.exits.similar_restarts(self.pod, self.status);
        (self.workload.kind != "Job" && restarts >= SIMILAR_RESTARTS && self.is_recent(reason, end))
            .then(|| self.crash_loop(end, restarts))
    }

    /// Returns whether the end belongs to this rollout. A container that ran for days may have restarted at times.
    fn is_recent(&self, reason: &str, end: &ContainerStateTerminated) -> bool {
        let ended_ms = end.finished_at.as_ref().map_or(u64::MAX, unix_ms);
        reason == "CrashLoopBackOff" || ended_ms >= self.bounds.start_ms
    }

    fn crash_loop(&self, end: &ContainerStateTerminated, restarts: i32) -> Cause {
        let state = self.status.state.as_ref();
        let runs = state.is_some_and(|state| state.running.is_some());
        let oom = end.reason.as_deref() == Some("OOMKilled");
        let probe = self.warnings("Unhealthy").find(|message| {
            message.starts_with("Liveness probe failed") || message.starts_with("Startup probe failed")
        });
        let hook = self.warnings("FailedPostStartHook").next().is_some();
        let what = match (oom, probe) {
            (true, _) => format!("killed for using more memory than its limit{}", self.memory_limit()),
            (_, Some(_)) => "killed by the kubelet because its probe failed".to_owned(),
            (_, None) if hook => "killed by the kubelet because its postStart hook failed".to_owned(),
            (_, None) => format!("exited with code {} ({})", end.exit_code, end.reason.as_deref().unwrap_or("Error")),
        };
        let probe = probe.filter(|_| !oom).map_or_else(String::new, |probe| format!(": {}", probe.trim()));
        let said = end.message.as_deref().map_or_else(String::new, |message| format!(": {}", message.trim()));
        let failure = if oom { FailureType::OutOfMemory } else { self.crash() };
        let patience = if runs { LAST_CHANCE } else { Duration::ZERO };
        let mut cause = self.because(failure, format!("{what}{probe}, restarted {restarts} times{said}"), patience);
        if !oom && self.may_want_a_job(end) {
            cause.due = Due::Deadline;
        }
        cause.exit_code = Some(end.exit_code);
        let ended_now = state.is_some_and(|state| state.terminated.is_some());
        cause.log = if ended_now { Log::Current } else { Log::Previous };
        cause.briefly(format!("{what}, restarted {restarts} times"))
    }

    /// Returns whether the instance began before all Jobs of the release had ended: it may have crashed for want of what they
    /// make.
    fn may_want_a_job(&self, end: &ContainerStateTerminated) -> bool {
        match self.bounds.jobs {
            Jobs::Running => true,
            Jobs::Ended(ended_ms) => end.started_at.as_ref().is_some_and(|started| unix_ms(started) < ended_ms),
        }
    }

    fn memory_limit(&self) -> String {
        let limits =
            spec_of(self.pod, &self.status.name).and_then(|container| container.resources.as_ref()?.limits.as_ref());
        limits.and_then(|limits| limits.get("memory")).map_or_else(String::new, |limit| format!(" of {}", limit.0))
    }

    /// Returns the messages of this container's warnings with that reason.
    fn warnings(&self, reason: &'static str) -> impl Iterator<Item = &str> {
        let field = format!("{{{}}}", self.status.name);
        self.snapshot
            .events_about(self.pod.metadata.uid.as_deref())
            .filter(move |event| event.reason.as_deref() == Some(reason))
            .filter(move |event| event.involved_object.field_path.as_deref().is_some_and(|path| path.ends_with(&field)))
            .filter_map(|event| event.message.as_deref())
    }
}

fn is_start_error(reason: Option<&str>) -> bool {
    matches!(reason, Some("StartError" | "ContainerCannotRun"))
}

/// Returns whether the runtime's error is permanent: the command is missing or cannot be executed.
fn will_never_start(message: &str) -> bool {
    const SIGNS: [&str; 6] = [
        "no such file or directory",
        "executable file not found",
        "permission denied",
        "exec format error",
        "is a directory",
        "not a directory",
    ];
    SIGNS.iter().any(|sign| message.contains(sign))
}

/// Returns the cause of a pod that stays in `ContainerCreating` because a Secret or `ConfigMap` of a volume is missing.
/// Only events report it.
fn missing_volume(snapshot: &Snapshot, workload: &Workload, pod: &Pod, patience: Duration) -> Option<Cause> {
    let unbegun = |status| matches!(waiting(status), Some(("ContainerCreating" | "PodInitializing", _)));
    let stuck = statuses(pod).next().is_some() && statuses(pod).all(|(status, _)| unbegun(status));
    if !stuck {
        return None;
    }
    let failed = snapshot
        .events_about(pod.metadata.uid.as_deref())
        .filter(|event| event.reason.as_deref() == Some("FailedMount"));
    let (event, message) =
        failed.filter_map(|event| Some((event, event.message.as_deref()?))).find(|(_, message)| {
            let missing = message.contains("not found") || message.contains("references non-existent");
            // Every fresh namespace lacks this one for a moment. A driver is not of the namespace.
            missing && !message.contains("kube-root-ca.crt") && !message.contains("CSI driver")
        })?;
    // The duration is measured by the node's clock, because berth reads events late.
    let began_ms = event.first_timestamp.as_ref().map_or(u64::MAX, unix_ms);
    let lasted = Duration::from_millis(event_ms(event).saturating_sub(began_ms));
    let patience = patience.saturating_sub(lasted);
    let cause = Cause::new(FailureType::ConfigMissing, workload, message, Due::After(patience)).of_pod(pod);
    Some(cause.briefly("FailedMount, of a Secret or ConfigMap that does not exist"))
}
