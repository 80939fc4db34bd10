//! A stand-in for Doppler's API, faithful enough for Doppler's own client.
//!
//! Routes below `/lab/` set its secrets and make it fail.

mod auth;
mod control;
mod formats;
mod routes;
mod store;

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::{Context as _, Result};
use axum::{
    Router,
    routing::{get, put},
};

use store::Store;
use tokio::sync::oneshot;

use crate::parts::{self, Part};

pub use store::Failure;

/// The token of the sample app's preview config. It is no secret: it opens nothing but the stand-in.
pub(crate) const PREVIEW_TOKEN: &str = "dp.st.preview.lab-canary-token-not-a-secret";
pub(crate) const PRODUCTION_TOKEN: &str = "dp.st.production.lab-canary-token-not-a-secret";

/// The route that berth reads. Its requests are counted.
const DOWNLOAD: &str = "/v3/configs/config/secrets/download";

#[derive(Debug, Clone)]
struct Doppler(Arc<Mutex<Store>>);

impl Doppler {
    fn store(&self) -> MutexGuard<'_, Store> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A Doppler stand-in for one test, which may make it fail or count its requests. The lab's own is shared by all tests.
#[derive(Debug)]
pub struct DopplerServer {
    doppler: Doppler,
    address: SocketAddr,
    /// Stops the server when it is dropped.
    stop: Option<oneshot::Sender<()>>,
}

impl DopplerServer {
    /// Starts a server with the sample app's configs. It ends when this is dropped.
    ///
    /// # Errors
    /// No port is free.
    pub fn start() -> Result<Self> {
        Self::listen(Ipv4Addr::LOCALHOST)
    }

    fn listen(address: Ipv4Addr) -> Result<Self> {
        let doppler = Doppler(Arc::new(Mutex::new(Store::sample())));
        let (stop, stopped) = oneshot::channel();
        let address = serve(doppler.clone(), SocketAddr::from((address, 0)), stopped)?;
        Ok(Self { doppler, address, stop: Some(stop) })
    }

    /// Stops the server: from now on connections are refused.
    pub fn stop(&mut self) {
        self.stop = None;
        while std::net::TcpStream::connect(self.address).is_ok() {
            std::thread::yield_now();
        }
    }

    /// Restarts the server at the same address, with the same configs.
    ///
    /// # Errors
    /// Another process has the port now.
    pub fn start_again(&mut self) -> Result<()> {
        let (stop, stopped) = oneshot::channel();
        serve(self.doppler.clone(), self.address, stopped)?;
        self.stop = Some(stop);
        Ok(())
    }

    /// The URL for a worker's `DOPPLER_API_HOST`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Replaces all values of a config. A missing config is created.
    pub fn put(&self, project: &str, config: &str, values: &[(&str, &str)]) {
        let values: BTreeMap<_, _> =
            values.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        self.doppler.store().put(name(project, config), values);
    }

    /// Removes a config. Its tokens stay.
    pub fn remove(&self, project: &str, config: &str) {
        self.doppler.store().remove(&name(project, config));
    }

    /// Makes a token open a config.
    pub fn bind(&self, token: &str, project: &str, config: &str) {
        self.doppler.store().bind(token.to_owned(), name(project, config));
    }

    /// Revokes a token.
    pub fn revoke(&self, token: &str) {
        self.doppler.store().revoke(token);
    }

    /// Sets or clears the failure of requests with a config's tokens.
    pub fn fail(&self, project: &str, config: &str, failure: Option<Failure>) {
        self.doppler.store().fail(Some(name(project, config)), failure);
    }

    /// The number of requests for a config so far, and of those answered with 304.
    pub fn requests(&self, project: &str, config: &str) -> (u64, u64) {
        let mut store = self.doppler.store();
        let requests = store.requests_of(&name(project, config));
        (requests.total, requests.not_modified)
    }
}

fn name(project: &str, config: &str) -> store::Name {
    (project.to_owned(), config.to_owned())
}

/// The path of Doppler's own CLI, fetched if it is missing. The stand-in must satisfy it.
///
/// # Errors
/// It cannot be fetched.
pub fn doppler_cli() -> Result<PathBuf> {
    let part = Part::DopplerCli;
    parts::ensure(&[part])?.remove(part.program()).context("looking for the Doppler CLI")
}

/// Serves the sample app's configs until this process ends.
pub(crate) fn start(address: Ipv4Addr) -> Result<SocketAddr> {
    let server = DopplerServer::listen(address)?;
    let address = server.address;
    // The server would stop if it were dropped.
    std::mem::forget(server);
    Ok(address)
}

/// Serves on a thread of its own until `stopped` resolves.
fn serve(doppler: Doppler, at: SocketAddr, stopped: oneshot::Receiver<()>) -> Result<SocketAddr> {
    let listener = std::net::TcpListener::bind(at).context("starting the Doppler stand-in")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("doppler".to_owned()).spawn(move || {
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            tokio::select! {
                served = axum::serve(listener, router(doppler)) => served,
                _ = stopped => Ok(()),
            }
        })
    })?;
    Ok(address)
}

fn router(doppler: Doppler) -> Router {
    let api = Router::new()
        .route(DOWNLOAD, get(routes::download))
        .route("/v3/configs/config/secrets", get(routes::secrets))
        .route("/v3/configs/config/secrets/names", get(routes::names))
        .route("/v3/me", get(routes::me))
        .layer(axum::middleware::from_fn_with_state(doppler.clone(), control::inject_failure))
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
