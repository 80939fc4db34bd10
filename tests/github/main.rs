//! Tests of `berth worker` and `berth github` as processes, against the lab's GitHub and a Temporal dev server.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]
#![expect(clippy::print_stdout, reason = "what was made, counted and modelled is shown")]

mod burst_model;
mod doctor;
mod janitor;
mod late;
mod outage;
mod reports;
mod site;

/// The binary under test.
pub(crate) const BERTH: &str = env!("CARGO_BIN_EXE_berth");
