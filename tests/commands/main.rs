//! Tests of the `berth` binary that need no cluster.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

#[expect(dead_code, reason = "shared with tests that need other parts of it")]
#[path = "../support/mod.rs"]
mod support;

mod check;
mod preview_commands;
mod schema;
