//! The processes of one lab in the order of their start, and the record of them that a later start reads.

use std::{
    ffi::OsStr,
    fs, mem,
    path::{Path, PathBuf},
    process::{Child, Command},
    time::Duration,
};

use anyhow::{Context as _, Result};
use rustix::process::Signal;

use crate::machine::{
    files::Files,
    folders,
    process::{self, ProcessId},
};

#[derive(Debug)]
pub(crate) struct Children {
    lab: String,
    logs: PathBuf,
    files: Files,
    running: Vec<Running>,
}

#[derive(Debug)]
struct Running {
    id: ProcessId,
    child: Child,
    /// The command to start when it ends. Without one, its end is the lab's end.
    restart: Option<Command>,
}

impl Children {
    /// The record in `files` is rewritten at each start of a process.
    pub(crate) fn new(lab: &str, logs: PathBuf, files: Files) -> Result<Self> {
        Ok(Self { lab: lab.to_owned(), logs: folders::make(logs)?, files, running: Vec::new() })
    }

    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.logs.join(format!("{name}.log"))
    }

    /// Makes a command whose process ends with the thread that starts it.
    ///
    /// Start it from a thread that lives as long as the lab.
    pub(crate) fn command(&self, name: &str, program: impl AsRef<OsStr>) -> Result<Command> {
        process::bound_to_parent(&self.lab, program, &self.log(name))
    }

    pub(crate) fn start(&mut self, name: &str, mut command: Command) -> Result<()> {
        let child = spawn(name, &mut command)?;
        self.add(name, child, None)
    }

    /// Starts a process that [`Children::ended`] restarts whenever it has ended.
    pub(crate) fn start_with_restarts(&mut self, name: &str, mut command: Command) -> Result<()> {
        let child = spawn(name, &mut command)?;
        self.add(name, child, Some(command))
    }

    fn add(&mut self, name: &str, child: Child, restart: Option<Command>) -> Result<()> {
        self.running.push(Running { id: ProcessId::new(name, child.id()), child, restart });
        self.write_record()
    }

    /// Waits for a condition as long as the process runs.
    pub(crate) fn wait_until(&mut self, name: &str, limit: Duration, done: impl FnMut() -> bool) -> Result<()> {
        let log = self.log(name);
        process::wait_until(name, self.child(name)?, &log, limit, done)
    }

    pub(crate) fn child(&mut self, name: &str) -> Result<&mut Child> {
        let running = self.running.iter_mut().find(|running| running.id.name == name);
        Ok(&mut running.with_context(|| format!("{name} was not started"))?.child)
    }

    /// Restarts what is to be restarted, and reports the first other process that has ended by itself.
    ///
    /// A part that was stopped on purpose is not restarted.
    pub(crate) fn ended(&mut self) -> Result<Option<String>> {
        let mut restarted = false;
        for running in &mut self.running {
            if let Some(status) = running.child.try_wait()? {
                if running.restart.is_some() && self.files.stopped(&running.id.name).exists() {
                    continue;
                }
                if let Some(command) = &mut running.restart {
                    running.child = spawn(&running.id.name, command)?;
                    running.id = ProcessId::new(&running.id.name, running.child.id());
                    restarted = true;
                    continue;
                }
                let name = &running.id.name;
                let log = self.logs.join(format!("{name}.log"));
                return Ok(Some(format!("{name} ended ({status}):\n{}", process::tail(&log))));
            }
        }
        if restarted {
            self.write_record()?;
        }
        Ok(None)
    }

    fn write_record(&self) -> Result<()> {
        let running: Vec<_> = self.running.iter().map(|running| &running.id).collect();
        let record = self.files.processes();
        fs::write(&record, serde_json::to_string(&running)?).with_context(|| format!("writing {}", record.display()))
    }

    /// Asks one process to end, and waits for it.
    pub(crate) fn stop(&mut self, name: &str, limit: Duration) {
        let Some(at) = self.running.iter().position(|running| running.id.name == name) else { return };
        let mut running = self.running.remove(at);
        running.id.signal(Signal::TERM);
        let end = std::time::Instant::now() + limit;
        while matches!(running.child.try_wait(), Ok(None)) && std::time::Instant::now() < end {
            std::thread::sleep(Duration::from_millis(20));
        }
        process::kill(&mut running.child);
    }

    /// Kills all of them, the last started first. Nothing in a lab needs an orderly end.
    pub(crate) fn kill_all(&mut self) {
        for mut running in mem::take(&mut self.running).into_iter().rev() {
            process::kill(&mut running.child);
        }
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        self.kill_all();
    }
}

fn spawn(name: &str, command: &mut Command) -> Result<Child> {
    command.spawn().with_context(|| format!("starting {name}"))
}

/// Reads which processes a lab had started; the lab itself may have been killed.
pub(crate) fn read_record(record: &Path) -> Vec<ProcessId> {
    fs::read_to_string(record).ok().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
}
