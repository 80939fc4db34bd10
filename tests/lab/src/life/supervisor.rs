//! The process that holds a lab: it starts the parts, watches them and the users, and ends all of them.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use crate::{
    life::{clean, plan::Plan, start, worker::WORKER},
    machine::{
        children::Children,
        files::{self, Files},
        folders, lock,
        process::ProcessId,
    },
};

/// Generous: another lab's test binaries may run before, and a demo takes minutes.
const NODE_FREE_WITHIN: Duration = Duration::from_secs(600);

/// The time that the worker has to drain.
const WORKER_STOPS_WITHIN: Duration = Duration::from_secs(10);

/// Runs a lab from its start to its end.
pub(crate) fn run(plan: &Path) -> Result<()> {
    // A session of its own, which a Ctrl-C in the starting terminal does not reach.
    rustix::process::setsid().context("leaving the session")?;
    let plan: Plan = files::read(plan)?;
    let files = Files::of_lab(&plan.name)?;
    let _alive = lock::exclusive(&files.alive_lock())?;
    let result = hold(&plan, &files);
    if let Err(error) = &result {
        fs::write(files.failure(), format!("{error:#}"))?;
    }
    result
}

fn hold(plan: &Plan, files: &Files) -> Result<()> {
    let stop = stop_on_signal()?;
    let _node = plan.real_node.then(|| take_the_node(plan)).transpose()?;
    let data = folders::data(&plan.name)?;
    let mut children = Children::new(&plan.name, data.join("logs"), files.clone())?;
    let lived = live(plan, files, &data, &mut children, &stop);

    // From now on a new user must wait for the end, and start a new lab.
    let _ = fs::remove_file(files.state());
    children.stop(WORKER, WORKER_STOPS_WITHIN);
    let kept_logs = keep_node_logs(&data);
    children.kill_all();
    clean::sweep(&plan.name, plan.real_node)?;
    // The users' lock is released only now: the next user finds no lab, and starts one.
    lived.map(drop).and(kept_logs)
}

/// Runs the lab until it is stopped or has no users. In the latter case it answers the users' lock.
fn live(
    plan: &Plan,
    files: &Files,
    data: &Path,
    children: &mut Children,
    stop: &AtomicBool,
) -> Result<Option<lock::Lock>> {
    let mut state = start::start_all(plan, data, children)?;
    state.supervisor = ProcessId::new("supervisor", std::process::id());
    files::write(&files.state(), &state)?;
    let mut users = Users { lock: files.users_lock(), last_seen: Instant::now() };
    while !stop.load(Ordering::Relaxed) {
        if let Some(message) = children.ended()? {
            bail!("{message}");
        }
        if !plan.detached
            && let Some(last) = users.are_gone_for(Duration::from_secs(plan.linger_seconds))?
        {
            return Ok(Some(last));
        }
        thread::sleep(Duration::from_millis(200));
    }
    Ok(None)
}

/// The processes that use this lab. Each holds a shared lock, which the kernel releases when it ends.
struct Users {
    lock: PathBuf,
    last_seen: Instant,
}

impl Users {
    /// Answers the exclusive lock, which keeps others from joining, once there was no user for `linger`.
    fn are_gone_for(&mut self, linger: Duration) -> Result<Option<lock::Lock>> {
        let unused = lock::try_exclusive(&self.lock)?;
        if unused.is_none() {
            self.last_seen = Instant::now();
        }
        Ok(unused.filter(|_| self.last_seen.elapsed() >= linger))
    }
}

/// Takes the lock for the real node. There can be one per machine: its cgroups, veth pair and ports have fixed names.
fn take_the_node(plan: &Plan) -> Result<lock::Lock> {
    let end = Instant::now() + if plan.waits_for_node { NODE_FREE_WITHIN } else { Duration::ZERO };
    loop {
        if let Some(taken) = lock::try_exclusive(&clean::node_lock()?)? {
            return Ok(taken);
        }
        if Instant::now() >= end {
            bail!(
                "a lab with a real node already runs on this machine ({}), and there can be one: end it with \
                 `cargo lab down --all`, or use fake nodes with --fake-nodes",
                files::others_alive(&plan.name)?.join(", ")
            )
        }
        thread::sleep(Duration::from_millis(200));
    }
}

/// Moves the node's logs out of its data folder, which is removed next.
fn keep_node_logs(data: &Path) -> Result<()> {
    let (node, logs) = (data.join("node"), data.join("logs"));
    for name in ["containerd", "kubelet", "kube-proxy"] {
        let log = node.join(format!("{name}.log"));
        if log.exists() {
            fs::copy(log, logs.join(format!("{name}.log")))?;
        }
    }
    // Logs of the lab before are dropped.
    let (pods, kept) = (node.join("logs/pods"), logs.join("pods"));
    if kept.exists() {
        fs::remove_dir_all(&kept)?;
    }
    if pods.exists() {
        fs::rename(pods, kept)?;
    }
    Ok(())
}

pub(crate) fn stop_on_signal() -> Result<Arc<AtomicBool>> {
    use tokio::signal::unix::{SignalKind, signal};
    let stop = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&stop);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut terminate, mut interrupt) = {
        let _entered = runtime.enter();
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
    };
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        });
        set.store(true, Ordering::Relaxed);
    })?;
    Ok(stop)
}
