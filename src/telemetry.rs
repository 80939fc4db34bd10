//! Logs: one line each, for people on a terminal, as JSON for collectors; panics too.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    io::IsTerminal,
    panic,
};

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

/// Sends every event of the process, panics among them, to standard error.
pub(crate) fn install(telemetry: &Telemetry) {
    let filter = EnvFilter::try_new(&telemetry.log);
    let wrong = filter.as_ref().err().map(ToString::to_string);
    let filter = filter.unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let filter = NO_OBJECTS.parse().into_iter().fold(filter, EnvFilter::add_directive);
    let stderr = std::io::stderr;
    let builder = fmt().with_env_filter(filter).with_writer(stderr);
    match telemetry.log_format {
        LogFormat::Json => builder.json().flatten_event(true).init(),
        LogFormat::Text => builder.compact().with_target(false).with_ansi(stderr().is_terminal()).init(),
    }
    if let Some(wrong) = wrong {
        tracing::warn!("--log {:?} is no filter ({wrong}): logging {DEFAULT_FILTER}", telemetry.log);
    }
    log_panics();
}

/// A panic's own message has several lines and no JSON.
fn log_panics() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        // Where no error is logged a panic must not be silent.
        if !tracing::enabled!(tracing::Level::ERROR) {
            return before(panic);
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

    /// What the test below runs in a process of its own: a hook and a subscriber are a whole process's.
    #[test]
    #[ignore = "panics, for the test below"]
    fn a_panic() {
        install(&Telemetry { log_format: LogFormat::Json, log: "no=filter=at=all".into() });
        panic!("it\nhas two lines");
    }

    #[test]
    fn everything_is_one_json_object_per_line_a_panic_too() {
        let mut this = Command::new(std::env::current_exe().unwrap());
        this.args(["--exact", "telemetry::tests::a_panic", "--ignored", "--nocapture"]).env("RUST_BACKTRACE", "1");
        let stderr = String::from_utf8(this.output().unwrap().stderr).unwrap();
        let lines: Vec<serde_json::Value> = stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let text = |line: &serde_json::Value, field: &str| line[field].as_str().unwrap_or_default().to_owned();
        let [warning, panic] = lines.as_slice() else { panic!("{stderr}") };
        assert!(text(warning, "message").starts_with("--log \"no=filter=at=all\" is no filter"), "{warning}");
        assert_eq!(text(panic, "message"), "Panicked: it\nhas two lines");
        assert!(text(panic, "panic.location").starts_with("src/telemetry.rs:"), "{panic}");
        assert!(text(panic, "panic.backtrace").contains("a_panic"), "{panic}");
    }
}
