//! Tests of `berth hooks` as a process, beside a Temporal dev server and the lab's GitHub.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]
#![expect(clippy::print_stdout, reason = "tables, times and memory are shown")]

mod claims;
mod examples;
mod flood;
mod history;
mod jobs;
mod lost_webhooks;
mod process;
mod production;
mod stand_in;
mod table;
mod token_table;
mod tokens;
mod webhooks;

/// The binary under test.
pub(crate) const BERTH: &str = env!("CARGO_BIN_EXE_berth");

/// The id of the example repository.
pub(crate) const REPOSITORY: u64 = 123_456_789;
