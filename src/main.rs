//! berth: runs the life of deployment environments on Kubernetes, as Temporal workflows.

use std::process::ExitCode;

use clap::Parser;

mod arguments;
mod check;
mod ci;
mod cli;
mod envelope;
mod exchange;
mod exit;
mod github;
mod hooks;
mod kubeconfig;
mod poll;
mod preview;
mod production;
mod progress;
mod render;
mod schema;
mod seen;
mod short_commit;
mod telemetry;
mod temporal;
mod worker;

use cli::{Cli, Command};
use envelope::{Envelope, Output};
use exit::Exit;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    // kube, reqwest and the Temporal client share one TLS provider, and none of them picks one by itself. An error means
    // that a provider is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    telemetry::install(&cli.telemetry);
    let ran = match cli.command {
        // An error of the worker is a line of its log, in the log's format.
        Command::Worker(worker) => {
            return worker.run().await.unwrap_or_else(|error| exit::worker_error(&error));
        }
        Command::Preview(preview) => Box::pin(preview.run()).await,
        Command::Production(production) => production.run().await,
        Command::Ci(ci) => ci.run().await,
        Command::Hooks(hooks) => hooks.run().await,
        Command::Github(github) => github.run().await,
        Command::Check(check) => check.run().await,
        Command::Render(render) => render.run().await,
        Command::Schema(schema) => schema.run(),
    };
    // An answer that cannot be printed is still an error on standard error.
    ran.or_else(|error| Envelope::error(&error).print(Output::Text)).unwrap_or_else(|_| Exit::Error.into())
}
