//! The refusal of an activity that is not admitted.

use berth_workflows::contract::verdict::FailureType;

use crate::failure::Failure;

/// A refusal that no retry can change: the same caller would send the same input.
pub(super) fn denied(message: impl Into<String>) -> Failure {
    Failure::permanent(FailureType::PolicyDenied, message)
}
