//! Tests that need a cluster: the lab's real API server and kubelet, which they share.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

#[path = "../cluster_support/mod.rs"]
mod cluster_support;

mod activities;
mod contested;
mod database;
mod dialect;
mod doppler;
mod gates;
mod installation;
mod previews;
mod script_pods;
mod worker;
