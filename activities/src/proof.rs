//! Proofs of messages: `berth hooks` signs them, and the worker verifies them with public keys.

mod check_proof;
mod keys;

pub use check_proof::check_proof;
pub use keys::{ProofKeys, SigningKey};

#[cfg(test)]
mod tests;
