//! Tests of `berth ci` as the step of a job: beside `berth hooks` as a process, a Temporal dev server, and the lab's GitHub as the
//! issuer of tokens.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

mod actions;
mod away;
mod composite;
mod direct;
mod docker;
mod hooks;
mod previews;
mod production;
mod refused;
mod step;

/// The binary under test.
pub(crate) const BERTH: &str = env!("CARGO_BIN_EXE_berth");
