//! The state of a running lab: its addresses, files and programs.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use serde::{Deserialize, Serialize};

use crate::{
    machine::{
        files::{self, Files},
        process::ProcessId,
    },
    parts::Tools,
};

/// The state of a lab: written by the supervisor when everything is ready, read by users.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) name: String,
    pub(crate) supervisor: ProcessId,
    pub(crate) kubeconfig: PathBuf,
    /// The same rights as `kubeconfig`, under the worker's user name.
    pub(crate) worker_kubeconfig: PathBuf,
    pub(crate) temporal_address: String,
    pub(crate) temporal_address_for_pods: String,
    pub(crate) temporal_ui: String,
    pub(crate) doppler_url: String,
    pub(crate) apps_dir: PathBuf,
    pub(crate) registry: String,
    /// The images by variant, as `repository:tag@digest`.
    pub(crate) images: BTreeMap<String, String>,
    pub(crate) real_pods: bool,
    pub(crate) fake_nodes: u32,
    pub(crate) audit_log: PathBuf,
    pub(crate) tools: Tools,
    pub(crate) logs: PathBuf,
    pub(crate) worker: bool,
    /// The additions of a full lab.
    pub(crate) full: Option<Full>,
}

impl State {
    /// The state of a lab that is ready; `None` for one that is starting, ending or gone.
    pub(crate) fn read(files: &Files) -> Option<Self> {
        files::read(&files.state()).ok()
    }
}

/// The addresses and files of a full lab's additions.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Full {
    /// The ingress controller, on this machine.
    pub(crate) ingress: SocketAddr,
    /// The database server, for pods and for this machine.
    pub(crate) postgres: SocketAddr,
    /// The address that DNS is answered at.
    pub(crate) dns: Ipv4Addr,
    /// The file for a worker's `--database-servers`.
    pub(crate) database_servers: PathBuf,
}
