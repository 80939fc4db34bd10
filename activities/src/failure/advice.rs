//! What a person may do about a failure.

use berth_workflows::contract::verdict::FailureType;

/// One line on what to do, for each failure that a rollout can have.
pub(crate) fn advice(failure: FailureType) -> &'static str {
    match failure {
        FailureType::ImageUnavailable => {
            "Check that the image with this digest was pushed, and that the environment's pull secret may read it."
        }
        FailureType::CrashLoop => {
            "The container ends by itself or fails its liveness probe: its last log lines say why; run the image locally."
        }
        FailureType::OutOfMemory => "Raise the container's memory limit in the manifests, or make it use less.",
        FailureType::InitFailed => {
            "The init container has to end with code 0 first: its last log lines say why it does not."
        }
        FailureType::JobFailed => "The Job used up its attempts: its last log lines say why; a new push runs it again.",
        FailureType::ConfigMissing => {
            "Add the key in Doppler, or correct the name of the Secret, key, ConfigMap or account in the manifests."
        }
        FailureType::QuotaExceeded => {
            "Ask for less in the manifests' requests and limits, or raise the quota in the app file."
        }
        FailureType::PolicyDenied => {
            "Correct the pod's security settings in the manifests, or the app file's isolation, as the message says."
        }
        FailureType::AdmissionDenied => "The cluster's own admission policy refuses it: ask whoever runs the cluster.",
        FailureType::FieldImmutable => {
            "Keep the field as it is or give the object another name: berth removes the old one once the new one serves."
        }
        FailureType::KubernetesDenied => "Berth's rights in the cluster do not allow it: ask whoever installed berth.",
        FailureType::ManifestInvalid => "Correct the manifest as the message says; `berth check` finds most of these.",
        FailureType::NoCapacity => {
            "The release is not to blame: the cluster has no node for it. Add nodes, close environments, or ask for less."
        }
        FailureType::GateFailed => {
            "The pods run but do not do what the gate asks: try its request on a pod with kubectl port-forward."
        }
        _ => "See what the probe checks, and whether the app needs longer or something that it cannot reach.",
    }
}
