//! The lab as tests see it: started by the first that asks, shared by all, gone after the last.

use std::{
    ffi::OsStr,
    fs,
    io::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, OnceLock},
};

use anyhow::{Context as _, Result, anyhow};
use rustix::process::Signal;

use crate::{
    life::{
        plan::{self, Wish},
        session::{self, Session},
        state::{Full, State},
        worker,
    },
    machine::{
        children,
        files::Files,
        http,
        process::{self, ProcessId},
    },
    services::{database::POSTGRES, postgres},
};

/// The tests' full lab.
const FULL: &str = "full";
/// The tests' lab.
pub(crate) const TESTS: &str = "test";

/// A running lab: a cluster, a Temporal server, a Doppler and an image registry.
#[derive(Debug, Clone)]
pub struct Lab {
    session: Arc<Session>,
}

impl Lab {
    /// The lab that all test binaries share. No worker runs in it. It ends some seconds after the last process that uses it.
    pub fn shared() -> Result<Self> {
        static SHARED: OnceLock<Result<Lab, String>> = OnceLock::new();
        Self::once(&SHARED, || Wish {
            service_network: true,
            use_cluster: plan::told("BERTH_LAB_USE_CLUSTER"),
            ..Wish::of_tests(TESTS)
        })
    }

    /// Joins or starts the lab that is wished for, in this process once.
    fn once(kept: &OnceLock<Result<Self, String>>, wish: impl FnOnce() -> Wish) -> Result<Self> {
        let join_or_start = || {
            let wish = wish();
            let session = session::join_or_start(wish.name, || plan::plan(wish))?;
            Ok(Self { session: Arc::new(session) })
        };
        // An error is kept, too: a second test would only wait as long to hear the same.
        kept.get_or_init(|| join_or_start().map_err(|error: anyhow::Error| format!("{error:#}")))
            .clone()
            .map_err(|error| anyhow!(error))
    }

    /// A lab in which a whole environment runs: an ingress controller, network policies that hold, a database server for
    /// previews, and the sample app `web` with berth's own manifests. Shared by all tests that ask for it, and there is one
    /// real node for it and [`Lab::shared`]: each waits for the other to end.
    ///
    /// # Errors
    /// This machine cannot have a real node, or a part does not start.
    pub fn full() -> Result<Self> {
        static SHARED: OnceLock<Result<Lab, String>> = OnceLock::new();
        Self::once(&SHARED, || Wish { full: true, ..Wish::of_tests(FULL) })
    }

    /// Whether this machine can have one; if not, why is said on stderr.
    pub fn can_be_full() -> bool {
        let possible = plan::full_possible(&Wish { full: true, ..Wish::named(FULL) });
        if let Err(reason) = &possible {
            let _ = writeln!(std::io::stderr(), "lab: {reason:#}");
        }
        possible.is_ok()
    }

    /// A lab of fake nodes, for `user` alone: nothing runs in it, and nothing else slows it down.
    pub fn with_fake_nodes(user: &'static str, nodes: u32) -> Result<Self> {
        let session =
            session::join_or_start(user, || plan::plan(Wish { fake_nodes: Some(nodes), ..Wish::named(user) }))?;
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
    /// (ready after 20 s); in a full lab `full-v1` and `full-v2` of the whole one, and `temporal-server` and its kin, too.
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

    fn full_part(&self) -> &Full {
        self.state().full.as_ref().unwrap_or_else(|| panic!("the lab `{}` is no full one", self.state().name))
    }

    /// Where a full lab's ingress controller answers on this machine.
    ///
    /// # Panics
    /// Where the lab is no full one, as for what follows.
    pub fn ingress(&self) -> SocketAddr {
        self.full_part().ingress
    }

    /// What `http://<host><path>` answers through the ingress controller: the status and the body.
    ///
    /// # Errors
    /// Nobody answers.
    pub fn get(&self, host: &str, path: &str) -> Result<(u16, String)> {
        let answer = http::get(self.ingress(), host, path)?;
        Ok((answer.status, answer.body))
    }

    /// A full lab's database server, for pods and for this machine.
    pub fn postgres(&self) -> SocketAddr {
        self.full_part().postgres
    }

    /// The worker's `--database-servers` file: the server is called `previews`.
    pub fn database_servers(&self) -> &Path {
        &self.full_part().database_servers
    }

    /// What `psql` answers the database server's admin, a row a line.
    ///
    /// # Errors
    /// It failed: its own words.
    pub fn psql(&self, database: &str, sql: &str) -> Result<String> {
        postgres::psql(self.postgres(), (postgres::USER, postgres::PASSWORD), database, sql)
    }

    /// Ends a full lab's database server as a crash would, and keeps it down.
    ///
    /// # Errors
    /// It is down already.
    pub fn stop_postgres(&self) -> Result<()> {
        let stopped = Files::of_lab(&self.state().name)?.stopped(POSTGRES);
        fs::write(&stopped, "").with_context(|| format!("writing {}", stopped.display()))?;
        let server = self.process(POSTGRES)?;
        server.signal(Signal::KILL);
        process::wait_until_gone(&server)
    }

    /// Starts it again, with what it had, and waits until it answers.
    ///
    /// # Errors
    /// It does not answer.
    pub fn start_postgres(&self) -> Result<()> {
        let stopped = Files::of_lab(&self.state().name)?.stopped(POSTGRES);
        fs::remove_file(&stopped).context("the database server was not stopped")?;
        postgres::wait_until_it_answers(self.postgres())
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
        worker::configure(&mut command, self.state());
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

    /// Ends `temporal`, `kube-apiserver` or a full lab's `postgres` as a crash would. It is started again at once, and knows what it knew.
    ///
    /// # Errors
    /// The lab does not run it.
    pub fn kill(&self, part: &str) -> Result<()> {
        self.process(part)?.signal(Signal::KILL);
        Ok(())
    }

    fn process(&self, part: &str) -> Result<ProcessId> {
        let running = children::read_record(&Files::of_lab(&self.state().name)?.processes());
        running.into_iter().find(|process| process.name == part).with_context(|| format!("the lab runs no {part}"))
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
