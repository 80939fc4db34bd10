//! The lab: a real Kubernetes and a real Temporal on one machine, with stand-ins only for what nobody can run at home.
//!
//! A supervisor process holds everything that a lab is made of. People start one with `cargo lab up` or `cargo lab demo`;
//! tests share one through [`Lab::shared`]. Neither can forget to end it: it ends with its last user, however that ends.

pub mod cli;
mod cluster;
mod commands;
mod images;
mod lab;
mod life;
mod machine;
mod parts;
mod services;

pub use commands::image::worker_manifests;
pub use lab::Lab;
pub use life::clean::check_clean;
pub use services::doppler::{DopplerServer, Failure, doppler_cli};
pub use services::postgres::{PASSWORD as POSTGRES_PASSWORD, Postgres, USER as POSTGRES_USER};
pub use services::temporal::{DevServer, temporal_cli};
