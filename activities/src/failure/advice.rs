//! Advice for a person, by failure type.

use berth_workflows::contract::{environment::EnvironmentKind, verdict::FailureType};

/// Advice on a probe that has not passed.
pub(crate) const PROBE: &str =
    "Look at what the probe checks. The app may need more time, or something that it cannot reach.";
/// Advice on a container that has exited with an error.
pub(crate) const EXITS: &str = "The container exits with an error. Its last log lines say why; run the image locally.";
/// Advice on a container that its node does not start.
pub(crate) const NODE: &str =
    "The node cannot start the container yet. The message and the events say what it waits for.";
/// Advice on an init container that does not end.
pub(crate) const INIT_WAITS: &str =
    "The pod's containers start one after the other, once this one has exited with code 0. See what it waits for.";
/// Advice on a Job that does not end.
pub(crate) const JOB_RUNS: &str =
    "A release waits for its Jobs. See what the Job does; if it needs longer, give it an activeDeadlineSeconds.";
/// Advice on a state that only the cluster's administrators can change.
pub(crate) const CLUSTER: &str = "The cluster itself causes it. Ask the cluster's administrators.";
/// Advice on a class that does not exist.
pub(crate) const CLASS: &str = "Correct the class's name in the manifests, or have the cluster's administrators make it. Previews may have other classes.";
/// Advice on a Job whose template cannot be changed.
pub(crate) const IMMUTABLE_JOB: &str = "Give the Job a name of its own in each release, such as `migrate-$KUBE_DEPLOY_ID`, or push again when it has ended.";
/// Advice on the bounds of a `LimitRange`.
pub(crate) const LIMIT_RANGE: &str =
    "Change the container's requests and limits in the manifests so that they fit the namespace's LimitRange.";

/// Advice on a connection of a preview that timed out.
const CONNECT_TIMEOUT: &str = "A connection timed out. Previews reach public addresses and their own database only: `isolation.egress_allow` in the app file opens a network.";
/// Texts of clients for a connection that was not answered, in lower case.
const CONNECT_TIMEOUTS: [&str; 9] = [
    "connection timed out", // errno of Linux, and most languages
    "operation timed out",
    "etimedout",         // Node
    "i/o timeout",       // Go
    "connecttimeout",    // Python's requests and httpx
    "connect timed out", // Java
    "connect timeout",
    "failed: timeout expired", // libpq
    "connection timeout",
];

/// Returns the advice for a log with a connection that timed out. Networks are closed to previews, and packets to them dropped.
pub(crate) fn connect_timeout(kind: EnvironmentKind, log: &str) -> Option<&'static str> {
    let log = log.to_lowercase();
    let has_timed_out = CONNECT_TIMEOUTS.iter().any(|text| log.contains(text));
    (has_timed_out && matches!(kind, EnvironmentKind::Preview { .. })).then_some(CONNECT_TIMEOUT)
}

/// Returns one line of advice for each failure that a rollout can have.
pub(crate) fn advice(failure: FailureType) -> &'static str {
    match failure {
        FailureType::ImageUnavailable => {
            "Check that the image with this digest was pushed, and that the environment's pull secret may read it."
        }
        FailureType::CrashLoop => {
            "The container exits or fails its liveness probe. Its last log lines say why; run the image locally."
        }
        FailureType::OutOfMemory => "Raise the container's memory limit in the manifests, or reduce its memory use.",
        FailureType::InitFailed => {
            "The init container must exit with code 0 first. Its last log lines say why it does not."
        }
        FailureType::JobFailed => "The Job used up its attempts. Its last log lines say why; a new push runs it again.",
        FailureType::ConfigMissing => {
            "Add the key in Doppler, or correct the name of the Secret, key, ConfigMap or account in the manifests."
        }
        FailureType::QuotaExceeded => {
            "Lower the requests and limits in the manifests, or raise the quota in the app file."
        }
        FailureType::PolicyDenied => {
            "Correct the pod's security settings in the manifests, or the app file's isolation, as the message says."
        }
        FailureType::AdmissionDenied => {
            "An admission policy of the cluster refuses it. Ask the cluster's administrators."
        }
        FailureType::FieldImmutable => {
            "Keep the field as it is, or rename the object: berth removes the old one once the new one serves."
        }
        FailureType::KubernetesDenied => {
            "Berth's rights in the cluster do not allow it. Ask the people who installed berth."
        }
        FailureType::ManifestInvalid => "Correct the manifest as the message says; `berth check` finds most of these.",
        FailureType::NotObserved => {
            "Nothing could be seen of the release. Check the Kubernetes API server and berth's rights, then push again."
        }
        FailureType::NoCapacity => {
            "The cluster has no node with room for it; the release is not at fault. Add nodes, close environments, or lower the requests."
        }
        FailureType::GateFailed => {
            "The pods run but do not pass the gate. Try its request on a pod with kubectl port-forward."
        }
        _ => "The message says what the release waits for; `kubectl describe` of its pods shows more.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connection_that_timed_out_advises_egress_allow_in_previews() {
        let preview = EnvironmentKind::Preview { pr: 7 };
        for log in [
            "psycopg.OperationalError: connection to server at \"10.1.2.3\", port 5432 failed: timeout expired",
            "Error: connect ETIMEDOUT 10.1.2.3:6379",
            "dial tcp 10.1.2.3:443: i/o timeout",
            "java.net.SocketTimeoutException: Connect timed out",
            "[Errno 110] Connection timed out",
            "requests.exceptions.ConnectTimeout: HTTPConnectionPool(host='10.1.2.3', port=80)",
        ] {
            assert!(connect_timeout(preview, log).unwrap().contains("egress_allow"), "{log}");
            assert_eq!(connect_timeout(EnvironmentKind::Production, log), None, "{log}");
        }
        for log in ["", "connection refused", "the request timed out", "timeout: 30"] {
            assert_eq!(connect_timeout(preview, log), None, "{log}");
        }
    }
}
