//! The effects of berth: Kubernetes, Doppler, databases, gates.
//!
//! Every activity is idempotent, heartbeats while it lasts and obeys cancellation. It keeps "not yet" (an error, which
//! is retried) apart from "never" (a typed failure, or a verdict as its result).

mod activities;
mod admission;
mod context;
pub mod database;
pub mod environment;
#[cfg(test)]
mod examples;
pub mod failure;
#[cfg(test)]
mod fake_api_server;
pub mod gates;
pub mod github;
pub mod heartbeat;
pub mod janitor;
pub mod jwt;
mod kubernetes;
pub mod production;
pub mod proof;
mod redaction;
pub mod release;
pub mod rollout;
pub mod script;
pub mod secrets;
mod settings;
mod unix_time;

pub use activities::Activities;
pub use context::Context;
pub use kubernetes::{client::kubernetes_client, further_kind::look_up_kind, labels};
pub use settings::{IngressAddress, Networks, Serve, Settings};
