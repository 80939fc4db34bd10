//! Code that several test binaries share, compiled once.
//!
//! - [`preview`]: a pull request's environment on a Temporal dev server, with a worker of fake activities.
//! - [`fake_activities`]: the smallest double that a workflow can run against.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

pub mod fake_activities;
pub mod preview;
