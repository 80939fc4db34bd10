//! Tests of workflows on a real Temporal dev server, with fake activities, and the replay of recorded histories.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

mod approvals;
mod bad_input;
mod carried_state;
mod confirm_closed;
mod cron_jobs;
mod janitor;
mod looks;
mod model;
mod named_images;
mod not_observed;
mod overtaken;
mod preview_database;
mod preview_environment;
mod preview_memory;
mod preview_rollouts;
mod preview_same_task;
mod preview_teardown;
mod production;
mod production_events;
mod production_long;
mod production_same_task;
mod proofs;
mod pull_request;
mod replay;
mod report_commands;
mod reports;
mod scripts;
mod trust;
