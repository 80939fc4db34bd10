//! Logs: one line each, for people on a terminal, as JSON for collectors.

use std::io::IsTerminal;

use clap::{Args, ValueEnum};
use tracing_subscriber::{EnvFilter, fmt};

/// How to log.
#[derive(Debug, Args)]
pub(crate) struct Telemetry {
    /// How log lines look.
    #[arg(long, global = true, env = "BERTH_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    /// What is logged, as tracing's filter: `debug`, or `info,kube=debug`.
    #[arg(long, global = true, env = "BERTH_LOG", default_value = DEFAULT_FILTER)]
    log: String,
}

/// The Temporal SDK's own events below a warning tell of each poll.
const DEFAULT_FILTER: &str = "info,temporalio_sdk_core=warn,temporalio_client=warn,temporalio_sdk=warn";

/// Below that, Kubernetes' client repeats what the API server says of an object that it refuses, values of a Secret among it.
const NO_OBJECTS: &str = "kube_client=info";

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

/// Sends every event of the process to standard error.
pub(crate) fn install(telemetry: &Telemetry) {
    let filter = EnvFilter::try_new(&telemetry.log).unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let filter = NO_OBJECTS.parse().into_iter().fold(filter, EnvFilter::add_directive);
    let stderr = std::io::stderr;
    let builder = fmt().with_env_filter(filter).with_writer(stderr);
    match telemetry.log_format {
        LogFormat::Json => builder.json().flatten_event(true).init(),
        LogFormat::Text => builder.compact().with_target(false).with_ansi(stderr().is_terminal()).init(),
    }
}
