//! The lab as tests see it: started by the first that asks, shared by all, gone after the last.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, OnceLock},
};

use anyhow::{Context as _, Result, anyhow};
use rustix::process::Signal;

use crate::{
    children,
    prepare::{self, Wish},
    process,
    session::{self, Session},
    start,
    state::{Files, State},
};

/// The tests' lab. Test binaries that follow one another within this time meet the same one.
pub(crate) const TESTS: &str = "test";
const LINGER_SECONDS: u64 = 5;

/// A running lab: a cluster, a Temporal server, a Doppler and an image registry.
#[derive(Debug, Clone)]
pub struct Lab {
    session: Arc<Session>,
}

impl Lab {
    /// The lab that all test binaries share. No worker runs in it. It ends some seconds after the last process that uses it.
    pub fn shared() -> Result<Self> {
        static SHARED: OnceLock<Result<Lab, String>> = OnceLock::new();
        // An error is kept, too: a second test would only wait as long to hear the same.
        SHARED
            .get_or_init(|| Self::join_or_start().map_err(|error| format!("{error:#}")))
            .clone()
            .map_err(|error| anyhow!(error))
    }

    fn join_or_start() -> Result<Self> {
        let session = session::join_or_start(TESTS, || {
            prepare::plan(Wish {
                service_network: true,
                use_cluster: prepare::told("BERTH_LAB_USE_CLUSTER"),
                linger_seconds: LINGER_SECONDS,
                restarts: true,
                ..Wish::named(TESTS)
            })
        })?;
        Ok(Self { session: Arc::new(session) })
    }

    /// A lab of fake nodes, for `user` alone: nothing runs in it, and nothing else slows it down.
    pub fn with_fake_nodes(user: &'static str, nodes: u32) -> Result<Self> {
        let session =
            session::join_or_start(user, || prepare::plan(Wish { fake_nodes: Some(nodes), ..Wish::named(user) }))?;
        Ok(Self { session: Arc::new(session) })
    }

    pub(crate) fn state(&self) -> &State {
        &self.session.state
    }

    /// Opens the cluster to its administrator.
    pub fn kubeconfig(&self) -> &Path {
        &self.state().kubeconfig
    }

    /// For a worker: the administrator's rights, under the name `lab-worker` that the audit log then has.
    pub fn worker_kubeconfig(&self) -> &Path {
        &self.state().worker_kubeconfig
    }

    /// `host:port` of the Temporal frontend.
    pub fn temporal_address(&self) -> &str {
        &self.state().temporal_address
    }

    /// The same frontend, as pods reach it.
    pub fn temporal_address_for_pods(&self) -> &str {
        &self.state().temporal_address_for_pods
    }

    /// Where temporal-ui answers.
    pub fn temporal_ui(&self) -> &str {
        &self.state().temporal_ui
    }

    /// The Doppler stand-in: what a worker takes as `DOPPLER_API_HOST`.
    pub fn doppler_url(&self) -> &str {
        &self.state().doppler_url
    }

    /// The sample apps, as a worker takes them with `--apps`.
    pub fn apps_dir(&self) -> &Path {
        &self.state().apps_dir
    }

    /// `host:port` of the image registry.
    pub fn registry(&self) -> &str {
        &self.state().registry
    }

    /// `repository:tag@digest` of a variant of the sample app: `v1` to `v4`, `crash` (exits with 1 at once), `slow`
    /// (ready after 20 s).
    ///
    /// # Panics
    /// Where there is no such variant.
    pub fn image(&self, variant: &str) -> String {
        let images = &self.state().images;
        let known = || images.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        images.get(variant).cloned().unwrap_or_else(|| panic!("there is no image {variant}, only {}", known()))
    }

    /// A reference of the right form whose digest the registry does not have.
    pub fn missing_image(&self) -> String {
        missing_image(self.state())
    }

    /// Whether containers run. Otherwise nodes are fake, and every pod is Ready at once.
    pub fn real_pods(&self) -> bool {
        self.state().real_pods
    }

    /// The API server's audit log: one JSON event a line for each request that wrote, and for each of `lab-worker`.
    pub fn audit_log(&self) -> &Path {
        &self.state().audit_log
    }

    /// `berth worker` for this lab, as its administrator and for its sample apps; flags and variables may say otherwise.
    pub fn worker(&self, berth: impl AsRef<OsStr>, task_queue: &str) -> Command {
        let mut command = Command::new(berth);
        start::make_worker(&mut command, self.state());
        command.args(["--task-queue", task_queue]);
        command
    }

    /// What `kubectl` answers the cluster's administrator.
    ///
    /// # Errors
    /// It failed: its own words.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        let mut kubectl = Command::new(self.tool("kubectl"));
        process::output(kubectl.arg("--kubeconfig").arg(self.kubeconfig()).args(arguments))
    }

    /// What the `temporal` CLI answers.
    ///
    /// # Errors
    /// It failed: its own words.
    pub fn temporal(&self, arguments: &[&str]) -> Result<String> {
        let mut temporal = Command::new(self.tool("temporal"));
        process::output(temporal.args(arguments).args(["--address", self.temporal_address()]))
    }

    /// Ends `temporal` or `kube-apiserver` as a crash would. It is started again at once, and knows what it knew.
    ///
    /// # Errors
    /// The lab does not run it.
    pub fn kill(&self, part: &str) -> Result<()> {
        let running = children::read_record(&Files::of(&self.state().name)?.processes());
        let process = running.iter().find(|process| process.name == part);
        process.with_context(|| format!("the lab runs no {part}"))?.signal(Signal::KILL);
        Ok(())
    }

    /// The lab's own `kubectl`, `temporal`, …
    ///
    /// # Panics
    /// Where the lab has no such program.
    pub fn tool(&self, name: &str) -> PathBuf {
        self.state().tools.get(name).cloned().unwrap_or_else(|| panic!("the lab has no program {name}"))
    }
}

pub(crate) fn missing_image(state: &State) -> String {
    format!("{}/acme/web:missing@sha256:{}", state.registry, "0".repeat(64))
}
