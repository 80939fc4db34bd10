//! The Temporal SDK's own metrics: task-queue latencies, slots, pollers, failed workflow tasks, requests to the server.
//!
//! The SDK keeps them in a registry of its own, and only serves it over HTTP. So it serves them on loopback, and `/metrics`
//! forwards them: a collector needs one address. They keep the SDK's default names, which Temporal's documentation and
//! dashboards use.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use temporalio_common::telemetry::{
    PrometheusExporterOptions, TelemetryOptions,
    metrics::{CoreMeter, TemporalMeter},
    start_prometheus_metric_exporter, telemetry_init,
};

/// The server is in the same process: if it takes longer, it hangs.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The running exporter.
pub(super) struct SdkMetrics {
    pub(super) telemetry: TelemetryOptions,
    /// The client's meter: the client does not get it from the runtime.
    pub(super) client_meter: Option<TemporalMeter>,
    pub(super) source: Source,
}

/// The address of the SDK's metrics.
#[derive(Clone)]
pub(super) struct Source {
    http: reqwest::Client,
    url: String,
}

impl SdkMetrics {
    /// Starts the exporter on a free port of loopback.
    ///
    /// # Errors
    /// No port can be bound.
    pub(super) fn start() -> anyhow::Result<Self> {
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let options = PrometheusExporterOptions::builder().socket_addr(loopback).build();
        let server = start_prometheus_metric_exporter(options).context("starting the SDK's metrics")?;
        let meter: Arc<dyn CoreMeter> = server.meter;
        let telemetry = TelemetryOptions::builder().metrics(meter).build();
        let client_meter =
            telemetry_init(telemetry.clone()).context("starting the SDK's telemetry")?.get_temporal_metric_meter();
        let http = reqwest::Client::builder().timeout(TIMEOUT).no_proxy().build()?;
        let source = Source { http, url: format!("http://{}/metrics", server.bound_addr) };
        Ok(Self { telemetry, client_meter, source })
    }
}

impl Source {
    /// The current metrics, in Prometheus' text format.
    ///
    /// # Errors
    /// The exporter does not answer.
    pub(super) async fn text(&self) -> anyhow::Result<String> {
        let answer = self.http.get(&self.url).send().await?.error_for_status()?;
        answer.text().await.context("reading the SDK's metrics")
    }
}
