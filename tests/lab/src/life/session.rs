//! Using a lab from a process: joining the one that runs, or starting it.

use std::{
    fs::{self, File},
    io::Write as _,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use rustix::process::Signal;

use crate::{
    life::{clean, plan::Plan, state::State},
    machine::{
        files::{self, Files},
        folders,
        lock::{self, Lock},
        process::{self, MARK},
    },
    parts::{Progress, cargo},
};

/// The use of a lab by this process. The lab lives at least as long as this.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) state: State,
    _user: Lock,
}

/// Joins the lab of that name, or starts it. `make_plan` is called only if none runs.
pub(crate) fn join_or_start(lab: &str, make_plan: impl FnOnce() -> Result<Plan>) -> Result<Session> {
    let files = Files::of_lab(lab)?;
    let _starting = lock::exclusive(&files.start_lock())?;
    // A supervisor that ends because it has no users holds this lock until it has ended.
    let user = lock::shared(&files.users_lock())?;
    if files.is_alive()? {
        if let Some(state) = State::read(&files) {
            return Ok(Session { state, _user: user });
        }
        // It is ending: starting is impossible while this process holds the start lock.
        drop(lock::exclusive(&files.alive_lock())?);
    }
    sweep(lab)?;
    let plan = make_plan()?;
    let state = start(&plan, &files)?;
    Ok(Session { state, _user: user })
}

fn start(plan: &Plan, files: &Files) -> Result<State> {
    let supervisor = cargo::lab()?;
    files::write(&files.plan(), plan)?;
    let log = folders::make(folders::data(&plan.name)?.join("logs"))?.join("supervisor.log");
    let output = File::create(&log).with_context(|| format!("creating {}", log.display()))?;
    let _progress = Progress::begin(format!("starting the lab `{}`", plan.name));
    if plan.real_node && plan.waits_for_node {
        let others = files::others_alive(&plan.name)?;
        if !others.is_empty() && lock::try_exclusive(&clean::node_lock()?)?.is_none() {
            writeln!(std::io::stderr(), "lab: waiting for the one real node, used by `{}`", others.join("` or `"))?;
        }
    }
    let mut child = Command::new(supervisor)
        .arg("supervise")
        .arg(files.plan())
        .env(MARK, &plan.name)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()
        .context("starting the lab's supervisor")?;
    wait_for_state(&mut child, files, &log)
}

/// Waits until the lab is ready or has failed. Every wait inside the supervisor is bounded.
fn wait_for_state(child: &mut Child, files: &Files, log: &Path) -> Result<State> {
    loop {
        if let Some(state) = State::read(files) {
            return Ok(state);
        }
        if child.try_wait()?.is_some() {
            let failure = fs::read_to_string(files.failure()).unwrap_or_else(|_| process::tail(log));
            bail!("the lab did not start: {}", failure.trim());
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// Ends a lab, or cleans up a dead one. Answers whether it was running.
pub(crate) fn end(lab: &str) -> Result<bool> {
    let files = Files::of_lab(lab)?;
    let running = files.is_alive()?;
    if running {
        let _progress = Progress::begin(format!("ending the lab `{lab}`"));
        if let Some(state) = State::read(&files) {
            state.supervisor.signal(Signal::TERM);
        } else {
            writeln!(std::io::stderr(), "lab: `{lab}` is just starting or ending: waiting for it")?;
        }
        // The supervisor releases its lock when everything is gone and it has ended.
        drop(lock::exclusive(&files.alive_lock())?);
    }
    let _starting = lock::exclusive(&files.start_lock())?;
    if !files.is_alive()? {
        sweep(lab)?;
    }
    Ok(running)
}

/// Cleans up a lab. The rest of a node is removed only while no other lab has the real node.
fn sweep(lab: &str) -> Result<()> {
    let node = lock::try_exclusive(&clean::node_lock()?)?;
    clean::sweep(lab, node.is_some() && folders::is_root())
}
