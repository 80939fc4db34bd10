//! The process that holds a lab: starts its parts in order, watches them and its users, and ends with all of them.

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
    life::{clean, start, state::Plan},
    machine::{
        children::Children,
        files::{self, Files},
        folders, lock,
        process::ProcessId,
    },
};

/// Test binaries of the one lab and of the other follow one another, and each lab outlives its last user by some seconds;
/// a demo takes minutes.
const NODE_FREE_WITHIN: Duration = Duration::from_secs(600);

/// The worker drains: it gives back what it was doing.
const WORKER_STOPS_WITHIN: Duration = Duration::from_secs(10);

/// Runs a lab from its start to its end.
pub(crate) fn run(plan: &Path) -> Result<()> {
    // A session of its own: a Ctrl-C in the terminal of whoever started it is not meant for it.
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

    // Whoever asks from now on must wait for the end, or start a lab of his own.
    let _ = fs::remove_file(files.state());
    children.stop("worker", WORKER_STOPS_WITHIN);
    let kept_logs = keep_node_logs(&data);
    children.kill_all();
    clean::sweep(&plan.name, plan.real_node)?;
    // Only now may somebody else join: whoever comes finds none, and starts one.
    lived.map(drop).and(kept_logs)
}

/// Answers the users' lock if it was for want of users that it ended.
fn live(
    plan: &Plan,
    files: &Files,
    data: &Path,
    children: &mut Children,
    stop: &AtomicBool,
) -> Result<Option<lock::Lock>> {
    let mut state = start::everything(plan, data, children)?;
    state.supervisor = ProcessId::new("supervisor", std::process::id());
    files::write(&files.state(), &state)?;
    let mut users = Users { lock: files.users_lock(), last_seen: Instant::now() };
    while !stop.load(Ordering::Relaxed) {
        if let Some(words) = children.ended()? {
            bail!("{words}");
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

/// The processes that use this lab: each holds a shared lock, which the kernel takes back when it ends.
struct Users {
    lock: PathBuf,
    last_seen: Instant,
}

impl Users {
    /// The lock that keeps others from joining what is about to end.
    fn are_gone_for(&mut self, linger: Duration) -> Result<Option<lock::Lock>> {
        let unused = lock::try_exclusive(&self.lock)?;
        if unused.is_none() {
            self.last_seen = Instant::now();
        }
        Ok(unused.filter(|_| self.last_seen.elapsed() >= linger))
    }
}

/// Cgroups, the cable's name and the ports of a kubelet are one per machine, and so is this.
fn take_the_node(plan: &Plan) -> Result<lock::Lock> {
    let end = Instant::now() + if plan.waits_for_node { NODE_FREE_WITHIN } else { Duration::ZERO };
    loop {
        if let Some(taken) = lock::try_exclusive(&clean::node_lock()?)? {
            return Ok(taken);
        }
        if Instant::now() >= end {
            bail!(
                "a lab with a real node already runs on this machine ({}), and there can be one: end it with \
                 `cargo lab down --all`, or take fake nodes with --fake-nodes",
                files::others_alive(&plan.name)?.join(", ")
            )
        }
        thread::sleep(Duration::from_millis(200));
    }
}

/// The node's logs lie with its data, which is about to be removed.
fn keep_node_logs(data: &Path) -> Result<()> {
    let (node, logs) = (data.join("node"), data.join("logs"));
    for name in ["containerd", "kubelet", "kube-proxy"] {
        let log = node.join(format!("{name}.log"));
        if log.exists() {
            fs::copy(log, logs.join(format!("{name}.log")))?;
        }
    }
    // Those of the lab before are no longer of interest.
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
