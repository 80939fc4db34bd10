//! The worker's rights in a namespace that has just been made: the authorizer hears of its `RoleBinding` a moment later.

use std::time::Duration;

use k8s_openapi::{api::core::v1::Namespace, jiff::Timestamp};

use crate::failure::is_final_refusal;

/// For so long a 403 may only say that the rights have not got about yet. By the clocks of two machines: generous.
const YOUNG: Duration = Duration::from_secs(60);

/// Most often it is less than this; each wait is twice as long as the one before.
const FIRST_WAIT: Duration = Duration::from_millis(20);
/// Together five seconds. What takes longer than that is said, and tried again by the retry policy.
const WAITS: u32 = 8;

/// What a 403 means in a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rbac {
    /// It is a refusal.
    InForce,
    /// It may pass within moments: the request is made again in place, since an attempt more of an activity costs more.
    Propagating,
}

impl Rbac {
    /// In a namespace that was found: it may be this young because somebody else has just made it for this environment.
    pub(crate) fn from_age(namespace: &Namespace) -> Self {
        Self::at(namespace, Timestamp::now())
    }

    fn at(namespace: &Namespace, now: Timestamp) -> Self {
        let created = namespace.metadata.creation_timestamp.as_ref();
        let is_young = created.is_some_and(|created| now.duration_since(created.0).as_secs_f64() < YOUNG.as_secs_f64());
        if is_young { Self::Propagating } else { Self::InForce }
    }

    /// Sends a request, and again while a 403 may pass.
    pub(crate) async fn request<T, F>(self, send: impl Fn() -> F) -> kube::Result<T>
    where
        F: Future<Output = kube::Result<T>>,
    {
        if self == Self::Propagating {
            for doubled in 0..WAITS {
                match send().await {
                    Err(error) if may_pass(&error) => tokio::time::sleep(FIRST_WAIT * 2_u32.pow(doubled)).await,
                    answer => return answer,
                }
            }
        }
        send().await
    }
}

/// What an admission policy refuses is a decision, and stays one.
fn may_pass(error: &kube::Error) -> bool {
    let kube::Error::Api(status) = error else { return false };
    status.code == 403 && !is_final_refusal(&status.message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_young_namespace_is_waited_for_also_by_a_clock_that_is_behind() {
        let namespace = |created: &str| -> Namespace {
            serde_json::from_value(json!({"metadata": {"creationTimestamp": created}})).unwrap()
        };
        let now: Timestamp = "2026-01-01T12:00:00Z".parse().unwrap();
        for (created, rbac) in [
            ("2026-01-01T11:59:59Z", Rbac::Propagating),
            ("2026-01-01T12:00:30Z", Rbac::Propagating),
            ("2026-01-01T11:58:59Z", Rbac::InForce),
            ("2025-01-01T12:00:00Z", Rbac::InForce),
        ] {
            assert_eq!(Rbac::at(&namespace(created), now), rbac, "{created}");
        }
        assert_eq!(Rbac::at(&Namespace::default(), now), Rbac::InForce);
    }

    #[test]
    fn a_refusal_by_the_authorizer_may_pass_and_one_by_a_policy_or_of_another_kind_does_not() {
        let api = |code, message: &str| {
            kube::Error::Api(Box::new(kube::core::Status { code, message: message.into(), ..Default::default() }))
        };
        assert!(may_pass(&api(403, "secrets is forbidden: User \"berth\" cannot create resource \"secrets\"")));
        assert!(!may_pass(&api(403, "ValidatingAdmissionPolicy 'x' with binding 'x' denied request: no")));
        assert!(!may_pass(&api(404, "namespaces \"pr-1\" not found")) && !may_pass(&api(409, "conflict")));
        assert!(!may_pass(&kube::Error::LinesCodecMaxLineLengthExceeded));
    }
}
