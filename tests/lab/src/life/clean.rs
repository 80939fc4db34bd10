//! Removing the rest of a lab from the machine, and checking that nothing is left.

use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use rustix::process::Signal;

use crate::{
    cluster::node,
    machine::{
        children::read_record,
        files::{self, Files},
        folders,
        process::{self, MARK, ProcessId},
    },
};

/// The time that the kernel may take to end a node's processes and free their resources.
const GONE_WITHIN: Duration = Duration::from_secs(20);

/// Removes the rest of a lab that has ended. The caller has made sure that it has.
pub(crate) fn sweep(lab: &str, had_node: bool) -> Result<()> {
    let files = Files::of_lab(lab)?;
    let recorded = read_record(&files.processes());
    for process in &recorded {
        process.signal(Signal::KILL);
    }
    wait_until(|| !recorded.iter().any(ProcessId::is_alive));
    if had_node {
        sweep_node()?;
    }
    remove_data(lab)?;
    remove_server_data(lab)?;
    files.remove();
    Ok(())
}

fn sweep_node() -> Result<()> {
    // Both ends go with the node's network namespace, which open connections keep alive for a while. So the pair is
    // deleted here. It may just have gone by itself.
    let deleted = process::run(&format!("ip link delete {}", node::VETH));
    if veth_exists() {
        deleted?;
    }
    wait_until(|| node::remove_cgroups().is_ok());
    node::remove_cgroups()?;
    // Created as a mount point. If it is not empty, another kubelet uses it.
    let _ = fs::remove_dir("/var/lib/kubelet");
    Ok(())
}

/// Removes all data but the logs, which explain a failure.
fn remove_data(lab: &str) -> Result<()> {
    for entry in fs::read_dir(folders::data(lab)?)? {
        let path = entry?.path();
        match path.is_dir() {
            _ if path.ends_with("logs") => {}
            true => fs::remove_dir_all(path)?,
            false => fs::remove_file(path)?,
        }
    }
    Ok(())
}

fn remove_server_data(lab: &str) -> Result<()> {
    let all = Path::new(folders::SERVER_DATA);
    let this = all.join(lab);
    if this.exists() {
        fs::remove_dir_all(this)?;
        // It is not empty as long as another lab has data in it.
        let _ = fs::remove_dir(all);
    }
    Ok(())
}

fn veth_exists() -> bool {
    Path::new("/sys/class/net").join(node::VETH).exists()
}

fn wait_until(mut done: impl FnMut() -> bool) {
    let end = Instant::now() + GONE_WITHIN;
    while !done() && Instant::now() < end {
        thread::sleep(Duration::from_millis(20));
    }
}

/// Fails with a list if anything of any lab is left on this machine.
///
/// Waits for labs of tests that are about to end.
pub fn check_clean() -> Result<()> {
    wait_until(|| left_over().is_empty());
    let left = left_over();
    if !left.is_empty() {
        bail!("a lab has left something behind, and `cargo lab down --all` removes it:\n  {}", left.join("\n  "));
    }
    Ok(())
}

/// A line for each process, mount, network device, folder and cgroup that is left.
pub(crate) fn left_over() -> Vec<String> {
    let mut left: Vec<String> = processes();
    left.extend(mounts().into_iter().map(|mount| format!("mount {mount}")));
    if veth_exists() {
        left.push(format!("network device {}", node::VETH));
    }
    if Path::new(folders::SERVER_DATA).exists() {
        left.push(format!("folder {}", folders::SERVER_DATA));
    }
    left.extend(node::cgroups_left_over().iter().map(|cgroup| format!("cgroup {}", cgroup.display())));
    left
}

/// The processes of labs: started by a lab with its mark, or in a pod's cgroup.
fn processes() -> Vec<String> {
    let entries = fs::read_dir("/proc").into_iter().flatten().filter_map(|entry| entry.ok());
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|id| *id != std::process::id()).filter_map(describe_if_ours).collect()
}

fn describe_if_ours(id: u32) -> Option<String> {
    let file = |name: &str| fs::read(format!("/proc/{id}/{name}")).unwrap_or_default();
    let mark = format!("{MARK}=");
    let environment = file("environ");
    let lab = environment.split(|byte| *byte == 0).find_map(|variable| variable.strip_prefix(mark.as_bytes()));
    let in_a_pod = String::from_utf8_lossy(&file("cgroup")).contains(":/berth-lab/");
    if lab.is_none() && !in_a_pod {
        return None;
    }
    let of = lab.map_or_else(|| "a pod".to_owned(), |lab| format!("lab {}", String::from_utf8_lossy(lab)));
    let command = String::from_utf8_lossy(&file("cmdline")).replace('\0', " ");
    let short: String = command.trim().chars().take(100).collect();
    // A zombie has no command line.
    (!short.is_empty()).then(|| format!("process {id} of {of}: {short}"))
}

/// The mounts below the labs' data that this process sees. The node's own mounts are in its namespace.
fn mounts() -> Vec<String> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(4));
    points.filter(|point| point.contains("/berth/lab/run/")).map(str::to_owned).collect()
}

/// Cleans up every lab whose supervisor has died.
pub(crate) fn sweep_dead() -> Result<()> {
    let names = files::all_names()?;
    let node_is_free = crate::machine::lock::try_exclusive(&node_lock()?)?;
    for name in names {
        let files = Files::of_lab(&name)?;
        // Held meanwhile, so that no process starts the lab.
        if let Some(_starting) = crate::machine::lock::try_exclusive(&files.start_lock())?
            && !files.is_alive()?
        {
            sweep(&name, node_is_free.is_some() && folders::is_root())?;
        }
    }
    Ok(())
}

/// Held by the supervisor of the one lab with a real node.
pub(crate) fn node_lock() -> Result<std::path::PathBuf> {
    Ok(folders::runtime()?.join("node.lock"))
}
