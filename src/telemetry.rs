//! Logs: an event is one line, as text for a terminal or JSON for a collector; a panic is an event too.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    io::IsTerminal,
    panic,
};

use clap::{Args, ValueEnum};
use tracing_subscriber::{EnvFilter, fmt};

/// Flags of the log.
#[derive(Debug, Args)]
pub(crate) struct Telemetry {
    /// Format of log lines
    #[arg(long, global = true, env = "BERTH_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    /// Filter of the log, in tracing's syntax: `debug`, or `info,kube=debug`
    #[arg(long, global = true, env = "BERTH_LOG", default_value = DEFAULT_FILTER)]
    log: String,
}

/// Below a warning, the Temporal SDK logs each poll.
const DEFAULT_FILTER: &str = "info,temporalio_sdk_core=warn,temporalio_client=warn,temporalio_sdk=warn";

/// Below this level, the Kubernetes client logs the API server's answer about a refused object, which may repeat a Secret's
/// values.
const NO_SECRETS: &str = "kube_client=info";

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

/// Sends every event of the process, panics included, to standard error.
pub(crate) fn install(telemetry: &Telemetry) {
    let filter = EnvFilter::try_new(&telemetry.log);
    let problem = filter.as_ref().err().map(ToString::to_string);
    let filter = filter.unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let filter = NO_SECRETS.parse().into_iter().fold(filter, EnvFilter::add_directive);
    let stderr = std::io::stderr;
    let builder = fmt().with_env_filter(filter).with_writer(stderr);
    match telemetry.log_format {
        LogFormat::Json => builder.json().flatten_event(true).init(),
        LogFormat::Text => builder.compact().with_target(false).with_ansi(stderr().is_terminal()).init(),
    }
    if let Some(problem) = problem {
        tracing::warn!("--log {:?} is not a filter ({problem}): using {DEFAULT_FILTER}", telemetry.log);
    }
    log_panics();
}

/// Logs panics as events: a panic's own message has several lines and is not JSON.
fn log_panics() {
    let default_hook = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        // A filter that hides errors must not hide panics.
        if !tracing::enabled!(tracing::Level::ERROR) {
            return default_hook(panic);
        }
        let message = panic.payload_as_str().unwrap_or("no message");
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        let backtrace = Backtrace::capture();
        let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
        tracing::error!(panic.location = location, panic.backtrace = backtrace, "Panicked: {message}");
    }));
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Runs in a process of its own, started by the test below: hook and subscriber are global.
    #[test]
    #[ignore = "panics, for the test below"]
    fn a_panic() {
        install(&Telemetry { log_format: LogFormat::Json, log: "no=filter=at=all".into() });
        panic!("it\nhas two lines");
    }

    #[test]
    fn each_event_is_one_json_line_even_a_panic() {
        let mut this = Command::new(std::env::current_exe().unwrap());
        this.args(["--exact", "telemetry::tests::a_panic", "--ignored", "--nocapture"]).env("RUST_BACKTRACE", "1");
        let stderr = String::from_utf8(this.output().unwrap().stderr).unwrap();
        let lines: Vec<serde_json::Value> = stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let text = |line: &serde_json::Value, field: &str| line[field].as_str().unwrap_or_default().to_owned();
        let [warning, panic] = lines.as_slice() else { panic!("{stderr}") };
        assert!(text(warning, "message").starts_with("--log \"no=filter=at=all\" is not a filter"), "{warning}");
        assert_eq!(text(panic, "message"), "Panicked: it\nhas two lines");
        assert!(text(panic, "panic.location").starts_with("src/telemetry.rs:"), "{panic}");
        assert!(text(panic, "panic.backtrace").contains("a_panic"), "{panic}");
    }
}
