//! Tests of the `berth` binary that need no cluster.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

mod check;
mod dependencies;
mod documents;
mod exit_codes;
mod hooks;
mod kubernetes;
mod preview_commands;
mod production_commands;
mod schema;
mod search_attributes;
mod worker_away;

/// The binary under test.
pub(crate) const BERTH: &str = env!("CARGO_BIN_EXE_berth");
