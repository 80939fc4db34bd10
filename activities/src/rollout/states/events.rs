//! Warning events, by their reason.

use FailureType::{ConfigMissing, CrashLoop, ImageUnavailable, JobFailed, NoCapacity, NotReady, QuotaExceeded};
use Means::{Nothing, Verdict};
use Of::Event;
use When::{Capacity, Deadline, Soon};

use super::*;

const CONDITION: &str = "a condition or status says it too";
const LATER: &str = "it happens while a pod ends, which holds no rollout";
const NODE: &str = "it is about a node, whose pods say what they lack";
const SERVICE: &str = "it is about a Service or its endpoints: the gate `endpoints` looks at these";
const SCALER: &str = "it is about an autoscaler, which holds no rollout";
const BUDGET: &str = "it is about a disruption budget, which holds no rollout";
const CRON: &str = "it is about a CronJob, which a rollout does not wait for";
const REMARK: &str = "a remark: the pod goes on";
const VOLUME: &str = "it is about a volume that is in use already or is removed";

pub(super) const STATES: &[State] = &[
    // The kubelet, about pods.
    state(Event, "Failed", Verdict(ImageUnavailable, Soon, "image_back_off_of_an_older_kubelet", "not found")),
    state(Event, "BackOff", Nothing(CONDITION)),
    state(Event, "ErrImageNeverPull", Nothing(CONDITION)),
    state(Event, "InspectFailed", Nothing(CONDITION)),
    state(Event, "FailedToRetrieveImagePullSecret", Nothing("a denied pull then gets another one; a test of its own")),
    state(Event, "Unhealthy", Verdict(NotReady, Deadline, "not_ready", "statuscode: 503")),
    state(Event, "ProbeWarning", Nothing(REMARK)),
    state(Event, "FailedPostStartHook", Verdict(CrashLoop, Soon, "post_start_hook_fails", "postStart hook")),
    state(Event, "FailedPreStopHook", Nothing(LATER)),
    state(Event, "ExceededGracePeriod", Nothing(LATER)),
    state(Event, "FailedKillPod", Nothing(LATER)),
    state(
        Event,
        "FailedMount of a missing object",
        Verdict(ConfigMissing, Soon, "secret_volume_missing", "\"absent\" not found"),
    ),
    state(
        Event,
        "FailedMount",
        Verdict(NotReady, Deadline, "volume_driver_missing", "FailedMount: MountVolume.SetUp failed"),
    ),
    state(Event, "FailedAttachVolume", Verdict(NotReady, Deadline, "volume_not_attached", "Multi-Attach error")),
    state(Event, "FailedMapVolume", Verdict(NotReady, Deadline, "volume_not_mapped", "FailedMapVolume")),
    state(Event, "FailedMountOnFilesystemMismatch", Nothing("FailedMount comes with it")),
    state(Event, "AlreadyMountedVolume", Nothing(REMARK)),
    state(Event, "VolumePermissionChangeInProgress", Nothing("the container waits; named with it at the deadline")),
    state(Event, "VolumeResizeFailed", Nothing(VOLUME)),
    state(Event, "FileSystemResizeFailed", Nothing("FailedMount comes with it")),
    state(Event, "VolumeConditionAbnormal", Nothing(VOLUME)),
    state(Event, "FailedCreatePodSandBox", Verdict(NotReady, Deadline, "sandbox_fails", "FailedCreatePodSandBox")),
    state(Event, "FailedPodSandBoxStatus", Nothing("the kubelet makes the sandbox anew")),
    state(Event, "FailedCreatePodContainer", Nothing("the container waits; named with it at the deadline")),
    state(Event, "NetworkNotReady", Verdict(NotReady, Deadline, "network_not_ready", "cni plugin not initialized")),
    state(
        Event,
        "FailedPrepareDynamicResources",
        Verdict(NotReady, Deadline, "devices_not_prepared", "claim is not allocated"),
    ),
    state(Event, "FailedSync", Nothing("the kubelet repeats what failed; its own event comes with it")),
    state(Event, "FailedValidation", Nothing("static pods only")),
    state(Event, "PossibleMemoryBackedVolumesOnDisk", Nothing(REMARK)),
    state(Event, "DNSConfigForming", Nothing(REMARK)),
    state(Event, "MissingClusterDNS", Nothing(REMARK)),
    state(Event, "CheckLimitsForResolvConf", Nothing(REMARK)),
    state(Event, "LifecycleHTTPFallback", Nothing(REMARK)),
    state(Event, "MultipleSELinuxLabels", Nothing(REMARK)),
    state(Event, "Preempting", Nothing("the pod ends, and its owner makes another one")),
    state(Event, "Evicted", Verdict(NotReady, Soon, "evicted_for_its_own_limit", "Evicted")),
    state(
        Event,
        "UnexpectedAdmissionError",
        Verdict(NotReady, Soon, "refused_by_the_node", "UnexpectedAdmissionError"),
    ),
    state(Event, "AppArmor", Verdict(NotReady, Soon, "profile_missing", "AppArmor")),
    state(Event, "PodLevelResourcesNotSupported", Nothing("as AppArmor: the node refuses the pod")),
    // The kubelet, about its node.
    state(Event, "NodeNotReady", Nothing("the pod's condition Ready says it too")),
    state(Event, "Rebooted", Nothing(NODE)),
    state(Event, "SystemOOM", Nothing(NODE)),
    state(Event, "EvictionThresholdMet", Nothing(NODE)),
    state(Event, "FreeDiskSpaceFailed", Nothing(NODE)),
    state(Event, "InvalidDiskCapacity", Nothing(NODE)),
    state(Event, "ImageGCFailed", Nothing(NODE)),
    state(Event, "ContainerGCFailed", Nothing(NODE)),
    state(Event, "KubeletSetupFailed", Nothing(NODE)),
    state(Event, "FailedNodeAllocatableEnforcement", Nothing(NODE)),
    state(Event, "CgroupV1", Nothing(NODE)),
    // The scheduler, volumes and devices.
    state(Event, "FailedScheduling", Verdict(NoCapacity, Capacity, "no_room", "Insufficient cpu")),
    state(Event, "ProvisioningFailed", Verdict(NotReady, Capacity, "claim_unbound", "no space left")),
    state(Event, "FailedBinding", Nothing("the scheduler says that the claim is not bound")),
    state(Event, "VolumeMismatch", Nothing("the scheduler says that the claim is not bound")),
    state(Event, "ClaimLost", Nothing("the scheduler says that the claim is not bound")),
    state(Event, "ClaimMisbound", Nothing("the scheduler says that the claim is not bound")),
    state(Event, "ProvisioningCleanupFailed", Nothing(VOLUME)),
    state(Event, "VolumeFailedRecycle", Nothing(VOLUME)),
    state(Event, "VolumeFailedDelete", Nothing(VOLUME)),
    state(Event, "VolumeUnknownReclaimPolicy", Nothing(VOLUME)),
    state(Event, "ExternalExpanding", Nothing(VOLUME)),
    state(
        Event,
        "FailedResourceClaimCreation",
        Verdict(NotReady, Deadline, "claim_of_devices_refused", "PodResourceClaim gpu"),
    ),
    // Controllers of workloads.
    state(Event, "FailedCreate", Verdict(QuotaExceeded, Soon, "daemon_set_refused", "exceeded quota")),
    state(Event, "FailedDelete", Nothing(LATER)),
    state(Event, "ReplicaSetCreateError", Nothing(CONDITION)),
    state(Event, "SelectingAll", Nothing("the API server refuses an empty selector of berth's kinds")),
    state(Event, "FailedDaemonPod", Nothing("the DaemonSet makes the pod anew; the ended pods say why")),
    state(Event, "BackoffLimitExceeded", Verdict(JobFailed, Soon, "job", "BackoffLimitExceeded")),
    state(Event, "DeadlineExceeded", Nothing(CONDITION)),
    state(Event, "PodFailurePolicy", Nothing(CONDITION)),
    state(Event, "MaxFailedIndexesExceeded", Nothing(CONDITION)),
    state(Event, "FailedIndexes", Nothing(CONDITION)),
    state(Event, "TooManySucceededPods", Nothing("the Job is done")),
    state(Event, "UnknownCompletionMode", Nothing("the API server refuses such a Job")),
    state(Event, "OwnerRefInvalidNamespace", Nothing("it is about an owner that berth does not write")),
    // Autoscalers, budgets, CronJobs, Services.
    state(Event, "FailedGetScale", Nothing(SCALER)),
    state(Event, "FailedRescale", Nothing(SCALER)),
    state(Event, "FailedComputeMetricsReplicas", Nothing(SCALER)),
    state(Event, "FailedUpdateStatus", Nothing(SCALER)),
    state(Event, "SelectorRequired", Nothing(SCALER)),
    state(Event, "InvalidSelector", Nothing(SCALER)),
    state(Event, "AmbiguousSelector", Nothing(SCALER)),
    state(Event, "ConflictingController", Nothing(SCALER)),
    state(Event, "NoPods", Nothing(BUDGET)),
    state(Event, "CalculateExpectedPodCountFailed", Nothing(BUDGET)),
    state(Event, "UnmanagedPods", Nothing(BUDGET)),
    state(Event, "MultiplePodDisruptionBudgets", Nothing(BUDGET)),
    state(Event, "NotDeleted", Nothing(BUDGET)),
    state(Event, "UnparseableSchedule", Nothing(CRON)),
    state(Event, "UnParseableCronJobSchedule", Nothing(CRON)),
    state(Event, "UnsupportedSchedule", Nothing(CRON)),
    state(Event, "InvalidSchedule", Nothing(CRON)),
    state(Event, "UnknownTimeZone", Nothing(CRON)),
    state(Event, "TooManyMissedTimes", Nothing(CRON)),
    state(Event, "MissSchedule", Nothing(CRON)),
    state(Event, "UnexpectedJob", Nothing(CRON)),
    state(Event, "FailedGet", Nothing(CRON)),
    state(Event, "FailedToUpdateEndpoint, FailedToCreateEndpoint, FailedToUpdateEndpointSlices", Nothing(SERVICE)),
    state(
        Event,
        "FailedToListPods, FailedToListEndpointSlices, TooManyAddressesToMirror, InvalidIPAddress",
        Nothing(SERVICE),
    ),
    state(
        Event,
        "ClusterIP…, IPAddress…, HostIPsIPFamilyMismatch, ServiceCIDRFull, KubernetesServiceCIDRError",
        Nothing(SERVICE),
    ),
    state(Event, "Port…, UnknownError", Nothing(SERVICE)),
    state(Event, "FailedToStartProxierHealthcheck, FailedToStartMetricServer", Nothing(NODE)),
];
