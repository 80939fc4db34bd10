//! The end of a container's log, in a form that people can read.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client, api::LogParams};

/// The time to wait for a node that does not answer. A verdict that is known is not held back for longer.
const PATIENCE: Duration = Duration::from_secs(3);
const LOG_LINES: i64 = 50;
/// More than a verdict can hold, and little enough to search for every secret.
const LOG_BYTES: i64 = 32 * 1024;

/// The instance of a container whose log explains a cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Log {
    /// No instance: the container has not run.
    None,
    /// The running instance, or the one that has just ended.
    Current,
    /// The instance before the running one.
    Previous,
}

/// Returns the last lines of the container's log. Empty if the log cannot be read.
pub(crate) async fn log_tail(
    client: &Client,
    namespace: &str,
    pod: Option<&str>,
    container: Option<&str>,
    log: Log,
) -> String {
    let (Some(pod), false) = (pod, log == Log::None) else { return String::new() };
    let pods = Api::<Pod>::namespaced(client.clone(), namespace);
    // The previous instance may have been cleaned up already.
    let instances: &[bool] = if log == Log::Previous { &[true, false] } else { &[false] };
    for previous in instances {
        let params = LogParams {
            container: container.map(str::to_owned),
            previous: *previous,
            tail_lines: Some(LOG_LINES),
            limit_bytes: Some(LOG_BYTES),
            ..LogParams::default()
        };
        let text = tokio::time::timeout(PATIENCE, pods.logs(pod, &params)).await;
        if let Ok(Ok(text)) = text
            && !text.trim().is_empty()
        {
            return without_escapes(&whole_lines(text));
        }
    }
    String::new()
}

/// Drops the last line of a log that was cut at the limit. It may hold part of a secret, which the redactor would not
/// find.
fn whole_lines(mut text: String) -> String {
    if text.len() as u64 >= LOG_BYTES.unsigned_abs() {
        text.truncate(text.rfind('\n').unwrap_or_default());
    }
    text
}

/// Removes colours and other terminal control sequences.
pub(crate) fn without_escapes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        if char == '\u{1b}' && chars.next_if_eq(&'[').is_some() {
            while chars.next_if(|char| !('\u{40}'..='\u{7e}').contains(char)).is_some() {}
            chars.next();
        } else if !char.is_control() || matches!(char, '\n' | '\t') {
            out.push(char);
        }
    }
    out
}

pub(crate) fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::trim_end).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_loses_its_colours_and_an_unfinished_line() {
        assert_eq!(without_escapes("\u{1b}[31mred\u{1b}[0m\r\nplain\u{7}"), "red\nplain");
        let long = format!("{}\nhalf a secr", "x".repeat(32 * 1024));
        assert_eq!(whole_lines(long).len(), 32 * 1024);
    }
}
