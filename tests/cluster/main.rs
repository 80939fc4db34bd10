//! Tests that need a cluster: they share the lab's API server and kubelet.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

mod activities;
mod applies;
mod claim;
mod contested;
mod cron_job_pods;
mod database;
mod dialect;
mod doppler;
mod gates;
mod in_process;
mod installation;
mod isolation;
mod oracle;
mod previews;
mod production;
mod recorded;
mod script_pods;
mod trust;
mod worker;

/// The binary under test.
pub(crate) const BERTH: &str = env!("CARGO_BIN_EXE_berth");
