//! Metrics of `berth hooks`. Labels come from fixed lists: everything else is a stranger's text.

use anyhow::Context;
use axum::http::StatusCode;
use prometheus::{IntCounterVec, IntGauge, Opts, Registry, TextEncoder};

/// Events that have a label of their own.
const EVENTS: [&str; 5] = ["pull_request", "issue_comment", "check_run", "check_suite", "ping"];

/// The registry and its metrics.
pub(super) struct Metrics {
    registry: Registry,
    webhooks: IntCounterVec,
    requests: IntCounterVec,
}

impl Metrics {
    /// Registers all metrics.
    ///
    /// # Errors
    /// Two metrics have the same name.
    pub(super) fn new() -> anyhow::Result<Self> {
        let registry = Registry::new();
        let counter = |name: &str, help: &str, labels: &[&str]| -> anyhow::Result<IntCounterVec> {
            let counter = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(counter.clone())).context("registering a metric")?;
            Ok(counter)
        };
        let webhooks =
            counter("berth_hooks_webhooks_total", "Webhooks, by event and HTTP status.", &["event", "status"])?;
        let requests = counter("berth_hooks_requests_total", "Requests of jobs, by HTTP status.", &["kind", "status"])?;
        let build = Opts::new("berth_build_info", "Always 1: the version of berth.");
        let build = IntGauge::with_opts(build.const_label("version", env!("CARGO_PKG_VERSION")))?;
        build.set(1);
        registry.register(Box::new(build)).context("registering a metric")?;
        // A rate over a series that does not exist yet misses its first increase.
        webhooks.with_label_values(&["other", "503"]);
        Ok(Self { registry, webhooks, requests })
    }

    /// Counts a webhook. Before its signature holds, the event is a stranger's word.
    pub(super) fn count_webhook(&self, event: &str, status: StatusCode) {
        let is_known = status != StatusCode::UNAUTHORIZED;
        let event = EVENTS.into_iter().find(|known| is_known && *known == event).unwrap_or("other");
        self.webhooks.with_label_values(&[event, status.as_str()]).inc();
    }

    /// Counts a request of a job.
    pub(super) fn count_request(&self, kind: &str, status: StatusCode) {
        self.requests.with_label_values(&[kind, status.as_str()]).inc();
    }

    /// All metrics in Prometheus' text format.
    ///
    /// # Errors
    /// A metric cannot be written as text.
    pub(super) fn text(&self) -> anyhow::Result<String> {
        TextEncoder::new().encode_to_string(&self.registry.gather()).context("writing metrics")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_of_an_event_comes_from_the_list() {
        let metrics = Metrics::new().unwrap();
        metrics.count_webhook("pull_request", StatusCode::ACCEPTED);
        metrics.count_webhook("pull_request", StatusCode::UNAUTHORIZED);
        metrics.count_webhook("an event of a stranger", StatusCode::ACCEPTED);
        let text = metrics.text().unwrap();
        assert!(text.contains(r#"berth_hooks_webhooks_total{event="pull_request",status="202"} 1"#), "{text}");
        assert!(text.contains(r#"berth_hooks_webhooks_total{event="other",status="401"} 1"#), "{text}");
        assert!(!text.contains("stranger"), "{text}");
    }
}
