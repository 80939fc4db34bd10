//! A stand-in for GitHub, faithful enough for GitHub's own clients: REST, one GraphQL query, webhooks, and the issuer of a
//! job's tokens.
//!
//! Tests hold a [`GithubServer`]. They do through it what people do, read what berth wrote, and make it fail.
//!
//! - `repositories`, `pulls`, `issues`, `comments`, `checks`, `check_suites`, `deployments`, `accounts`: the routes of one subject, and its JSON
//! - `apps`, `caller`: GitHub Apps, and who sends a request
//! - `graphql`: the query of open pull requests
//! - `observe`: each request's way through faults, limits and the record
//! - `webhooks`, `oidc`, `forgery`: what GitHub sends and signs, and what others sign
//! - `acts`: changes with their webhooks
//! - `description`: GitHub's own description, and its own clients
//! - `people`, `control`: the handle's methods

mod accounts;
mod acts;
mod answers;
mod apps;
mod caller;
mod check_suites;
mod checks;
mod client;
mod clock;
mod comments;
mod control;
mod deployments;
mod description;
mod faults;
mod forgery;
mod graphql;
mod issues;
mod keys;
mod limits;
mod observe;
mod oidc;
mod pages;
mod people;
mod pulls;
mod repositories;
mod routes;
mod state;
mod statuses;
#[cfg(test)]
mod tests;
mod webhooks;

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::{Context as _, Result};
use tokio::sync::{mpsc, oneshot};

use state::State;

pub use checks::CheckRun;
pub use comments::Comment;
pub use deployments::Deployment;
pub use description::{Checked, Description, cli, example_webhooks, node, packages};
pub use faults::Fault;
pub use forgery::{Forgery, Spelling};
pub use limits::{Limits, busiest};
pub use observe::Recorded;
pub use oidc::{Job, JobToken};
pub use people::NewPull;
pub use pulls::Pull;
pub use statuses::DeploymentStatus;
pub use webhooks::Delivery;

/// The sample repository, and its owner.
pub const REPOSITORY: u64 = 123_456_789;
/// The sample person, who may write to the sample repository.
pub const PERSON: &str = "octocat";

#[derive(Debug, Clone)]
struct Github(Arc<Mutex<State>>);

impl Github {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A GitHub of one test: the organisation `acme` with the repository `web`, and an App that is installed there.
#[derive(Debug)]
pub struct GithubServer {
    github: Github,
    address: SocketAddr,
    /// Stops the server when it is dropped.
    stop: Option<oneshot::Sender<()>>,
}

impl GithubServer {
    /// Starts a server on a free port of this machine. It ends when this is dropped.
    ///
    /// # Errors
    /// No port is free, or no key could be made.
    pub fn start() -> Result<Self> {
        let listener = listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let address = listener.local_addr()?;
        let github = Github(Arc::new(Mutex::new(State::sample(format!("http://{address}"))?)));
        let stop = Some(serve(&github, listener)?);
        Ok(Self { github, address, stop })
    }

    /// Stops the server: from now on connections are refused, and webhooks are lost.
    pub fn stop(&mut self) {
        self.stop = None;
        while std::net::TcpStream::connect(self.address).is_ok() {
            std::thread::yield_now();
        }
    }

    /// Restarts the server at the same address, with what it held.
    ///
    /// # Errors
    /// Another process has the port now.
    pub fn start_again(&mut self) -> Result<()> {
        self.stop = Some(serve(&self.github, listen(self.address)?)?);
        Ok(())
    }

    /// The base of the REST API and the issuer of jobs' tokens, without a slash at its end. GraphQL is at `/graphql`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

fn listen(at: SocketAddr) -> Result<std::net::TcpListener> {
    let listener = std::net::TcpListener::bind(at).context("starting the GitHub stand-in")?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Serves and delivers webhooks on a thread of its own until the answer is dropped.
fn serve(github: &Github, listener: std::net::TcpListener) -> Result<oneshot::Sender<()>> {
    let (stop, stopped) = oneshot::channel();
    let (send, queue) = mpsc::unbounded_channel();
    github.state().webhooks.send_through(send);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let github = github.clone();
    std::thread::Builder::new().name("github".to_owned()).spawn(move || {
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            tokio::select! {
                served = axum::serve(listener, routes::router(github.clone())) => served,
                () = webhooks::deliver_all(github, queue) => Ok(()),
                _ = stopped => Ok(()),
            }
        })
    })?;
    Ok(stop)
}
