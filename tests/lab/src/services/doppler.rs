//! A stand-in for Doppler's API, true enough for a real client of Doppler, and told under `/lab/` what to hold and how to fail.

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

/// Opens the worker's way to the sample app's preview config. Not a secret: it opens nothing else.
pub(crate) const PREVIEW_TOKEN: &str = "dp.st.preview.lab-canary-token-not-a-secret";
pub(crate) const PRODUCTION_TOKEN: &str = "dp.st.production.lab-canary-token-not-a-secret";

/// What berth asks for, and what is counted.
const DOWNLOAD: &str = "/v3/configs/config/secrets/download";

#[derive(Debug, Clone)]
struct Doppler(Arc<Mutex<Store>>);

impl Doppler {
    fn store(&self) -> MutexGuard<'_, Store> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A Doppler of one's own, for a test that makes it fail or counts: the lab's is everybody's.
#[derive(Debug)]
pub struct DopplerServer {
    doppler: Doppler,
    address: SocketAddr,
    /// Dropped, it tells the server to stop.
    stop: Option<oneshot::Sender<()>>,
}

impl DopplerServer {
    /// Starts one with the sample app's configs. It ends when it is dropped.
    ///
    /// # Errors
    /// There is no port to be had.
    pub fn start() -> Result<Self> {
        Self::listen(Ipv4Addr::LOCALHOST)
    }

    fn listen(address: Ipv4Addr) -> Result<Self> {
        let doppler = Doppler(Arc::new(Mutex::new(Store::sample())));
        let (stop, stopped) = oneshot::channel();
        let address = serve(doppler.clone(), SocketAddr::from((address, 0)), stopped)?;
        Ok(Self { doppler, address, stop: Some(stop) })
    }

    /// From now on nobody answers there: connections are refused.
    pub fn stop(&mut self) {
        self.stop = None;
        while std::net::TcpStream::connect(self.address).is_ok() {
            std::thread::yield_now();
        }
    }

    /// Answers again, at the same address and with what it held.
    ///
    /// # Errors
    /// Somebody else has the port now.
    pub fn start_again(&mut self) -> Result<()> {
        let (stop, stopped) = oneshot::channel();
        serve(self.doppler.clone(), self.address, stopped)?;
        self.stop = Some(stop);
        Ok(())
    }

    /// What a worker takes as `DOPPLER_API_HOST`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All values of a config at once; a config that is not there is made.
    pub fn put(&self, project: &str, config: &str, values: &[(&str, &str)]) {
        let values: BTreeMap<_, _> =
            values.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        self.doppler.store().put(name(project, config), values);
    }

    /// Removes a config; its tokens stay.
    pub fn remove(&self, project: &str, config: &str) {
        self.doppler.store().remove(&name(project, config));
    }

    /// A token for a config.
    pub fn bind(&self, token: &str, project: &str, config: &str) {
        self.doppler.store().bind(token.to_owned(), name(project, config));
    }

    /// Makes a token one that opens nothing.
    pub fn revoke(&self, token: &str) {
        self.doppler.store().revoke(token);
    }

    /// From now on requests with a config's tokens fail like this, or no longer.
    pub fn fail(&self, project: &str, config: &str, failure: Option<Failure>) {
        self.doppler.store().fail(Some(name(project, config)), failure);
    }

    /// How often a config was asked for so far, and how many of these were answered 304.
    pub fn requests(&self, project: &str, config: &str) -> (u64, u64) {
        let mut store = self.doppler.store();
        let requests = store.requests_of(&name(project, config));
        (requests.total, requests.not_modified)
    }
}

fn name(project: &str, config: &str) -> store::Name {
    (project.to_owned(), config.to_owned())
}

/// Doppler's own command line, which the stand-in must satisfy.
///
/// # Errors
/// It cannot be got.
pub fn doppler_cli() -> Result<PathBuf> {
    let part = Part::DopplerCli;
    parts::ensure(&[part])?.remove(part.program()).context("the Doppler CLI was not got")
}

/// Serves the sample app's configs until the process ends.
pub(crate) fn start(address: Ipv4Addr) -> Result<SocketAddr> {
    let server = DopplerServer::listen(address)?;
    let address = server.address;
    // Dropped, it would stop.
    std::mem::forget(server);
    Ok(address)
}

/// Serves on a thread of its own until told to stop.
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
