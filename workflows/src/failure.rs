//! Conversion of an activity's or a rollout's failure: a verdict to show, or a cancellation.

use temporalio_common::error::{ApplicationFailure, IncomingError};
use temporalio_workflow::{ActivityExecutionError, ChildWorkflowExecutionError};

use crate::contract::{
    heartbeat::Heartbeat,
    rollout::{FailedRollout, Made},
    verdict::{FailureType, Verdict},
};

const LOOK_AGAIN: &str =
    "check the worker, the Kubernetes API server and berth's rights in it; then push again, or signal redeploy";

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
    convert(error, |failure| failure.unwrap_or(otherwise))
}

/// Converts the failure of an activity that only looks at the release. Without a verdict it has seen nothing: missing
/// rights and a bug of berth's are no fault of the release. Nor is a caller that is not admitted: the verdict of a look is
/// a result of it.
pub fn from_observation(error: &ActivityExecutionError) -> Unfinished {
    match from_stored(error) {
        Unfinished::Failed(verdict) if verdict.failure == FailureType::PolicyDenied => {
            not_observed(verdict.headline(), None)
        }
        unfinished => unfinished,
    }
}

/// Converts the failure of the apply of a stored release. Without a verdict it says nothing about the release: its worker
/// was stopped, or berth's rights were missing.
pub fn from_stored(error: &ActivityExecutionError) -> Unfinished {
    convert(error, |failure| match failure {
        None | Some(FailureType::KubernetesDenied) => FailureType::NotObserved,
        Some(failure) => failure,
    })
}

/// Nothing could be seen of the release, for this reason, since this unix time in milliseconds.
pub fn not_observed(reason: String, since_ms: Option<u64>) -> Unfinished {
    let verdict = Verdict::new(FailureType::NotObserved, reason).advise(LOOK_AGAIN);
    Verdict { unseen_since_ms: since_ms, ..verdict }.into()
}

/// `type_of` gives the type of a failure without a verdict, from the one that it reports.
fn convert(error: &ActivityExecutionError, type_of: impl FnOnce(Option<FailureType>) -> FailureType) -> Unfinished {
    if error.as_cancelled().is_some() {
        return Unfinished::Cancelled;
    }
    if let ActivityExecutionError::Serialization(why) = error {
        let message = format!("the result of the activity cannot be read by this version of berth: {why}");
        return match type_of(None) {
            FailureType::NotObserved => not_observed(message, None),
            failure => Verdict::new(failure, message).into(),
        };
    }
    let Some(cause) = application(error.cause()) else {
        // No attempt reported a cause: the activity timed out.
        let cause = innermost(error.cause(), &error.to_string());
        let reason = format!("no worker completed the activity in time: {cause}");
        return not_observed(reason, last_seen_ms(error.cause()));
    };
    // A permanent failure carries a verdict. A retryable one that ran out of time has only a type and a message.
    if let Ok(Some(verdict)) = cause.details::<Verdict>() {
        return verdict.into();
    }
    let reported = cause.type_name().and_then(FailureType::from_name);
    let message = cause.source_error().to_string();
    // The activity's message begins with the type, for readers of temporal-ui. A verdict has a field for the type.
    let message =
        reported.and_then(|failure| message.strip_prefix(&format!("{failure}: "))).unwrap_or(&message).to_owned();
    match type_of(reported) {
        FailureType::NotObserved => not_observed(message, last_seen_ms(error.cause())),
        failure => Verdict::new(failure, message).into(),
    }
}

/// Whether an activity has failed for good: it would fail again.
pub fn is_permanent(error: &ActivityExecutionError) -> bool {
    // A timeout has the last attempt's failure as its cause.
    matches!(error.cause(), Some(IncomingError::Application(failure)) if failure.is_non_retryable())
}

/// The reason why a write failed, and whether it would fail again. None: it was cancelled.
pub fn refusal(error: &ActivityExecutionError) -> Option<(String, bool)> {
    match from_activity(error, FailureType::NotObserved) {
        Unfinished::Cancelled => None,
        Unfinished::Failed(verdict) => Some((verdict.message, is_permanent(error))),
    }
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

/// Returns the unix time in milliseconds at which an activity that timed out last saw something, if it said so.
fn last_seen_ms(mut cause: Option<&IncomingError>) -> Option<u64> {
    while let Some(error) = cause {
        if let IncomingError::Timeout(timeout) = error
            && let Ok(Some(heartbeat)) = timeout.last_heartbeat_details::<Heartbeat>()
        {
            return Some(heartbeat.seen_ms);
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
