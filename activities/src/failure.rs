//! The failure of an activity: permanent, with a verdict for a person, or transient, to be retried.

pub(crate) mod advice;
mod message;

use std::time::Duration;

use berth_workflows::contract::verdict::{FailureType, Verdict};
use temporalio_sdk::{ApplicationFailure, activities::ActivityError};

/// An activity's failure.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A failure that another attempt would repeat.
    #[error("{}", .0.headline())]
    Permanent(Box<Verdict>),
    /// A failure that may pass by itself. The retry policy bounds the attempts.
    #[error("{message}")]
    Transient {
        failure: FailureType,
        message: String,
        /// The pause that the other side asked for.
        retry_after: Option<Duration>,
        #[source]
        source: Option<anyhow::Error>,
    },
}

impl Failure {
    /// A failure that no retry can fix.
    pub fn permanent(failure: FailureType, message: impl Into<String>) -> Self {
        Self::from(Verdict::new(failure, message))
    }

    /// A failure that may pass.
    pub fn transient(failure: FailureType, message: impl Into<String>) -> Self {
        Self::Transient { failure, message: message.into(), retry_after: None, source: None }
    }

    /// The failure that the API server's answer to `what` means.
    ///
    /// 400, 405, 413 and 422 mean that the request itself is wrong: permanent.
    ///
    /// 401 and 403 are retried within the step's bound. A fresh namespace answers 403 until its quota has a status, its
    /// default service account exists and its `RoleBinding` has propagated.
    ///
    /// Any other answer is retried. 429, 5xx and no answer at all say nothing about the request: `NotObserved`.
    pub fn kubernetes(what: impl Into<String>, error: kube::Error) -> Self {
        Self::answered(&what.into(), error, refusal)
    }

    /// The failure that the answer to applying `object` (`Kind/name`) means. Like [`Failure::kubernetes`], but 400 and
    /// 422 mean that the manifest is wrong.
    pub fn applying(object: &str, error: kube::Error) -> Self {
        Self::answered(&format!("applying {object}"), error, manifest_refusal)
    }

    fn answered(what: &str, error: kube::Error, invalid: fn(&str) -> FailureType) -> Self {
        match &error {
            kube::Error::Api(status) => {
                let message = format!("{what}: {}", message::readable(status));
                match status.code {
                    400 | 422 => Self::refused(invalid(&status.message), message),
                    405 | 413 => Self::refused(refusal(&status.message), message),
                    // Server-side apply answers so to a field that the kind lacks, and to a list with a duplicate
                    // entry.
                    500 if status.message.contains(MALFORMED) => Self::refused(FailureType::ManifestInvalid, message),
                    403 if is_final_refusal(&status.message) => Self::refused(refusal(&status.message), message),
                    code => Self::transient(passing(code, &status.message), message),
                }
            }
            _ => Self::Transient {
                failure: FailureType::NotObserved,
                message: format!("{what}: the Kubernetes API did not answer: {error}"),
                retry_after: None,
                source: Some(error.into()),
            },
        }
    }
}

impl Failure {
    fn refused(failure: FailureType, message: String) -> Self {
        let is_of_job = failure == FailureType::FieldImmutable && message.starts_with("applying Job/");
        let advice = if is_of_job { advice::IMMUTABLE_JOB } else { advice::advice(failure) };
        Verdict::new(failure, message).advise(advice).into()
    }
}

/// Parts of the API server's messages about an immutable field. Each kind has its own.
const IMMUTABLE_SIGNS: [&str; 6] = [
    "field is immutable",
    "may not change once set",
    "updates to statefulset spec for fields other than", // a StatefulSet's volume claims, its service's name
    "is immutable after creation",                       // a PersistentVolumeClaim's spec
    "cannot change roleRef",
    "may not be changed in an update", // a PriorityClass's value
];

const MALFORMED: &str = "failed to create typed patch object";

/// Returns whether an admission policy or webhook refused. Its refusal is a decision, not a state of a new namespace.
pub(crate) fn is_final_refusal(message: &str) -> bool {
    message.contains("admission webhook") || message.contains("ValidatingAdmissionPolicy")
}

fn refusal(message: &str) -> FailureType {
    if IMMUTABLE_SIGNS.iter().any(|sign| message.contains(sign)) {
        FailureType::FieldImmutable
    } else if message.contains("exceeded quota") || message.contains("failed quota") {
        FailureType::QuotaExceeded
    } else if is_final_refusal(message) {
        FailureType::AdmissionDenied
    } else {
        FailureType::KubernetesDenied
    }
}

/// The type of an answer that may pass.
fn passing(code: u16, message: &str) -> FailureType {
    match refusal(message) {
        FailureType::KubernetesDenied if code == 429 || code >= 500 => FailureType::NotObserved,
        known => known,
    }
}

/// The type of a refused manifest. Unknown reasons are the manifest's fault, because missing rights answer 401 or 403.
fn manifest_refusal(message: &str) -> FailureType {
    match refusal(message) {
        FailureType::KubernetesDenied => FailureType::ManifestInvalid,
        known => known,
    }
}

impl From<Verdict> for Failure {
    fn from(verdict: Verdict) -> Self {
        Self::Permanent(Box::new(verdict.bounded()))
    }
}

impl Failure {
    /// Notes that it comes from a later attempt of an apply: an earlier one may have written objects before it was cut off,
    /// even if the release is refused now.
    pub fn of_attempt(mut self, attempt: u32) -> Self {
        if let Self::Permanent(verdict) = &mut self {
            verdict.retried = attempt > 1;
        }
        self
    }

