//! Writes that take place only if the object is still as it was read.

use berth_workflows::contract::verdict::FailureType;

use crate::failure::Failure;

/// How often a write is repeated after a conflict. Controllers write a status a few times in a second at most.
pub(crate) const TRIES: usize = 5;

/// The version for an object that must not exist. No object has it. The API server compares versions only where an object
/// exists, so an apply with it creates the object, or is a conflict.
const ABSENT: &str = "1";

/// Returns the `metadata.resourceVersion` to apply with, from the version that was read.
pub(crate) fn precondition(read: Option<&str>) -> &str {
    read.unwrap_or(ABSENT)
}

/// Returns whether the object is no longer as it was read.
pub(crate) fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409)
}

/// The failure after the last conflict.
pub(crate) fn contested(name: &str) -> Failure {
    let message = format!("{name} was changed by others during each of {TRIES} attempts to write it");
    Failure::transient(FailureType::NotObserved, message)
}
