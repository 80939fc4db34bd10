//! Proofs of messages: checked in the worker that runs the workflow, within the task that brings the message.
//!
//! The check is a local activity: it takes one event of history, and a message without a proof takes none.

use temporalio_workflow::WorkflowContext;

use crate::{
    activity_options as options,
    contract::{
        activity_definitions as activities,
        proof::{CheckProofInput, ProofChecked},
        verdict::{FailureType, truncate},
    },
    failure::{self, Unfinished},
};

/// Bound on the reason why a proof does not hold. It is in notes and answers.
const MAX_REASON_BYTES: usize = 160;

/// Checks a proof. Returns the reason why it does not hold; none if it does. A check that does not end in time says nothing
/// about the message, which then counts as a claim.
pub async fn check_proof<W>(ctx: &WorkflowContext<W>, check: CheckProofInput) -> Option<String> {
    let summary = format!("the proof of {}", check.content.action.name());
    let checked = ctx.execute_local_activity(activities::CheckProof, check, options::check_proof(summary)).await;
    let mut why = match checked {
        Ok(ProofChecked { proved: true, .. }) => return None,
        Ok(ProofChecked { reason, .. }) => reason,
        Err(error) => match failure::from_activity(&error, FailureType::NotObserved) {
            Unfinished::Failed(verdict) => format!("it could not be checked: {}", verdict.message),
            Unfinished::Cancelled => "its check was cancelled".to_owned(),
        },
    };
    truncate(&mut why, MAX_REASON_BYTES);
    Some(why)
}
