//! What berth does to the world: Kubernetes, Doppler, gates.
//!
//! Every activity here is idempotent (a second try changes nothing), heartbeats while it lasts, obeys cancellation,
//! and tells "not yet" (an error, retried) from "never" (a typed failure, or a verdict as its result).

mod activities;
mod context;
pub mod database;
pub mod environment;
pub mod failure;
#[cfg(test)]
mod fake_api_server;
pub mod gates;
pub mod heartbeat;
mod kubernetes;
mod redaction;
pub mod release;
pub mod rollout;
pub mod script;
pub mod secrets;
mod settings;

pub use activities::Activities;
pub use context::Context;
pub use settings::Settings;
