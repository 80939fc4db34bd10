//! Pods and their containers.

use FailureType::{
    ConfigMissing, CrashLoop, ImageUnavailable, InitFailed, NoCapacity, NotReady, OutOfMemory, PolicyDenied,
};
use Means::{Nothing, Verdict};
use Of::{Ended, EndedPod, Pod, Running, Waiting};
use When::{Capacity, Deadline, Minute, Soon};

use super::*;

pub(super) const STATES: &[State] = &[
    state(
        Waiting,
        "ContainerCreating",
        Verdict(NotReady, Deadline, "creating_without_a_word", "waits (ContainerCreating)"),
    ),
    state(Waiting, "PodInitializing", Nothing("the pod's init containers are looked at first")),
    state(Waiting, "CrashLoopBackOff", Verdict(CrashLoop, Soon, "crash_loop", "restarted 3 times")),
    state(Waiting, "CrashLoopBackOff of an init container", Verdict(InitFailed, Soon, "init", "exited with code 1")),
    state(Waiting, "CrashLoopBackOff of a sidecar", Verdict(CrashLoop, Soon, "sidecar_crashing", "exited with code 3")),
    state(
        Waiting,
        "CrashLoopBackOff after one restart",
        Verdict(NotReady, Deadline, "init_exits", "exited with code 3"),
    ),
    state(Waiting, "ErrImagePull", Verdict(ImageUnavailable, Soon, "image_not_found", "not found")),
    state(
        Waiting,
        "ErrImagePull of a silent registry",
        Verdict(ImageUnavailable, Minute, "registry_unreachable", "no such host"),
    ),
    state(Waiting, "ErrImagePull of a denial", Verdict(ImageUnavailable, Soon, "image-denied", "401")),
    state(Waiting, "ImagePullBackOff", Verdict(ImageUnavailable, Soon, "image_not_found_backing_off", "not found")),
    state(Waiting, "ImageInspectError", Verdict(ImageUnavailable, Minute, "image_inspect_error", "layer not known")),
    state(Waiting, "RegistryUnavailable", Verdict(ImageUnavailable, Minute, "registry_unavailable", "unavailable")),
    state(Waiting, "SignatureValidationFailed", Verdict(ImageUnavailable, Minute, "signature_not_valid", "signature")),
    state(Waiting, "ErrImageNeverPull", Verdict(ImageUnavailable, Soon, "image_never_pulled", "not present")),
    state(
        Waiting,
        "InvalidImageName",
        Verdict(ImageUnavailable, Soon, "image_name_not_valid", "invalid reference format"),
    ),
    state(
        Waiting,
        "CreateContainerConfigError of a Secret",
        Verdict(ConfigMissing, Soon, "secret_missing", "not found"),
    ),
    state(
        Waiting,
        "CreateContainerConfigError of a key",
        Verdict(ConfigMissing, Soon, "key_missing", "couldn't find key"),
    ),
    state(
        Waiting,
        "CreateContainerConfigError of a key in Doppler's Secret",
        Verdict(ConfigMissing, Soon, "key_of_doppler_missing", "couldn't find key"),
    ),
    state(Waiting, "CreateContainerConfigError of root", Verdict(PolicyDenied, Soon, "runs_as_root", "run as root")),
    state(
        Waiting,
        "CreateContainerConfigError of a cache",
        Verdict(NotReady, Minute, "config_not_read_yet", "timed out"),
    ),
    state(Waiting, "CreateContainerError", Verdict(NotReady, Minute, "container_not_created", "could not be created")),
    state(
        Waiting,
        "CreateContainerError without a command",
        Verdict(CrashLoop, Soon, "no_command", "no command specified"),
    ),
    state(Waiting, "PreCreateHookError", Verdict(NotReady, Minute, "pre_create_hook", "hook failed")),
    state(Waiting, "PreStartHookError", Verdict(NotReady, Minute, "pre_start_hook", "hook failed")),
    state(
        Waiting,
        "PostStartHookError",
        Verdict(CrashLoop, Soon, "post_start_hook_fails", "its postStart hook failed"),
    ),
    state(Waiting, "RunContainerError", Verdict(CrashLoop, Soon, "run_container_error", "could not be started")),
    state(Ended, "Error", Verdict(CrashLoop, Soon, "crash-loop", "exited with code 1")),
    state(Ended, "Completed", Verdict(CrashLoop, Soon, "ends_with_zero", "exited with code 0")),
    state(Ended, "OOMKilled", Verdict(OutOfMemory, Soon, "out_of_memory", "limit of 64Mi")),
    state(Ended, "StartError", Verdict(CrashLoop, Soon, "command_missing", "no such file or directory")),
    state(Ended, "ContainerCannotRun", Verdict(CrashLoop, Soon, "command_cannot_run", "exec format error")),
    state(Ended, "ContainerStatusUnknown", Verdict(NotReady, Deadline, "status_unknown", "ContainerStatusUnknown")),
    state(Running, "a liveness probe fails", Verdict(CrashLoop, Soon, "liveness_kill", "Liveness probe failed")),
    state(Running, "a startup probe has not passed", Verdict(NotReady, Deadline, "startup_probe", "startup probe")),
    state(Running, "a readiness probe has not passed", Verdict(NotReady, Deadline, "not_ready", "readiness probe")),
    state(
        Running,
        "an init container has not ended",
        Verdict(NotReady, Deadline, "init-waits", "wait-for-nothing of pod"),
    ),
    state(
        Running,
        "a sidecar has not started",
        Verdict(NotReady, Deadline, "sidecar_does_not_start", "a sidecar, runs, but its startup probe"),
    ),
    state(
        Running,
        "a postStart hook has not ended",
        Verdict(NotReady, Deadline, "post_start_hook_hangs", "postStart hook has not ended"),
    ),
    state(Pod, "PodScheduled: Unschedulable, no room", Verdict(NoCapacity, Capacity, "no_room", "no node has room")),
    state(
        Pod,
        "PodScheduled: Unschedulable, no node fits",
        Verdict(NoCapacity, Capacity, "no_node_fits", "no node fits"),
    ),
    state(Pod, "PodScheduled: Unschedulable, no claim", Verdict(ConfigMissing, Soon, "claim_missing", "not found")),
    state(
        Pod,
        "PodScheduled: Unschedulable, claim not bound",
        Verdict(NotReady, Capacity, "claim_unbound", "claim data is not bound"),
    ),
    state(
        Pod,
        "PodScheduled: Unschedulable, no StorageClass",
        Verdict(ConfigMissing, Soon, "storage_class_missing", "\"fast\""),
    ),
    state(Pod, "PodScheduled: SchedulingGated", Verdict(NotReady, Deadline, "scheduling_gate", "example.com/quota")),
    state(Pod, "PodScheduled: SchedulerError", Verdict(NotReady, Deadline, "scheduler_error", "SchedulerError")),
    state(Pod, "Initialized: False", Verdict(NotReady, Deadline, "init-waits", "init container wait-for-nothing")),
    state(Pod, "ContainersReady: False", Nothing("the containers are looked at")),
    state(Pod, "Ready: ContainersNotReady", Nothing("the containers are looked at")),
    state(
        Pod,
        "Ready: ReadinessGatesNotReady",
        Verdict(NotReady, Deadline, "gated", "readiness gate example.com/in-the-load-balancer"),
    ),
    state(Pod, "Ready: any other reason", Verdict(NotReady, Deadline, "node_lost", "NodeStatusUnknown")),
    state(Pod, "PodReadyToStartContainers: False", Verdict(NotReady, Deadline, "sandbox_fails", "no runtime")),
    state(Pod, "DisruptionTarget", Nothing("the pod is being ended, and its owner makes another one")),
    state(Pod, "PodResizePending", Nothing("a pod of a new release has its size from its template")),
    state(Pod, "PodResizeInProgress", Nothing("a pod of a new release has its size from its template")),
    state(
        EndedPod,
        "Evicted, for its own limit",
        Verdict(NotReady, Soon, "evicted_for_its_own_limit", "ephemeral local storage"),
    ),
    state(
        EndedPod,
        "Evicted, by a full node",
        Verdict(NotReady, Deadline, "evicted_by_a_full_node", "low on resource"),
    ),
    state(EndedPod, "UnexpectedAdmissionError", Verdict(NotReady, Soon, "refused_by_the_node", "no devices available")),
    state(EndedPod, "AppArmor", Verdict(NotReady, Soon, "profile_missing", "profile \"web\" is not loaded")),
    state(
        EndedPod,
        "NodeShutdown, Terminated, Preempting",
        Nothing("another node takes the next pod; named at the deadline"),
    ),
];
