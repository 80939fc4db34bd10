//! Proofs of pushes. A push never waits for its proof, which changes only how the push is shown.
//!
//! The proof of a close is not checked: nothing shows who has sent it.

use std::{collections::VecDeque, convert::Infallible};

use temporalio_workflow::WorkflowContext;

use super::PreviewEnvironment;
use crate::{
    contract::{
        proof::{CheckProofInput, ProofAction},
        provable::Provable,
        release::Release,
        signals::Push,
    },
    environment::{answers::detached, proofs::check_proof, publish::publish},
};

/// How many proofs wait at most for their check. So many come only in a flood.
const KEPT: usize = 20;

/// Proofs that are still to be checked, each with the release that it is about. Not carried: a run continues as new when all
/// are checked.
#[derive(Debug, Default)]
pub(super) struct PushProofs(VecDeque<(CheckProofInput, Release)>);

impl PushProofs {
    /// Whether every proof is checked.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl PreviewEnvironment {
    /// Takes the proof of a push in, if it has one.
    pub(super) fn note_proof(&mut self, push: &Push, received_ms: u64) {
        let (Some(proof), Ok(input)) = (push.proof(), &self.input) else { return };
        if self.proofs.0.len() >= KEPT {
            return self.record.notes.add(format!("push {}: it is a claim: too many proofs wait", push.commit.short()));
        }
        let content = push.proven_content(&input.workflow_id(), ProofAction::Deploy);
        let check = CheckProofInput { proof: proof.clone(), content, received_ms };
        self.proofs.0.push_back((check, push.release()));
    }

    /// Checks one proof after the other, for ever.
    pub(super) async fn check_proofs(ctx: &WorkflowContext<Self>) -> Infallible {
        loop {
            // A detached wait is not cancelled, so there is no error to look at.
            let _ =
                ctx.wait_condition_with_options(|s| !s.proofs.is_empty() && !s.record.is_recalling(), detached()).await;
            let Some((check, release)) = ctx.state(|s| s.proofs.0.front().cloned()) else { continue };
            let doubt = check_proof(ctx, check).await;
            ctx.state_mut(|s| {
                s.proofs.0.pop_front();
                match doubt {
                    None => s.record.mark_proved(&release),
                    Some(why) => {
                        let commit = release.commit.short();
                        s.record.notes.add(format!("push {commit}: its proof does not hold, so it is a claim: {why}"));
                    }
                }
            });
            publish(ctx);
        }
    }
}
