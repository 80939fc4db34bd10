//! What the worker tells about itself over HTTP: `/healthz` (it lives), `/readyz` (it works), `/metrics`.

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
use temporalio_client::{Client, tonic::Request};
use temporalio_common::protos::temporal::api::workflowservice::v1::GetSystemInfoRequest;
use tokio::net::TcpListener;

use super::{metrics::Metrics, sdk_metrics::Source};

/// Below the second that a kubelet's probe waits by default.
const TEMPORAL_ANSWERS_WITHIN: Duration = Duration::from_millis(800);

/// Where `/metrics` and its kin are served, if anywhere.
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

/// What must hold before the worker is ready. Each is set once it has been seen.
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
    /// Says that one of them holds.
    pub(super) fn holds(what: &AtomicBool) {
        what.store(true, Ordering::Relaxed);
    }

    /// What is still missing, in words.
    fn missing(&self) -> Vec<&'static str> {
        let is = |what: &AtomicBool| what.load(Ordering::Relaxed);
        let all = [
            (!is(&self.stopping), "the worker is stopping"),
            (self.temporal.get().is_some(), "Temporal has not been reached yet"),
            (is(&self.search_attributes), "the search attributes are not registered yet"),
            (is(&self.polling), "the task queue is not polled yet"),
            (is(&self.kubernetes), "Kubernetes has not been reached yet"),
        ];
        all.into_iter().filter(|(holds, _)| !holds).map(|(_, missing)| missing).collect()
    }

    /// Whether everything holds, Temporal's answer at this moment included.
    async fn check(&self) -> Result<(), String> {
        let missing = self.missing();
        if !missing.is_empty() {
            return Err(missing.join("\n"));
        }
        let Some(client) = self.temporal.get() else { return Ok(()) };
        let mut service = client.connection().workflow_service();
        let asked = service.get_system_info(Request::new(GetSystemInfoRequest::default()));
        match tokio::time::timeout(TEMPORAL_ANSWERS_WITHIN, asked).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(status)) => Err(format!("Temporal does not answer: {}", status.message())),
            Err(_) => Err(format!("Temporal does not answer within {TEMPORAL_ANSWERS_WITHIN:?}")),
        }
    }
}

/// What the endpoints show.
pub(super) struct Shown {
    pub(super) health: Arc<Health>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) sdk: Source,
}

/// Serves until the process ends. A worker whose port is taken goes on without: it deploys as well, and its probes, where it
/// has any, will tell.
pub(super) async fn serve(address: MetricsAddress, shown: Shown) {
    let MetricsAddress::On(address) = address else { return };
    let listener = match TcpListener::bind(address).await {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%address, %error, "Nothing is shown: cannot listen on {address} (--metrics-address)");
            return;
        }
    };
    let bound = listener.local_addr().unwrap_or(address);
    tracing::info!(address = %bound, "Serving /healthz, /readyz and /metrics on {bound}");
    let router = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(Arc::new(shown));
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "No longer serving /healthz, /readyz and /metrics");
        }
    });
}

async fn readyz(State(shown): State<Arc<Shown>>) -> (StatusCode, String) {
    match shown.health.check().await {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(missing) => (StatusCode::SERVICE_UNAVAILABLE, missing + "\n"),
    }
}

async fn metrics(State(shown): State<Arc<Shown>>) -> Result<([(&'static str, &'static str); 1], String), StatusCode> {
    let failed = |error: anyhow::Error| {
        tracing::error!(error = format!("{error:#}"), "Cannot show metrics");
        StatusCode::INTERNAL_SERVER_ERROR
    };
    let ours = shown.metrics.text().map_err(failed)?;
    let theirs = shown.sdk.text().await.map_err(failed)?;
    Ok(([("content-type", prometheus::TEXT_FORMAT)], ours + &theirs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_or_off() {
        assert_eq!("off".parse(), Ok(MetricsAddress::Off));
        assert_eq!("0.0.0.0:9090".parse::<MetricsAddress>().unwrap().to_string(), "0.0.0.0:9090");
        assert!("9090".parse::<MetricsAddress>().unwrap_err().contains("address:port"));
    }

    #[test]
    fn what_is_missing_is_said_in_words() {
        let health = Health::default();
        Health::holds(&health.kubernetes);
        assert_eq!(health.missing().len(), 3, "{:?}", health.missing());
        Health::holds(&health.stopping);
        assert_eq!(health.missing()[0], "the worker is stopping");
    }
}
