//! Failures to start a script.

use berth_workflows::contract::verdict::{FailureType, Verdict};

use crate::failure::Failure;

/// A refusal for the caller: the script, `CronJob` or workload they named does not exist.
pub(super) fn refusal(message: impl Into<String>) -> Failure {
    Verdict::new(FailureType::InvalidInput, message).into()
}

pub(super) fn kubernetes_failure(kind: &str, name: &str, error: kube::Error) -> Failure {
    Failure::kubernetes(format!("{kind}/{name}").trim_end_matches('/').to_owned(), error)
}
