//! Code that several test binaries share, compiled once.
//!
//! - [`Berth`]: a pull request on a lab, a [`Worker`] that serves it, and the [`Commands`] that a person would type.
//! - [`lab_production`]: the same for production.
//! - [`preview`]: a pull request on a Temporal dev server, with a worker of fake activities.
//! - [`production`]: production there.
//! - [`until()`]: waiting, within a bound.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]
#![expect(clippy::print_stderr, reason = "a log is shown where a test fails")]

mod berth;
mod commands;
pub mod fake_activities;
pub mod fake_github;
pub mod fake_janitor;
pub mod fake_production;
pub mod foreign;
pub mod histories;
mod hooks_process;
pub mod lab_production;
pub mod other_version;
pub mod preview;
pub mod production;
mod settings;
mod until;
mod worker;
mod worker_switch;

pub use berth::Berth;
pub use commands::{Answer, Begun, Commands};
pub use hooks_process::{HOOKS_PATIENCE, HooksProcess, HooksServed, PUBLIC_URL};
pub use preview::commit;
pub use settings::settings;
pub use until::{found_within, holds_within, until};
pub use worker::Worker;
