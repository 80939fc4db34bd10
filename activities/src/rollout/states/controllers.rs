//! Controllers, and what they are refused.

use FailureType::{
    AdmissionDenied, ConfigMissing, CrashLoop, JobFailed, ManifestInvalid, NotReady, PolicyDenied, QuotaExceeded,
};
use Means::{Nothing, Verdict};
use Of::{DaemonSet, Deployment, Job, Refused, StatefulSet};
use When::{Deadline, Minute, Soon};

use super::*;

pub(super) const STATES: &[State] = &[
    state(Deployment, "Available: False", Nothing("the counts of the status decide, as with kubectl")),
    state(
        Deployment,
        "Progressing: ProgressDeadlineExceeded",
        Nothing("the release has a deadline of its own, and a written one counts"),
    ),
    state(
        Deployment,
        "Progressing: ReplicaSetCreateError",
        Verdict(AdmissionDenied, Soon, "replica_set_refused", "Failed to create new replica set"),
    ),
    state(Deployment, "Progressing: DeploymentPaused", Verdict(NotReady, Soon, "paused", "its rollout is paused")),
    state(Deployment, "Progressing: any other reason", Nothing("it progresses")),
    state(Deployment, "ReplicaFailure: FailedCreate", Verdict(QuotaExceeded, Soon, "quota_exceeded", "exceeded quota")),
    state(
        Deployment,
        "ReplicaFailure: FailedDelete",
        Nothing("old pods stay; the API server's refusal is berth's own"),
    ),
    state(
        Deployment,
        "minReadySeconds beyond the deadline",
        Verdict(NotReady, Deadline, "min_ready_seconds", "minReadySeconds"),
    ),
    state(
        Deployment,
        "an old pod that does not end",
        Verdict(NotReady, Deadline, "old_pod_does_not_end", "web-4c7e-fghij is still ending"),
    ),
    state(
        Deployment,
        "an old pod that a finalizer holds",
        Verdict(NotReady, Deadline, "old_pod_is_held", "its finalizer example.com/drain"),
    ),
    state(
        StatefulSet,
        "a pod of an earlier revision is broken, and kept",
        Verdict(NotReady, Soon, "stateful_set_waits_for_a_kept_pod", "pod db-0 of an earlier revision"),
    ),
    state(
        StatefulSet,
        "a pod of an earlier revision is not ready",
        Verdict(NotReady, Deadline, "stateful_set_waits_for_a_running_pod", "pod db-0 of an earlier revision"),
    ),
    state(StatefulSet, "a command of the new revision is missing", Verdict(CrashLoop, Soon, "healed", "/nope")),
    state(
        StatefulSet,
        "a pod of the new revision is broken",
        Verdict(CrashLoop, Soon, "stateful_set_crashes", "exited with code 1"),
    ),
    state(
        StatefulSet,
        "FailedCreate of a claim",
        Verdict(QuotaExceeded, Soon, "claim_of_a_stateful_set_refused", "persistentvolumeclaims"),
    ),
    state(DaemonSet, "FailedCreate", Verdict(QuotaExceeded, Soon, "daemon_set_refused", "exceeded quota")),
    state(Job, "Failed: BackoffLimitExceeded", Verdict(JobFailed, Soon, "job_failed", "exited with code 42")),
    state(
        Job,
        "FailureTarget: DeadlineExceeded",
        Verdict(JobFailed, Soon, "job_too_late", "longer than specified deadline"),
    ),
    state(Job, "Failed: PodFailurePolicy", Verdict(JobFailed, Soon, "job_policy", "matching FailJob rule")),
    state(Job, "Failed: MaxFailedIndexesExceeded", Verdict(JobFailed, Soon, "job_indexes", "failed indexes")),
    state(Job, "Failed: FailedIndexes", Verdict(JobFailed, Soon, "job_some_indexes", "failed indexes")),
    state(Job, "an attempt has failed", Verdict(JobFailed, Deadline, "tries", "1 attempt has failed so far")),
    state(
        Job,
        "attempts have failed",
        Verdict(JobFailed, Deadline, "job_tries_again", "3 attempts have failed so far, the last exited with code 3"),
    ),
    state(Job, "its container restarts", Verdict(JobFailed, Deadline, "job_restarts", "4 attempts have failed so far")),
    state(Job, "it runs", Verdict(NotReady, Deadline, "job_runs", "migrate of pod migrate-0 runs and has not ended")),
    state(Job, "Suspended", Verdict(NotReady, Soon, "suspended", "it is suspended")),
    state(
        Job,
        "suspended by a manager",
        Verdict(NotReady, Deadline, "job_suspended_by_a_manager", "until kueue.x-k8s.io/multikueue starts it"),
    ),
    state(Job, "SuccessCriteriaMet", Nothing("it is about to be complete")),
    state(Job, "Complete: CompletionsReached, SuccessPolicy", Nothing("the Job is done")),
    state(
        Refused,
        "status unknown for quota",
        Verdict(QuotaExceeded, Minute, "quota_not_counted_yet", "status unknown"),
    ),
    state(Refused, "exceeded quota", Verdict(QuotaExceeded, Soon, "quota", "exceeded quota")),
    state(Refused, "failed quota", Verdict(QuotaExceeded, Soon, "quota_needs_limits", "must specify")),
    state(Refused, "insufficient quota to match these scopes", Verdict(QuotaExceeded, Soon, "quota_scope", "scopes")),
    state(
        Refused,
        "a LimitRange's maximum",
        Verdict(QuotaExceeded, Soon, "limit_range_maximum", "maximum memory usage"),
    ),
    state(Refused, "a LimitRange's ratio", Verdict(QuotaExceeded, Soon, "limit_range_ratio", "ratio")),
    state(Refused, "PodSecurity", Verdict(PolicyDenied, Soon, "pod_security", "violates PodSecurity")),
    state(Refused, "a webhook that denies", Verdict(AdmissionDenied, Soon, "webhook_denies", "denied")),
    state(
        Refused,
        "a webhook that does not answer",
        Verdict(AdmissionDenied, Minute, "webhook_unreachable", "failed calling webhook"),
    ),
    state(Refused, "a ValidatingAdmissionPolicy", Verdict(AdmissionDenied, Soon, "policy_denies", "denied request")),
    state(Refused, "no ServiceAccount", Verdict(ConfigMissing, Minute, "account_missing", "service account pr-1/web")),
    state(Refused, "no PriorityClass", Verdict(ConfigMissing, Soon, "priority", "name absent")),
    state(Refused, "no RuntimeClass", Verdict(ConfigMissing, Soon, "runtime", "\"absent\"")),
    state(Refused, "a namespace that ends", Verdict(NotReady, Minute, "namespace_ends", "being terminated")),
    state(Refused, "any other admission", Verdict(PolicyDenied, Soon, "refused_for_another_reason", "conflict")),
    state(Refused, "an invalid pod", Verdict(ManifestInvalid, Soon, "pod_not_valid", "is invalid")),
    state(
        Refused,
        "a condition that keeps its first message",
        Verdict(PolicyDenied, Soon, "condition_of_a_first_refusal", "violates PodSecurity"),
    ),
];
