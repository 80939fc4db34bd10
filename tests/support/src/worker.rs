//! The worker as a process: the built binary, started for a lab.

use std::{
    ffi::OsStr,
    fs,
    path::Path,
    process::{Child, Command, Stdio},
};

use berth_lab::Lab;
use tempfile::NamedTempFile;

use crate::until;

/// The log's filter: details of berth, without those of the libraries, which are most of the text and of its cost.
const LOG: &str = "info,berth=debug,berth_activities=debug,berth_workflows=debug";
/// A line of the log that says the worker takes work.
const READY: &str = "Taking work from";
/// Text in the log before the address of `/metrics`.
const METRICS: &str = "/readyz and /metrics on ";

/// A running `berth worker`. Dropped, it is killed; in a test that panics its log is shown.
pub struct Worker {
    process: Child,
    log: NamedTempFile,
}

impl Worker {
    /// Starts the binary `berth` as a worker of that lab. Flags and variables that `configure` adds win over the lab's.
    pub fn start(lab: &Lab, berth: impl AsRef<OsStr>, task_queue: &str, configure: impl FnOnce(&mut Command)) -> Self {
        let log = NamedTempFile::new().unwrap();
        let mut command = lab.worker(berth, task_queue);
        command.env("BERTH_LOG", LOG).stdout(Stdio::null()).stderr(log.reopen().unwrap());
        configure(&mut command);
        Self { process: command.spawn().unwrap(), log }
    }

    /// Ends the process without a warning, as the kernel would.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// The process's id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap()
    }

    /// The file of its log.
    pub fn log_path(&self) -> &Path {
        self.log.path()
    }

    /// True once it takes work.
    pub fn is_ready(&self) -> bool {
        self.log().contains(READY)
    }

    /// `host:port` of its metrics, once it serves them.
    pub fn metrics_address(&self) -> String {
        until("the worker serves its metrics", || self.log().contains(METRICS));
        let log = self.log();
        let (_, rest) = log.split_once(METRICS).unwrap();
        rest.chars().take_while(|c| c.is_ascii_digit() || ".:".contains(*c)).collect()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        berth_lab::kill(&mut self.process);
        if std::thread::panicking() {
            eprintln!("--- the worker's log\n{}", self.log());
        }
    }
}
