//! The lab: a real Kubernetes and a real Temporal on one machine, with stand-ins only for hosted services.
//!
//! A supervisor process holds all parts of a lab. People start one with `cargo lab up` or `cargo lab demo`; tests share one
//! through [`Lab::shared`]. It ends with its last user, even if that is killed.
//!
//! - `cli`, `commands`: `cargo lab`, a file per command
//! - `lab`: the lab for tests
//! - `life`: how a lab is planned, started, held, joined and cleaned up
//! - `cluster`: Kubernetes: control plane, nodes, DNS, ingress controller
//! - `services`: Temporal, the Doppler stand-in, PostgreSQL, the image registry, the sample apps
//! - `github`: the stand-in for GitHub
//! - `images`: the images of a full lab
//! - `parts`: programs, built from Go modules or fetched as Python wheels, and Debian packages
//! - `machine`: folders, locks, processes, ports and networks
//!
//! Each uses only those below it.

pub mod cli;
mod cluster;
mod commands;
pub mod github;
mod images;
mod lab;
mod life;
mod machine;
mod parts;
mod services;

pub use cluster::kubectl::kubectl;
pub use commands::image::worker_manifests;
pub use images::ProgramRegistry;
pub use lab::Lab;
pub use life::clean::check_clean;
pub use machine::process::kill;
pub use services::doppler::{DopplerServer, Failure, doppler_cli};
pub use services::postgres::{NAME as POSTGRES_NAME, PASSWORD as POSTGRES_PASSWORD, Postgres, USER as POSTGRES_USER};
pub use services::temporal::{DevServer, temporal_cli};
