//! What a lab is asked to be (the plan), and what it is once it runs (the state): files between the processes of a lab.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::{
    machine::{
        files::{self, Files},
        process::ProcessId,
    },
    parts::Tools,
};

/// Written by whoever starts a lab, read by its supervisor.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) name: String,
    pub(crate) real_node: bool,
    pub(crate) fake_nodes: u32,
    pub(crate) tools: Tools,
    pub(crate) kwok_stages: Option<PathBuf>,
    /// Somebody's own cluster, which is not started and not stopped.
    pub(crate) existing_kubeconfig: Option<PathBuf>,
    /// A `berth` to leave running.
    pub(crate) worker: Option<PathBuf>,
    /// Runs until it is told to stop. Otherwise: as long as it has users, and this long after the last.
    pub(crate) detached: bool,
    pub(crate) linger_seconds: u64,
    /// Temporal and the API server are started again when they end, as a cluster's own supervision would, and forget nothing.
    pub(crate) restarts: bool,
    /// What a whole environment needs: a database server, an ingress controller, network policies that hold, its images.
    pub(crate) full: bool,
    /// Its images, as [`crate::images::ensure_full`] answers them; none in others.
    pub(crate) layouts: Vec<PathBuf>,
    /// Wait for another lab to give back the one real node, instead of refusing.
    pub(crate) waits_for_node: bool,
}

/// Written by the supervisor when everything is ready.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) name: String,
    pub(crate) supervisor: ProcessId,
    pub(crate) kubeconfig: PathBuf,
    /// The same rights under the worker's own name.
    pub(crate) worker_kubeconfig: PathBuf,
    pub(crate) temporal_address: String,
    pub(crate) temporal_address_for_pods: String,
    pub(crate) temporal_ui: String,
    pub(crate) doppler_url: String,
    pub(crate) apps_dir: PathBuf,
    pub(crate) registry: String,
    /// Variant to `repository:tag@digest`.
    pub(crate) images: BTreeMap<String, String>,
    pub(crate) real_pods: bool,
    pub(crate) fake_nodes: u32,
    pub(crate) audit_log: PathBuf,
    pub(crate) tools: Tools,
    pub(crate) logs: PathBuf,
    pub(crate) worker: bool,
    /// What only a full lab has.
    pub(crate) full: Option<Full>,
}

impl State {
    /// The state of a lab that is ready; `None` for one that is starting, ending or gone.
    pub(crate) fn read(files: &Files) -> Option<Self> {
        files::read(&files.state()).ok()
    }
}

/// Where the parts of a full lab answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Full {
    /// The ingress controller, on this machine.
    pub(crate) ingress: SocketAddr,
    /// The database server, for pods and for this machine.
    pub(crate) postgres: SocketAddr,
    /// The same server as a worker is told of it.
    pub(crate) database_servers: PathBuf,
}
