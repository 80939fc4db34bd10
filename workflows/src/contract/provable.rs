//! Messages that can carry a proof, and the content that the proof must confirm.

use std::{collections::BTreeMap, iter::once};

use crate::contract::{
    production::{ApproveRelease, Freeze, RejectRelease, Rollback, Unfreeze},
    proof::{Proof, ProofAction, ProvenContent},
    release::Image,
    signals::{Close, Push},
};

/// A message that can carry a proof.
pub trait Provable {
    /// The content that the proof must confirm, for a message to that environment.
    fn proven_content(&self, environment: &str, action: ProofAction) -> ProvenContent;

    /// The proof that came with the message.
    fn proof(&self) -> Option<&Proof>;

    /// The place of the proof in the message.
    fn proof_mut(&mut self) -> &mut Option<Box<Proof>>;

    /// Attaches a proof to the message.
    fn set_proof(&mut self, proof: Proof) {
        *self.proof_mut() = Some(Box::new(proof));
    }

    /// Takes the proof off: the message is a claim.
    fn drop_proof(&mut self) {
        *self.proof_mut() = None;
    }
}

/// The place of a proof that is the message's field `proof`.
macro_rules! proof_field {
    () => {
        fn proof(&self) -> Option<&Proof> {
            self.proof.as_deref()
        }

        fn proof_mut(&mut self) -> &mut Option<Box<Proof>> {
            &mut self.proof
        }
    };
}

impl Provable for Push {
    fn proven_content(&self, environment: &str, action: ProofAction) -> ProvenContent {
        ProvenContent {
            commit: Some(self.commit.clone()),
            images: images_of(self),
            variables: self.variables.clone(),
            actor: self.author.clone(),
            run_id: self.sequence,
            ..ProvenContent::new(environment, action)
        }
    }

    proof_field!();
}

/// All images of a push by name. The main image has the empty name, which no other one can have.
fn images_of(push: &Push) -> BTreeMap<String, Image> {
    let named = push.images.iter().map(|(name, image)| (name.to_owned(), image.clone()));
    once((String::new(), push.image.clone())).chain(named).collect()
}

impl Provable for Close {
    fn proven_content(&self, environment: &str, action: ProofAction) -> ProvenContent {
        ProvenContent { run_id: self.sequence, ..ProvenContent::new(environment, action) }
    }

    proof_field!();
}

impl Provable for ApproveRelease {
    fn proven_content(&self, environment: &str, action: ProofAction) -> ProvenContent {
        ProvenContent {
            release: Some(self.release),
            plan: Some(self.plan.clone()),
            actor: Some(self.by.clone()),
            ..ProvenContent::new(environment, action)
        }
    }

    proof_field!();
}

impl Provable for RejectRelease {
    fn proven_content(&self, environment: &str, action: ProofAction) -> ProvenContent {
        let actor = Some(self.by.clone());
        ProvenContent { release: Some(self.release), actor, ..ProvenContent::new(environment, action) }
    }

    proof_field!();
}

impl Provable for Rollback {
    fn proven_content(&self, environment: &str, action: ProofAction) -> ProvenContent {
        ProvenContent { release: self.to, actor: Some(self.by.clone()), ..ProvenContent::new(environment, action) }
    }

    proof_field!();
}

impl Provable for Freeze {
    fn proven_content(&self, environment: &str, action: ProofAction) -> ProvenContent {
        ProvenContent { actor: Some(self.by.clone()), ..ProvenContent::new(environment, action) }
    }

    proof_field!();
}

impl Provable for Unfreeze {
    fn proven_content(&self, environment: &str, action: ProofAction) -> ProvenContent {
        ProvenContent { actor: Some(self.by.clone()), ..ProvenContent::new(environment, action) }
    }

    proof_field!();
}

#[cfg(test)]
mod tests;
