//! The lab for tests: started by the first that needs it, shared by all, ended after the last.

use std::{
    ffi::OsStr,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, OnceLock},
};

use anyhow::{Result, anyhow};
use rustix::process::Signal;

use crate::{
    life::{
        outage,
        plan::{self, Request},
        session::{self, Session},
        state::{Full, State},
        worker,
    },
    machine::{http, process},
    services::{database::POSTGRES, postgres},
};

/// The name of the tests' full lab.
const FULL: &str = "full";
/// The name of the tests' lab.
pub(crate) const TESTS: &str = "test";

/// A running lab: a cluster, a Temporal server, a Doppler stand-in and an image registry.
#[derive(Debug, Clone)]
pub struct Lab {
    session: Arc<Session>,
}

impl Lab {
    /// Joins or starts the lab that all test binaries share. It has no worker.
    ///
    /// It ends some seconds after the last process that uses it.
    pub fn shared() -> Result<Self> {
        static SHARED: OnceLock<Result<Lab, String>> = OnceLock::new();
        Self::once(&SHARED, || Request {
            service_network: true,
            use_cluster: plan::is_set("BERTH_LAB_USE_CLUSTER"),
            ..Request::for_tests(TESTS)
        })
    }

    /// Joins or starts a lab, once per process.
    fn once(kept: &OnceLock<Result<Self, String>>, request: impl FnOnce() -> Request) -> Result<Self> {
        let join_or_start = || {
            let request = request();
            let session = session::join_or_start(request.name, || plan::make(request))?;
            Ok(Self { session: Arc::new(session) })
        };
        // An error is kept, too, so that a second test does not wait for the same one.
        kept.get_or_init(|| join_or_start().map_err(|error: anyhow::Error| format!("{error:#}")))
            .clone()
            .map_err(|error| anyhow!(error))
    }

    /// Joins or starts the lab in which whole environments run: with an ingress controller, enforced network policies, a
    /// database server for previews, and the sample app `web` with berth's own manifests.
    ///
    /// There is one real node, so this lab and [`Lab::shared`] wait for each other to end.
    ///
    /// # Errors
    /// This machine cannot have a real node, or a part does not start.
    pub fn full() -> Result<Self> {
        static SHARED: OnceLock<Result<Lab, String>> = OnceLock::new();
        Self::once(&SHARED, || Request { full: true, ..Request::for_tests(FULL) })
    }

    /// Whether this machine can have a full lab. If not, the reason is printed on stderr.
    pub fn can_be_full() -> bool {
        plan::can_be_full(&Request::named(FULL))
    }

    /// Joins or starts a lab of fake nodes of its own, named `user`. No containers run in it.
    pub fn with_fake_nodes(user: &'static str, nodes: u32) -> Result<Self> {
        let session =
            session::join_or_start(user, || plan::make(Request { fake_nodes: Some(nodes), ..Request::named(user) }))?;
        Ok(Self { session: Arc::new(session) })
    }

    pub(crate) fn state(&self) -> &State {
        &self.session.state
    }

    /// The kubeconfig of the cluster's administrator.
    pub fn kubeconfig(&self) -> &Path {
        &self.state().kubeconfig
    }

    /// The kubeconfig for a worker: the administrator's rights under the user name `lab-worker`, as the audit log has it.
    pub fn worker_kubeconfig(&self) -> &Path {
        &self.state().worker_kubeconfig
    }

    /// The Temporal frontend, as `host:port`.
    pub fn temporal_address(&self) -> &str {
        &self.state().temporal_address
    }

    /// The Temporal frontend as pods reach it, as `host:port`.
    pub fn temporal_address_for_pods(&self) -> &str {
        &self.state().temporal_address_for_pods
    }

    /// The URL of temporal-ui.
    pub fn temporal_ui(&self) -> &str {
        &self.state().temporal_ui
    }

    /// The URL of the Doppler stand-in, for a worker's `DOPPLER_API_HOST`.
    pub fn doppler_url(&self) -> &str {
        &self.state().doppler_url
    }

    /// The folder of the sample apps, for a worker's `--apps`.
    pub fn apps_dir(&self) -> &Path {
        &self.state().apps_dir
    }

    /// The image registry, as `host:port`.
    pub fn registry(&self) -> &str {
        &self.state().registry
    }

    /// A variant of the sample app, as `repository:tag@digest`: `v1` to `v4`, `crash` (exits with 1 at once), `slow` (ready
    /// after 20 s).
    ///
    /// A full lab also has `full-v1`, `full-v2`, `temporal-server`, `temporal-admin-tools`, `temporal-ui` and `traefik`.
    ///
    /// # Panics
    /// The lab has no such variant.
    pub fn image(&self, variant: &str) -> String {
        let images = &self.state().images;
        let known = || images.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        images.get(variant).cloned().unwrap_or_else(|| panic!("there is no image {variant}, only {}", known()))
    }

    /// A valid image reference whose digest the registry does not have.
    pub fn missing_image(&self) -> String {
        missing_image(self.state())
    }

