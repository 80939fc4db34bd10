//! What a lab is asked to be (the plan), and what it is once it runs (the state): files between the processes of a lab.

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    machine::{places, process::ProcessId},
    parts::Tools,
    services::database,
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
    pub(crate) brought_kubeconfig: Option<PathBuf>,
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

/// One lab's small files.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    folder: PathBuf,
}

impl Files {
    pub(crate) fn of(lab: &str) -> Result<Self> {
        Ok(Self { folder: places::lab(lab)? })
    }

    /// Held exclusively by who is starting the lab: one at a time.
    pub(crate) fn start_lock(&self) -> PathBuf {
        self.folder.join("start.lock")
    }

    /// Held shared by each user's process; exclusively by a supervisor that ends for want of users.
    pub(crate) fn users_lock(&self) -> PathBuf {
        self.folder.join("users.lock")
    }

    /// Held exclusively by the supervisor as long as it lives.
    pub(crate) fn alive_lock(&self) -> PathBuf {
        self.folder.join("alive.lock")
    }

    pub(crate) fn plan(&self) -> PathBuf {
        self.folder.join("plan.json")
    }

    pub(crate) fn processes(&self) -> PathBuf {
        self.folder.join("processes.json")
    }

    /// Where it is there, that part stays down: somebody has stopped it, and has not started it again.
    pub(crate) fn stopped(&self, part: &str) -> PathBuf {
        self.folder.join(format!("{part}.stopped"))
    }

    /// The way into somebody's own cluster.
    pub(crate) fn brought_kubeconfig(&self) -> PathBuf {
        self.folder.join("brought.kubeconfig")
    }

    /// What went wrong, when a start went wrong.
    pub(crate) fn failure(&self) -> PathBuf {
        self.folder.join("failure.txt")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.folder.join("state.json")
    }

    pub(crate) fn read_state(&self) -> Option<State> {
        read(&self.state()).ok()
    }

    pub(crate) fn is_alive(&self) -> Result<bool> {
        Ok(crate::machine::lock::try_exclusive(&self.alive_lock())?.is_none())
    }

    /// Everything but the locks.
    pub(crate) fn remove(&self) {
        for file in [self.plan(), self.processes(), self.failure(), self.state(), self.brought_kubeconfig()] {
            // Most are not there most of the time.
            let _ = fs::remove_file(file);
        }
        let _ = fs::remove_file(self.stopped(database::POSTGRES));
    }
}

/// Every lab that was ever started on this machine by this user.
pub(crate) fn all_names() -> Result<Vec<String>> {
    let folders =
        fs::read_dir(places::runtime()?)?.filter_map(|entry| entry.ok()).filter(|entry| entry.path().is_dir());
    let mut names: Vec<_> = folders.filter_map(|folder| folder.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}

/// Those that run, but for one.
pub(crate) fn others_alive(lab: &str) -> Result<Vec<String>> {
    let mut others = all_names()?;
    others.retain(|name| name != lab && Files::of(name).is_ok_and(|files| files.is_alive().unwrap_or(false)));
    Ok(others)
}

pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("understanding {}", path.display()))
}

/// Whole or not at all, for readers in other processes. It may hold secrets of the lab: for the owner only.
pub(crate) fn write<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    let half = path.with_extension("half");
    crate::cluster::certificates::write_private(&half, &serde_json::to_string_pretty(value)?)?;
    fs::rename(&half, path).with_context(|| format!("writing {}", path.display()))
}
