//! The activity `check_proof`: whether a message is proved, or a claim like any other.

use berth_workflows::contract::proof::{CheckProofInput, MAX_PROOF_AGE_SECONDS, ProofChecked};

use super::ProofKeys;

/// Compares a proof with the message that carried it, by signature, fields and age.
///
/// Safe to repeat: it reads nothing but its input and the keys, and the age is that at the message's arrival.
pub fn check_proof(keys: &ProofKeys, check: &CheckProofInput) -> ProofChecked {
    match refusal(keys, check) {
        None => ProofChecked { proved: true, reason: String::new() },
        Some(reason) => ProofChecked { proved: false, reason },
    }
}

/// The reason why a message is not proved. The signature comes first: without it, the other fields are anybody's.
fn refusal(keys: &ProofKeys, CheckProofInput { proof, content, received_ms }: &CheckProofInput) -> Option<String> {
    if keys.is_empty() {
        return Some("this worker has no public keys (its flag --proof-keys)".to_owned());
    }
    if !keys.verify(proof) {
        return Some("no key of this worker has signed the proof".to_owned());
    }
    if let Some(field) = content.first_difference(&proof.claims) {
        return Some(format!("the proof is for another message: `{field}` differs"));
    }
    let age = (received_ms / 1000).abs_diff(proof.claims.at);
    (age > MAX_PROOF_AGE_SECONDS).then(|| {
        format!("the proof was signed {age} s before or after the message came, the limit is {MAX_PROOF_AGE_SECONDS} s")
    })
}