    fn full_part(&self) -> &Full {
        self.state().full.as_ref().unwrap_or_else(|| panic!("the lab `{}` is not a full one", self.state().name))
    }

    /// The address of a full lab's ingress controller on this machine.
    ///
    /// # Panics
    /// The lab is not a full one.
    pub fn ingress(&self) -> SocketAddr {
        self.full_part().ingress
    }

    /// Sends a GET request for `http://<host><path>` to the ingress controller. Answers the status and the body.
    ///
    /// # Errors
    /// There is no answer.
    pub fn get(&self, host: &str, path: &str) -> Result<(u16, String)> {
        let answer = http::get(self.ingress(), host, path)?;
        Ok((answer.status, answer.body))
    }

    /// The address of a full lab's database server, for pods and for this machine.
    pub fn postgres(&self) -> SocketAddr {
        self.full_part().postgres
    }

    /// The file for a worker's `--database-servers`, in which the server is called `previews`.
    pub fn database_servers(&self) -> &Path {
        &self.full_part().database_servers
    }

    /// Runs SQL as the admin of a full lab's database server. Answers a line per row.
    ///
    /// # Errors
    /// `psql` failed. The error has its stderr.
    pub fn psql(&self, database: &str, sql: &str) -> Result<String> {
        postgres::psql(self.postgres(), (postgres::USER, postgres::PASSWORD), database, sql)
    }

    /// Kills a full lab's database server, and keeps it down.
    ///
    /// # Errors
    /// It is down already.
    pub fn stop_postgres(&self) -> Result<()> {
        outage::begin(self.state(), POSTGRES)
    }

    /// Starts the stopped database server again, with its data, and waits until it answers.
    ///
    /// # Errors
    /// It was not stopped, or does not answer.
    pub fn start_postgres(&self) -> Result<()> {
        outage::end(self.state(), POSTGRES)?;
        postgres::wait_until_it_answers(self.postgres())
    }

    /// Whether containers run. If not, nodes are fake and every pod is Ready at once.
    pub fn real_pods(&self) -> bool {
        self.state().real_pods
    }

    /// The API server's audit log: a line of JSON for each write, and for each request of `lab-worker`.
    pub fn audit_log(&self) -> &Path {
        &self.state().audit_log
    }

    /// Makes the command `berth worker` for this lab, with its administrator's rights and its sample apps.
    ///
    /// Flags and variables may override its settings.
    pub fn worker(&self, berth: impl AsRef<OsStr>, task_queue: &str) -> Command {
        let mut command = Command::new(berth);
        worker::configure(&mut command, self.state());
        command.args(["--task-queue", task_queue]);
        command
    }

    /// Runs `kubectl` as the cluster's administrator. Answers its stdout.
    ///
    /// # Errors
    /// It failed. The error has its stderr.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        let mut kubectl = Command::new(self.tool("kubectl"));
        process::output(kubectl.arg("--kubeconfig").arg(self.kubeconfig()).args(arguments))
    }

    /// Runs the `temporal` CLI. Answers its stdout.
    ///
    /// # Errors
    /// It failed. The error has its stderr.
    pub fn temporal(&self, arguments: &[&str]) -> Result<String> {
        let mut temporal = Command::new(self.tool("temporal"));
        process::output(temporal.args(arguments).args(["--address", self.temporal_address()]))
    }

    /// The programs that the lab runs now, by name, with their process ids.
    ///
    /// # Errors
    /// The lab's folder cannot be found.
    pub fn processes(&self) -> Result<Vec<(String, u32)>> {
        let running = outage::running(self.state())?;
        Ok(running.into_iter().map(|process| (process.name, process.pid)).collect())
    }

    /// Kills `temporal`, `kube-apiserver` or a full lab's `postgres`. It is restarted at once, with its data.
    ///
    /// # Errors
    /// The lab does not run that part.
    pub fn kill(&self, part: &str) -> Result<()> {
        outage::process_of(self.state(), part)?.signal(Signal::KILL);
        Ok(())
    }

    /// Kills `temporal` or `kube-apiserver`, and keeps it down.
    ///
    /// # Errors
    /// It is down already.
    pub fn stop(&self, part: &str) -> Result<()> {
        outage::begin(self.state(), part)
    }

    /// Lets the lab start a stopped part again, with its data. It does not answer yet.
    ///
    /// # Errors
    /// It was not stopped.
    pub fn start(&self, part: &str) -> Result<()> {
        outage::end(self.state(), part)
    }

    /// The path of a program of the lab, such as `kubectl` or `temporal`.
    ///
    /// # Panics
    /// The lab has no such program.
    pub fn tool(&self, name: &str) -> PathBuf {
        self.state().tools.get(name).cloned().unwrap_or_else(|| panic!("the lab has no program {name}"))
    }
}

pub(crate) fn missing_image(state: &State) -> String {
    format!("{}/acme/web:missing@sha256:{}", state.registry, "0".repeat(64))
}
