//! RBAC in a new namespace. The authorizer sees the namespace's `RoleBinding` a moment after it was created.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::ObjectMeta, jiff::Timestamp};

use crate::failure::is_final_refusal;

/// A namespace younger than this may answer 403 because its `RoleBinding` has not propagated. Generous: two clocks are
/// compared.
const YOUNG: Duration = Duration::from_secs(60);

/// The first pause. Most delays are shorter. Each pause is twice as long as the one before.
const FIRST_WAIT: Duration = Duration::from_millis(20);
/// The number of pauses, five seconds together. A longer delay is an error, which the retry policy retries.
const WAITS: usize = 8;

/// The meaning of a 403 in a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rbac {
    /// A 403 is a refusal.
    InForce,
    /// A 403 may pass within moments. The request is repeated in place: another attempt of the activity would cost
    /// more.
    Propagating,
}

impl Rbac {
    /// Decides by the age of an existing namespace or `RoleBinding`. It may be this young if an earlier attempt created
    /// it.
    pub(crate) fn from_age(metadata: &ObjectMeta) -> Self {
        Self::at(metadata, Timestamp::now())
    }

    fn at(metadata: &ObjectMeta, now: Timestamp) -> Self {
        let created = metadata.creation_timestamp.as_ref();
        let is_young = created.is_some_and(|created| now.duration_since(created.0).as_secs_f64() < YOUNG.as_secs_f64());
        if is_young { Self::Propagating } else { Self::InForce }
    }

    /// Sends a request, and repeats it while a 403 may pass.
    pub(crate) async fn request<T, F>(self, send: impl Fn() -> F) -> kube::Result<T>
    where
        F: Future<Output = kube::Result<T>>,
    {
        if self == Self::Propagating {
            let pauses = ExponentialBuilder::new().with_min_delay(FIRST_WAIT).with_max_times(WAITS);
            return send.retry(pauses).when(may_pass).await;
        }
        send().await
    }
}

/// Returns whether the error is a 403 of the authorizer. An admission policy's refusal is a decision and does not pass.
fn may_pass(error: &kube::Error) -> bool {
    let kube::Error::Api(status) = error else { return false };
    status.code == 403 && !is_final_refusal(&status.message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_young_namespace_is_propagating_even_if_clocks_differ() {
        let metadata =
            |created: &str| -> ObjectMeta { serde_json::from_value(json!({"creationTimestamp": created})).unwrap() };
        let now: Timestamp = "2026-01-01T12:00:00Z".parse().unwrap();
        for (created, rbac) in [
            ("2026-01-01T11:59:59Z", Rbac::Propagating),
            ("2026-01-01T12:00:30Z", Rbac::Propagating),
            ("2026-01-01T11:58:59Z", Rbac::InForce),
            ("2025-01-01T12:00:00Z", Rbac::InForce),
        ] {
            assert_eq!(Rbac::at(&metadata(created), now), rbac, "{created}");
        }
        assert_eq!(Rbac::at(&ObjectMeta::default(), now), Rbac::InForce);
    }

    #[test]
    fn only_the_authorizers_refusal_may_pass() {
        let api = |code, message: &str| {
            kube::Error::Api(Box::new(kube::core::Status { code, message: message.into(), ..Default::default() }))
        };
        assert!(may_pass(&api(403, "secrets is forbidden: User \"berth\" cannot create resource \"secrets\"")));
        assert!(!may_pass(&api(403, "ValidatingAdmissionPolicy 'x' with binding 'x' denied request: no")));
        assert!(!may_pass(&api(404, "namespaces \"pr-1\" not found")) && !may_pass(&api(409, "conflict")));
        assert!(!may_pass(&kube::Error::LinesCodecMaxLineLengthExceeded));
    }
}
