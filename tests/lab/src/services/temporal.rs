//! A Temporal dev server with temporal-ui, for a lab or for a test that needs nothing else.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, Command},
    time::Duration,
};

use anyhow::{Context as _, Result};

use crate::{
    machine::{
        folders, ports,
        process::{self, bound_to_parent, spawn_from_lasting_thread},
    },
    parts::{self, Part},
};

/// The name of its process in a lab, and of its program.
pub(crate) const TEMPORAL: &str = "temporal";

/// Generous: a dev server starts in less than a second, but not on a machine that builds Rust meanwhile.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// The path of the Temporal CLI, fetched if it is missing.
pub fn temporal_cli() -> Result<PathBuf> {
    let tools = parts::ensure(&[Part::Temporal])?;
    tools.get("temporal").cloned().context("looking for the Temporal CLI")
}

/// An empty Temporal dev server for one test. It ends when this is dropped, and when this process ends.
#[derive(Debug)]
pub struct DevServer {
    /// `host:port` of the gRPC frontend.
    pub address: String,
    /// The URL of temporal-ui.
    pub ui: String,
    child: Child,
    log: PathBuf,
}

impl DevServer {
    /// Starts a server on free ports, and waits until it answers.
    pub fn start() -> Result<Self> {
        let program = temporal_cli()?;
        let addresses = Addresses::free()?;
        let logs = folders::make(folders::cache()?.join("dev-servers"))?;
        let log = logs.join(format!("{}-{}.log", std::process::id(), addresses.frontend.port()));
        let mut command = bound_to_parent("dev-server", &program, &log)?;
        command.args(addresses.arguments());
        let mut server = Self {
            address: addresses.frontend.to_string(),
            ui: addresses.ui_url(),
            child: spawn_from_lasting_thread(command).context("starting the Temporal dev server")?,
            log,
        };
        process::wait_until("the Temporal dev server", &mut server.child, &server.log, READY_WITHIN, || {
            answers(&program, &addresses)
        })?;
        Ok(server)
    }
}

impl Drop for DevServer {
    fn drop(&mut self) {
        process::kill(&mut self.child);
        let _ = std::fs::remove_file(&self.log);
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Addresses {
    pub(crate) frontend: SocketAddr,
    ui: SocketAddr,
    metrics: u16,
}

impl Addresses {
    pub(crate) fn free() -> Result<Self> {
        let loopback = IpAddr::from(Ipv4Addr::LOCALHOST);
        let address = || Ok::<_, anyhow::Error>(SocketAddr::new(loopback, ports::free(loopback)?));
        Ok(Self { frontend: address()?, ui: address()?, metrics: ports::free(loopback)? })
    }

    pub(crate) fn ui_url(&self) -> String {
        format!("http://{}", self.ui)
    }

    pub(crate) fn arguments(&self) -> Vec<String> {
        [
            "server start-dev --headless=false --log-level warn --ip",
            &self.frontend.ip().to_string(),
            "--port",
            &self.frontend.port().to_string(),
            "--ui-port",
            &self.ui.port().to_string(),
            "--metrics-port",
            &self.metrics.to_string(),
        ]
        .join(" ")
        .split(' ')
        .map(str::to_owned)
        .collect()
    }
}

/// Whether the `default` namespace exists. The port opens before it does.
pub(crate) fn answers(program: &Path, addresses: &Addresses) -> bool {
    let mut command = Command::new(program);
    command.args(["operator", "namespace", "describe", "--namespace", "default", "--address"]);
    command.arg(addresses.frontend.to_string());
    process::accepts_connections(addresses.frontend) && process::output(&mut command).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dev_servers_run_side_by_side_and_end_when_dropped() {
        let (one, two) = (DevServer::start().unwrap(), DevServer::start().unwrap());
        assert_ne!(one.address, two.address);
        let address: SocketAddr = one.address.parse().unwrap();
        assert!(process::accepts_connections(address));
        drop(one);
        assert!(!process::accepts_connections(address));
        assert!(process::accepts_connections(two.address.parse().unwrap()));
    }
}
