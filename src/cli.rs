//! The command line: flags with defaults, each with an environment variable where a pod sets it.

use clap::{Parser, Subcommand};

use crate::{
    check::Check, ci::Ci, exit, github::Github, hooks::Hooks, preview::Preview, production::Production, render::Render,
    schema::PrintSchema, telemetry::Telemetry, worker::Worker,
};

/// How every command finds Temporal and Kubernetes.
const LONG_ABOUT: &str = "\
Runs the life of deployment environments on Kubernetes, as Temporal workflows.

berth finds Temporal as every Temporal tool does: TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_API_KEY, TEMPORAL_TLS_*, or a \
profile of temporal.toml. It finds Kubernetes through KUBECONFIG, or from inside the cluster.";

/// Runs the life of deployment environments on Kubernetes, as Temporal workflows.
#[derive(Debug, Parser)]
#[command(version, about, long_about = LONG_ABOUT, after_help = exit::help(exit::ALL))]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) telemetry: Telemetry,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the worker: take workflows and activities from Temporal until SIGTERM or Ctrl-C
    Worker(Box<Worker>),
    /// Deploy, close and show the environments of pull requests
    Preview(Preview),
    /// Release to production, approve, roll back, freeze, and show it
    Production(Production),
    Ci(Ci),
    Hooks(Hooks),
    Github(Github),
    Check(Check),
    Render(Render),
    Schema(PrintSchema),
}
