//! Oracles: what `envsubst` and kubectl make of manifests, beside what berth makes of them.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

mod berth;
mod grammar;
mod text;
