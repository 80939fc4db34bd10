//! The Temporal SDK's own metrics: task-queue latencies, slots, pollers, failed workflow tasks, requests to the server.
//!
//! The SDK keeps them in a registry of its own that it only shows over HTTP. So it shows them on loopback, and `/metrics`
//! hands them on: one address for a collector. They have the SDK's default names, which Temporal's documentation and
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

/// Its own process answers: longer than this and it hangs.
const PATIENCE: Duration = Duration::from_secs(2);

/// The running exporter.
pub(super) struct SdkMetrics {
    pub(super) telemetry: TelemetryOptions,
    /// For the client, which does not get it from the runtime.
    pub(super) client_meter: Option<TemporalMeter>,
    pub(super) source: Source,
}

/// Where the SDK shows its metrics.
#[derive(Clone)]
pub(super) struct Source {
    http: reqwest::Client,
    url: String,
}

impl SdkMetrics {
    /// Starts the exporter on a free port of loopback.
    ///
    /// # Errors
    /// Nothing can be bound there.
    pub(super) fn start() -> anyhow::Result<Self> {
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let options = PrometheusExporterOptions::builder().socket_addr(loopback).build();
        let server = start_prometheus_metric_exporter(options).context("starting the SDK's metrics")?;
        let meter: Arc<dyn CoreMeter> = server.meter;
        let telemetry = TelemetryOptions::builder().metrics(meter).build();
        let client_meter =
            telemetry_init(telemetry.clone()).context("starting the SDK's telemetry")?.get_temporal_metric_meter();
        let http = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build()?;
        let source = Source { http, url: format!("http://{}/metrics", server.bound_addr) };
        Ok(Self { telemetry, client_meter, source })
    }
}

impl Source {
    /// The metrics as they are now, as Prometheus reads them.
    ///
    /// # Errors
    /// The exporter does not answer.
    pub(super) async fn text(&self) -> anyhow::Result<String> {
        let answer = self.http.get(&self.url).send().await?.error_for_status()?;
        answer.text().await.context("reading the SDK's metrics")
    }
}
