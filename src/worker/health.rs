//! The worker's HTTP endpoints: `/healthz` (the process lives), `/readyz` (it works), `/metrics`.

use std::{
    fmt,
    net::SocketAddr,
    str::FromStr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Router, extract::State, http::StatusCode, routing::get};
use temporalio_client::Client;
use tokio::net::TcpListener;

use super::{metrics::Metrics, sdk_metrics::Source};
use crate::temporal;

/// How long a probe waits for Temporal: shorter than the second that a kubelet waits by default.
const PROBE_TIMEOUT: Duration = Duration::from_millis(800);

/// The address of the endpoints, if they are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MetricsAddress {
    Off,
    On(SocketAddr),
}

impl FromStr for MetricsAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            _ => text.parse().map(Self::On).map_err(|_| "expected address:port, as 0.0.0.0:9090, or off".to_owned()),
        }
    }
}

impl fmt::Display for MetricsAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::On(address) => address.fmt(f),
        }
    }
}

/// Conditions of readiness. Each is set once it has been observed.
#[derive(Default)]
pub(super) struct Health {
    /// The Temporal client, once connected.
    pub(super) temporal: OnceLock<Client>,
    pub(super) search_attributes: AtomicBool,
    pub(super) polling: AtomicBool,
    pub(super) kubernetes: AtomicBool,
    pub(super) stopping: AtomicBool,
}

impl Health {
    /// Records that a condition holds.
    pub(super) fn set(condition: &AtomicBool) {
        condition.store(true, Ordering::Relaxed);
    }

    /// Messages for the conditions that do not hold.
    fn missing(&self) -> Vec<&'static str> {
        let is = |condition: &AtomicBool| condition.load(Ordering::Relaxed);
        let all = [
            (!is(&self.stopping), "the worker is stopping"),
            (self.temporal.get().is_some(), "Temporal has not been reached yet"),
            (is(&self.search_attributes), "the search attributes are not registered yet"),
            (is(&self.polling), "the task queue is not polled yet"),
            (is(&self.kubernetes), "Kubernetes has not been reached yet"),
        ];
        all.into_iter().filter(|(holds, _)| !holds).map(|(_, missing)| missing).collect()
    }

    /// Checks all conditions, and that Temporal answers at this moment.
    async fn check(&self) -> Result<(), String> {
        let missing = self.missing();
        if !missing.is_empty() {
            return Err(missing.join("\n"));
        }
        let Some(client) = self.temporal.get() else { return Ok(()) };
        temporal::check_answers(client, PROBE_TIMEOUT).await
    }
}

/// The sources of the endpoints.
pub(super) struct Endpoints {
    pub(super) health: Arc<Health>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) sdk: Source,
}

/// Serves the endpoints until the process ends. A worker whose port is taken goes on without them: it can still deploy, and
/// its probes fail.
pub(super) async fn serve(address: MetricsAddress, endpoints: Endpoints) {
    let MetricsAddress::On(address) = address else { return };
    let listener = match TcpListener::bind(address).await {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%address, %error, "No metrics and probes: cannot listen on {address} (--metrics-address)");
            return;
        }
    };
    let routes = Router::new().route("/readyz", get(readyz)).route("/metrics", get(metrics));
    serve_beside(listener, routes.with_state(Arc::new(endpoints)));
}

/// Serves `/readyz` and `/metrics` of `routes`, and `/healthz`, until the process ends.
pub(crate) fn serve_beside(listener: TcpListener, routes: Router) {
    if let Ok(bound) = listener.local_addr() {
        tracing::info!(address = %bound, "Serving /healthz, /readyz and /metrics on {bound}");
    }
    let router = routes.route("/healthz", get(async || "ok\n"));
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "No longer serving /healthz, /readyz and /metrics");
        }
    });
}

async fn readyz(State(endpoints): State<Arc<Endpoints>>) -> (StatusCode, String) {
    match endpoints.health.check().await {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(missing) => (StatusCode::SERVICE_UNAVAILABLE, missing + "\n"),
    }
}

async fn metrics(
    State(endpoints): State<Arc<Endpoints>>,
) -> Result<([(&'static str, &'static str); 1], String), StatusCode> {
    let failed = |error: anyhow::Error| {
        tracing::error!(error = format!("{error:#}"), "Cannot write metrics");
        StatusCode::INTERNAL_SERVER_ERROR
    };
    let own = endpoints.metrics.text().map_err(failed)?;
    let sdk = endpoints.sdk.text().await.map_err(failed)?;
    Ok(([("content-type", prometheus::TEXT_FORMAT)], own + &sdk))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_may_be_off() {
        assert_eq!("off".parse(), Ok(MetricsAddress::Off));
        assert_eq!("0.0.0.0:9090".parse::<MetricsAddress>().unwrap().to_string(), "0.0.0.0:9090");
        assert!("9090".parse::<MetricsAddress>().unwrap_err().contains("address:port"));
    }

    #[test]
    fn missing_conditions_have_a_message() {
        let health = Health::default();
        Health::set(&health.kubernetes);
        assert_eq!(health.missing().len(), 3, "{:?}", health.missing());
        Health::set(&health.stopping);
        assert_eq!(health.missing()[0], "the worker is stopping");
    }
}
