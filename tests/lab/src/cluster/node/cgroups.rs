//! The node's cgroups: all below one of our own, so that they can be told from everybody else's and removed.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

const ROOT: &str = "/sys/fs/cgroup";
pub(super) const NAME: &str = "berth-lab";

/// Version 2 has one hierarchy, version 1 (and the hybrid of both) one for each controller.
fn hierarchies() -> Vec<PathBuf> {
    let root = Path::new(ROOT);
    if root.join("cgroup.controllers").exists() {
        return vec![root.to_owned()];
    }
    let folders = fs::read_dir(root).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    // Links are second names (`cpu` of `cpu,cpuacct`).
    folders.filter(|folder| folder.is_dir() && !folder.is_symlink()).collect()
}

/// The kubelet wants its root cgroup to be there, with every controller that it will use.
pub(super) fn make() -> Result<()> {
    for hierarchy in hierarchies() {
        let ours = hierarchy.join(NAME);
        delegate(&hierarchy);
        if !ours.exists() {
            fs::create_dir(&ours).with_context(|| format!("creating the cgroup {}", ours.display()))?;
        }
        // Version 1's cpuset lets no process in before it is told which CPUs and memory it may use.
        for file in ["cpuset.cpus", "cpuset.mems"] {
            if let Ok(parents) = fs::read_to_string(hierarchy.join(file))
                && !parents.trim().is_empty()
            {
                fs::write(ours.join(file), parents.trim())?;
            }
        }
    }
    Ok(())
}

/// Version 2 gives a child only the controllers that its parent passes on. Those that cannot be passed on, the kubelet names.
fn delegate(hierarchy: &Path) {
    let controllers = fs::read_to_string(hierarchy.join("cgroup.controllers")).unwrap_or_default();
    for controller in controllers.split_whitespace() {
        let _ = fs::write(hierarchy.join("cgroup.subtree_control"), format!("+{controller}"));
    }
}

pub(crate) fn left_over() -> Vec<PathBuf> {
    hierarchies().into_iter().map(|hierarchy| hierarchy.join(NAME)).filter(|cgroup| cgroup.exists()).collect()
}

/// Children first. The kernel refuses one in which a process still is.
pub(crate) fn remove() -> Result<()> {
    left_over().iter().try_for_each(|cgroup| remove_tree(cgroup))
}

fn remove_tree(cgroup: &Path) -> Result<()> {
    for entry in fs::read_dir(cgroup)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    fs::remove_dir(cgroup).with_context(|| format!("removing the cgroup {}", cgroup.display()))
}
