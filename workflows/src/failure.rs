//! Conversion of an activity's or a rollout's failure: a verdict to show, or a cancellation.

use temporalio_common::error::{ApplicationFailure, IncomingError};
use temporalio_workflow::{ActivityExecutionError, ChildWorkflowExecutionError};

use crate::contract::{
    rollout::{FailedRollout, Made},
    verdict::{FailureType, Verdict},
};

/// The reason why a step did not finish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfinished {
    /// A newer push, a close or a cancel stopped it.
    Cancelled,
    Failed(Box<Verdict>),
}

impl From<Verdict> for Unfinished {
    fn from(verdict: Verdict) -> Self {
        Self::Failed(Box::new(verdict))
    }
}

/// Converts an activity's failure. `otherwise` is the failure type of one that has none of berth's.
pub fn from_activity(error: &ActivityExecutionError, otherwise: FailureType) -> Unfinished {
    if error.as_cancelled().is_some() {
        return Unfinished::Cancelled;
    }
    let Some(cause) = application(error.cause()) else {
        // No attempt reported a cause: the activity timed out.
        let message =
            format!("no worker completed the activity in time: {}", innermost(error.cause(), &error.to_string()));
        return Verdict::new(FailureType::NotReady, message)
            .advise("check that a worker runs (its readiness and its log), then push again, or signal redeploy")
            .into();
    };
    // A permanent failure carries a verdict. A retryable one that ran out of time has only a type and a message.
    if let Ok(Some(verdict)) = cause.details::<Verdict>() {
        return verdict.into();
    }
    let failure = cause.type_name().and_then(FailureType::from_name).unwrap_or(otherwise);
    let message = cause.source_error().to_string();
    // The activity's message begins with the type, for readers of temporal-ui. A verdict has a field for the type.
    let message = message.strip_prefix(&format!("{failure}: ")).unwrap_or(&message).to_owned();
    Verdict::new(failure, message).into()
}

/// Converts the failure of a `Rollout`, and returns the objects that it had made by then.
pub fn from_rollout(error: &ChildWorkflowExecutionError) -> (Unfinished, Made) {
    if error.as_cancelled().is_some() {
        return (Unfinished::Cancelled, Made::default());
    }
    if let Some(IncomingError::Application(failure)) = error.cause()
        && let Ok(Some(failed)) = failure.details::<FailedRollout>()
    {
        return (failed.verdict.into(), failed.made);
    }
    let message = format!("the rollout did not report: {}", innermost(error.cause(), &error.to_string()));
    // Nothing is known of it: objects of the release may be there.
    let made = Made { touched: true, ..Made::default() };
    (Verdict::new(FailureType::NotReady, message).advise("push again, or signal redeploy").into(), made)
}

/// The first application failure in the chain. For a timeout it is the last attempt's.
fn application(mut cause: Option<&IncomingError>) -> Option<&ApplicationFailure> {
    while let Some(error) = cause {
        if let IncomingError::Application(failure) = error {
            return Some(failure);
        }
        cause = error.cause();
    }
    None
}

fn innermost(mut cause: Option<&IncomingError>, fallback: &str) -> String {
    let mut message = fallback.to_owned();
    while let Some(error) = cause {
        message.clone_from(&error.failure().message);
        cause = error.cause();
    }
    message
}