    /// Converts to the error that Temporal gets. Not a `From`: the SDK converts every error type, and would lose the
    /// failure type.
    pub fn into_activity_error(self) -> ActivityError {
        let failure = ApplicationFailure::builder(anyhow::anyhow!("{self}"));
        match self {
            Self::Permanent(verdict) => failure
                .type_name(verdict.failure.name().to_owned())
                .non_retryable(true) // Another attempt would get the same answer.
                .details(*verdict)
                .build(),
            Self::Transient { failure: kind, retry_after, .. } => {
                failure.type_name(kind.name().to_owned()).maybe_next_retry_delay(retry_after).build()
            }
        }
        .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api(code: u16, message: &str) -> Failure {
        let status = kube::core::Status { code, message: message.into(), ..Default::default() };
        Failure::applying("Deployment/web", kube::Error::Api(Box::new(status)))
    }

    #[test]
    fn an_invalid_object_is_permanent_unlike_a_conflict_or_an_outage() {
        for (code, permanent) in
            [(422, true), (400, true), (403, false), (404, false), (409, false), (429, false), (500, false)]
        {
            assert_eq!(matches!(api(code, "no"), Failure::Permanent(_)), permanent, "{code}");
        }
    }

    #[test]
    fn a_server_that_does_not_serve_says_nothing_about_the_request() {
        for (code, failure) in [
            (403, FailureType::KubernetesDenied),
            (404, FailureType::KubernetesDenied),
            (429, FailureType::NotObserved),
            (500, FailureType::NotObserved),
            (503, FailureType::NotObserved),
        ] {
            assert_eq!(type_of(&api(code, "no")), failure, "{code}");
        }
        assert_eq!(type_of(&api(500, "pods \"web\" is forbidden: exceeded quota: q")), FailureType::QuotaExceeded);
        let lost = Failure::kubernetes("listing pods", kube::Error::LinesCodecMaxLineLengthExceeded);
        assert_eq!(type_of(&lost), FailureType::NotObserved);
    }

    #[test]
    fn an_unknown_field_is_permanent_although_the_server_answers_500() {
        let words = "failed to create typed patch object (pr-1/x; /v1, Kind=ConfigMap): .metadata.X: field not declared in schema";
        assert!(matches!(api(500, words), Failure::Permanent(v) if v.failure == FailureType::ManifestInvalid));
    }

    fn type_of(failure: &Failure) -> FailureType {
        match failure {
            Failure::Permanent(verdict) => verdict.failure,
            Failure::Transient { failure, .. } => *failure,
        }
    }

    #[test]
    fn an_immutable_field_is_distinguished_from_an_admission_refusal() {
        for immutable in [
            "Deployment.apps \"web\" is invalid: spec.selector: Invalid value: …: field is immutable",
            "Service \"web\" is invalid: spec.clusterIPs[0]: Invalid value: []string{\"None\"}: may not change once set",
            "StatefulSet.apps \"db\" is invalid: spec: Forbidden: updates to statefulset spec for fields other than \
             'replicas', 'ordinals', 'template', 'updateStrategy' and 'minReadySeconds' are forbidden",
            "PersistentVolumeClaim \"data\" is invalid: spec: Forbidden: spec is immutable after creation except \
             resources.requests and volumeAttributesClassName for bound claims",
            "RoleBinding.rbac.authorization.k8s.io \"web\" is invalid: roleRef: Invalid value: …: cannot change roleRef",
            "PriorityClass.scheduling.k8s.io \"web\" is invalid: value: Forbidden: may not be changed in an update.",
        ] {
            assert_eq!(type_of(&api(422, immutable)), FailureType::FieldImmutable, "{immutable}");
        }
        let webhook = "admission webhook \"policy.example.com\" denied the request: no";
        assert!(matches!(api(403, webhook), Failure::Permanent(v) if v.failure == FailureType::AdmissionDenied));
    }

    #[test]
    fn other_refusals_of_an_applied_object_blame_its_manifest() {
        for (code, words) in [
            (
                422,
                "Deployment.apps \"web\" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0",
            ),
            (400, "Deployment in version \"v1\" cannot be handled as a Deployment: json: cannot unmarshal string"),
        ] {
            let failure = api(code, words);
            assert_eq!(type_of(&failure), FailureType::ManifestInvalid, "{words}");
            let Failure::Permanent(verdict) = failure else { panic!("{words}: may pass") };
            assert!(verdict.advice.contains("Correct the manifest"), "{}", verdict.advice);
        }
        assert_eq!(type_of(&api(422, "admission webhook \"a.example.com\" denied it")), FailureType::AdmissionDenied);
        assert_eq!(type_of(&api(403, "deployments.apps is forbidden")), FailureType::KubernetesDenied);
        let status = kube::core::Status { code: 422, message: "no".into(), ..Default::default() };
        let deleting = Failure::kubernetes("deleting Deployment/web", kube::Error::Api(Box::new(status)));
        assert_eq!(type_of(&deleting), FailureType::KubernetesDenied, "no manifest was sent");
    }

    #[test]
    fn refusal_of_a_later_attempt_says_so() {
        for (attempt, expected) in [(1, false), (2, true)] {
            let failure = Failure::permanent(FailureType::PolicyDenied, "no").of_attempt(attempt);
            assert!(matches!(failure, Failure::Permanent(verdict) if verdict.retried == expected), "attempt {attempt}");
        }
    }
}
