//! Probes and metrics of `berth hooks`, at an address that the internet does not reach.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use anyhow::Context;
use axum::{Router, extract::State, http::StatusCode, routing::get};
use tokio::net::TcpListener;

use super::state::Hooks;
use crate::{
    temporal,
    worker::{MetricsAddress, serve_beside},
};

/// How long a probe waits for Temporal. A signal may take seven seconds: while Temporal is slow, webhooks are still taken, and no
/// replica may be counted out.
pub(super) const TEMPORAL: Duration = Duration::from_secs(4);

/// Serves `/healthz`, `/readyz` and `/metrics` until the process ends.
///
/// # Errors
/// The address is taken.
pub(super) async fn serve(address: MetricsAddress, hooks: Arc<Hooks>) -> anyhow::Result<()> {
    let MetricsAddress::On(address) = address else { return Ok(()) };
    let listener = TcpListener::bind(address).await;
    let listener = listener.with_context(|| format!("listening on {address} (--metrics-address)"))?;
    let routes = Router::new().route("/readyz", get(readyz)).route("/metrics", get(metrics));
    serve_beside(listener, routes.with_state(hooks));
    Ok(())
}

async fn readyz(State(hooks): State<Arc<Hooks>>) -> (StatusCode, String) {
    let ready = match hooks.temporal() {
        _ if hooks.is_stopping.load(Ordering::Relaxed) => Err("hooks is stopping".to_owned()),
        None => Err("Temporal has not been reached yet".to_owned()),
        Some(client) => temporal::check_answers(client, TEMPORAL).await,
    };
    match ready {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, why + "\n"),
    }
}

async fn metrics(State(hooks): State<Arc<Hooks>>) -> Result<([(&'static str, &'static str); 1], String), StatusCode> {
    let text = hooks.metrics.text().map_err(|error| {
        tracing::error!(error = format!("{error:#}"), "Cannot write metrics");
        StatusCode::INTERNAL_SERVER_ERROR
    })?;
    Ok(([("content-type", prometheus::TEXT_FORMAT)], text))
}
