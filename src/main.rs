//! berth: runs the life of deployment environments on Kubernetes, as Temporal workflows.

use std::process::ExitCode;

use clap::Parser;

mod check;
mod cli;
mod exit;
mod preview;
mod schema;
mod telemetry;
mod temporal;
mod worker;

use cli::{Cli, Command};

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    // kube, reqwest and the Temporal client share one TLS provider; without this the first of them would have to guess.
    // An error means that one is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    telemetry::install(&cli.telemetry);
    let done = match cli.command {
        // A worker's end is a line of its log, in the log's format.
        Command::Worker(worker) => {
            return worker.run().await.unwrap_or_else(|error| exit::failed_worker(&error));
        }
        Command::Preview(preview) => preview.run().await,
        Command::Check(check) => check.run(),
        Command::Schema(schema) => schema.run(),
    };
    done.unwrap_or_else(|error| exit::failed(&error))
}
