//! The end of a container's log, in a form that people can read.
//!
//! The API server's own limit on bytes keeps the beginning of what is asked for, and the crash is at the end. So the lines are
//! read as they come, and the last bytes of them are kept.

use std::time::Duration;

use berth_workflows::contract::environment::EnvironmentKind;
use futures::{AsyncBufRead, AsyncReadExt};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client, api::LogParams};

use crate::{failure::advice, redaction::redactor::Redactor};

/// The time to wait for a node that does not answer. A verdict that is known is not held back for longer.
const PATIENCE: Duration = Duration::from_secs(3);
const LOG_LINES: i64 = 50;
/// More than a verdict can hold.
const LOG_BYTES: usize = 32 * 1024;

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

/// The end of a log. Its secrets are not redacted yet, so nothing shows it.
#[derive(Default)]
pub(crate) struct LogEnd {
    text: String,
    /// Whether the text begins within a line.
    is_cut: bool,
}

impl LogEnd {
    /// Returns whether the log has this text.
    pub(crate) fn contains(&self, text: &str) -> bool {
        self.text.contains(text)
    }

    /// Returns advice, with more in front if the log has a connection of a preview that timed out.
    pub(crate) fn advise(&self, kind: EnvironmentKind, advice: &str) -> String {
        advice::connect_timeout(kind, &self.text).into_iter().chain([advice]).collect::<Vec<_>>().join(" ")
    }

    fn is_empty(&self) -> bool {
        self.text.trim().is_empty()
    }

    /// Returns the log without secrets. It begins with a whole line, if it has one.
    ///
    /// It is redacted as one text, with the line that is cut: a secret may begin there, and go on over several lines.
    pub(crate) async fn redacted(self, redactor: &Redactor) -> String {
        let text = redactor.redact_all(vec![self.text]).await.concat();
        match text.split_once('\n') {
            Some((_, whole)) if self.is_cut && !whole.trim().is_empty() => whole.to_owned(),
            _ => text,
        }
    }

    /// Returns the lines of the log without secrets.
    pub(crate) async fn lines(self, redactor: &Redactor) -> Vec<String> {
        let text = self.redacted(redactor).await;
        text.lines().map(str::trim_end).filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }
}

/// Returns the last lines of the container's log. Empty if the log cannot be read.
pub(crate) async fn log_tail(
    client: &Client,
    namespace: &str,
    pod: Option<&str>,
    container: Option<&str>,
    log: Log,
) -> LogEnd {
    let (Some(pod), false) = (pod, log == Log::None) else { return LogEnd::default() };
    let pods = Api::<Pod>::namespaced(client.clone(), namespace);
    // The previous instance may have been cleaned up already.
    let instances: &[bool] = if log == Log::Previous { &[true, false] } else { &[false] };
    for previous in instances {
        let params = LogParams {
            container: container.map(str::to_owned),
            previous: *previous,
            tail_lines: Some(LOG_LINES),
            ..LogParams::default()
        };
        let end = tokio::time::timeout(PATIENCE, log_end(&pods, pod, &params, LOG_BYTES)).await;
        if let Ok(Ok(end)) = end
            && !end.is_empty()
        {
            return end;
        }
    }
    LogEnd::default()
}

/// Reads a log, and keeps its last bytes.
///
/// # Errors
/// The API server or the node does not answer, or refuses.
pub(crate) async fn log_end(
    pods: &Api<Pod>,
    pod: &str,
    params: &LogParams,
    bytes: usize,
) -> Result<LogEnd, kube::Error> {
    let stream = pods.log_stream(pod, params).await?;
    let (end, is_cut) = last_bytes(stream, bytes).await.map_err(kube::Error::ReadEvents)?;
    Ok(LogEnd { text: without_escapes(&String::from_utf8_lossy(&end)), is_cut })
}

/// Returns the last bytes of a stream, and whether there were more. Keeps at most twice as many in memory.
async fn last_bytes(stream: impl AsyncBufRead, bytes: usize) -> std::io::Result<(Vec<u8>, bool)> {
    let mut stream = std::pin::pin!(stream);
    let (mut kept, mut is_cut) = (Vec::new(), false);
    let mut part = vec![0; 16 * 1024];
    loop {
        let length = stream.read(&mut part).await?;
        kept.extend_from_slice(&part[..length]);
        let surplus = kept.len().saturating_sub(bytes);
        if surplus >= bytes || length == 0 {
            kept.drain(..surplus);
            is_cut |= surplus > 0;
        }
        if length == 0 {
            return Ok((kept, is_cut));
        }
    }
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

#[cfg(test)]
mod tests {
    use futures::io::Cursor;

    use super::*;
    use crate::fake_api_server::FakeApiServer;

    const SECRET: &str = "correct-horse-battery-staple";

    async fn tail_of(log: &str) -> Vec<String> {
        let server = FakeApiServer::default();
        server.answer("/api/v1/namespaces/pr-1/pods/web/log", 200, log);
        let end = log_tail(&server.client(), "pr-1", Some("web"), None, Log::Current).await;
        let asked = server.requests_with_queries().concat();
        assert!(asked.contains("tailLines=50") && !asked.contains("limitBytes"), "{asked}");
        end.lines(&Redactor::new([SECRET.as_bytes()])).await
    }

    #[test]
    fn a_log_loses_its_colours() {
        assert_eq!(without_escapes("\u{1b}[31mred\u{1b}[0m\r\nplain\u{7}"), "red\nplain");
    }

    #[tokio::test]
    async fn last_bytes_of_a_stream_are_kept() {
        let text: Vec<u8> = (0..100_000_u32).map(|at| at.to_le_bytes()[0]).collect();
        for bytes in [1, 1000, 16 * 1024, 99_999, 100_000, 200_000] {
            let (kept, is_cut) = last_bytes(Cursor::new(&text), bytes).await.unwrap();
            assert!(kept == text[text.len().saturating_sub(bytes)..] && is_cut == (bytes < text.len()), "{bytes}");
        }
    }

    #[tokio::test]
    async fn end_of_a_log_with_long_lines_is_kept_in_whole_lines() {
        let long = |number: u32| format!("{{\"line\": {number}, \"trace\": \"{}\"}}\n", "x".repeat(15_000));
        let log: String = (0..10).map(long).collect::<String>() + "the crash itself\n";
        let lines = tail_of(&log).await;
        assert_eq!(lines.last().map(String::as_str), Some("the crash itself"));
        assert!(lines.len() == 3 && lines[0].starts_with("{\"line\": 8"), "{}", lines.len());
        let single = tail_of(&format!("{}the crash itself", "x".repeat(100_000))).await;
        assert!(single.len() == 1 && single[0].ends_with("the crash itself") && single[0].len() == LOG_BYTES);
    }

    #[tokio::test]
    async fn secret_at_the_cut_of_a_log_is_removed_wherever_the_cut_is() {
        for rest in 0..=SECRET.len() {
            let after = LOG_BYTES - rest;
            let line = tail_of(&format!("{}{SECRET}{}", "x".repeat(1000), "y".repeat(after))).await.concat();
            assert!(!line.contains("stap") && !line.contains("aple"), "{rest}: {}", &line[..40]);
        }
    }

    #[tokio::test]
    async fn secret_over_two_lines_of_a_log_is_removed() {
        let redactor = Redactor::new([b"horse\nbattery".as_slice()]);
        let end = LogEnd { text: "a horse\nbattery b".into(), is_cut: false };
        assert_eq!(end.lines(&redactor).await, ["a *** b"]);
    }
}
