//! What an activity's or a rollout's failure means: a verdict to show, or that it was stopped.

use temporalio_common::error::{ApplicationFailure, IncomingError};
use temporalio_workflow::{ActivityExecutionError, ChildWorkflowExecutionError};

use crate::contract::{
    rollout::{FailedRollout, Made},
    verdict::{FailureType, Verdict},
};

/// Why a step did not get to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfinished {
    /// Somebody asked for it: a newer push, a close, a cancel.
    Cancelled,
    Failed(Box<Verdict>),
}

impl From<Verdict> for Unfinished {
    fn from(verdict: Verdict) -> Self {
        Self::Failed(Box::new(verdict))
    }
}

/// What an activity's failure means. `otherwise` is the failure type for a failure that has none of ours.
pub fn of_activity(error: &ActivityExecutionError, otherwise: FailureType) -> Unfinished {
    if error.as_cancelled().is_some() {
        return Unfinished::Cancelled;
    }
    let Some(cause) = application(error.cause()) else {
        // No attempt has said what is wrong, so nobody is to blame but who should have answered.
        let message = format!("no worker did it in its time: {}", innermost(error.cause(), &error.to_string()));
        return Verdict::new(FailureType::NotReady, message)
            .advise("see that a worker runs (its readiness and its log), then push again, or signal redeploy")
            .into();
    };
    // What is final comes with a verdict of its own; what was given up on has but a type and words.
    if let Ok(Some(verdict)) = cause.details::<Verdict>() {
        return verdict.into();
    }
    let failure = cause.type_name().and_then(FailureType::from_name).unwrap_or(otherwise);
    let message = cause.source_error().to_string();
    // The activity's own text begins with the type, for those who read it in temporal-ui; a verdict has it apart.
    let message = message.strip_prefix(&format!("{failure}: ")).unwrap_or(&message).to_owned();
    Verdict::new(failure, message).into()
}

/// How a `Rollout` that did not succeed ended, and what it had made by then.
pub fn of_rollout(error: &ChildWorkflowExecutionError) -> (Unfinished, Made) {
    if error.as_cancelled().is_some() {
        return (Unfinished::Cancelled, Made::default());
    }
    if let Some(IncomingError::Application(failure)) = error.cause()
        && let Ok(Some(failed)) = failure.details::<FailedRollout>()
    {
        return (failed.verdict.into(), failed.made);
    }
    let message = format!("the rollout did not report: {}", innermost(error.cause(), &error.to_string()));
    (Verdict::new(FailureType::NotReady, message).advise("push again, or signal redeploy").into(), Made::default())
}

/// The first failure of an activity's own in the chain, which for a time-out is the last attempt's.
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
