//! A stand-in for Doppler's API, true enough for a real client of Doppler, and told under `/lab/` what to hold and how to fail.

mod auth;
mod control;
mod routes;
mod store;

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::{Context as _, Result};
use axum::{
    Router,
    routing::{get, put},
};

use store::Store;

/// Opens the worker's way to the sample app's preview config. Not a secret: it opens nothing else.
pub(crate) const PREVIEW_TOKEN: &str = "dp.st.preview.lab-canary-token-not-a-secret";
pub(crate) const PRODUCTION_TOKEN: &str = "dp.st.production.lab-canary-token-not-a-secret";

#[derive(Debug, Clone)]
struct Doppler(Arc<Mutex<Store>>);

impl Doppler {
    fn store(&self) -> MutexGuard<'_, Store> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves on a thread of its own until the process ends.
pub(crate) fn start(address: Ipv4Addr) -> Result<SocketAddr> {
    let listener = std::net::TcpListener::bind((address, 0)).context("starting the Doppler stand-in")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("doppler".to_owned()).spawn(move || {
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            axum::serve(listener, router(Doppler(Arc::new(Mutex::new(Store::sample()))))).await
        })
    })?;
    Ok(address)
}

fn router(doppler: Doppler) -> Router {
    let api = Router::new()
        .route("/v3/configs/config/secrets/download", get(routes::download))
        .route("/v3/me", get(routes::me))
        .layer(axum::middleware::from_fn_with_state(doppler.clone(), control::fail_if_told))
        .fallback(routes::not_found);
    Router::new()
        .route("/lab/configs/{project}/{config}", put(control::set_config).delete(control::remove_config))
        .route("/lab/tokens/{token}", put(control::set_token).delete(control::remove_token))
        .route("/lab/failure", put(control::set_failure).delete(control::remove_failure))
        .route("/lab/rate-limit", put(control::set_rate_limit))
        .route("/lab/requests", get(control::requests).delete(control::reset_requests))
        .merge(api)
        .with_state(doppler)
}
