//! The node's cgroups, all below one of the lab's own, so that they can be found and removed.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

const ROOT: &str = "/sys/fs/cgroup";
pub(super) const NAME: &str = "berth-lab";

/// The roots of the hierarchies. Version 2 has one; version 1, and the hybrid of both, have one per controller.
fn hierarchies() -> Vec<PathBuf> {
    let root = Path::new(ROOT);
    if root.join("cgroup.controllers").exists() {
        return vec![root.to_owned()];
    }
    let folders = fs::read_dir(root).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    // Links are second names, for example `cpu` for `cpu,cpuacct`.
    folders.filter(|folder| folder.is_dir() && !folder.is_symlink()).collect()
}

/// Makes the kubelet's root cgroup, with every controller that the kubelet uses.
pub(super) fn make() -> Result<()> {
    for hierarchy in hierarchies() {
        let ours = hierarchy.join(NAME);
        delegate(&hierarchy);
        if !ours.exists() {
            fs::create_dir(&ours).with_context(|| format!("creating the cgroup {}", ours.display()))?;
        }
        // Version 1's cpuset admits no process before its CPUs and memory are set.
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

/// Delegates all controllers to child cgroups, as version 2 needs. The kubelet reports those that cannot be delegated.
fn delegate(hierarchy: &Path) {
    let controllers = fs::read_to_string(hierarchy.join("cgroup.controllers")).unwrap_or_default();
    for controller in controllers.split_whitespace() {
        let _ = fs::write(hierarchy.join("cgroup.subtree_control"), format!("+{controller}"));
    }
}

pub(crate) fn left_over() -> Vec<PathBuf> {
    hierarchies().into_iter().map(|hierarchy| hierarchy.join(NAME)).filter(|cgroup| cgroup.exists()).collect()
}

/// Removes a cgroup and its children, children first. The kernel refuses one that has a process.
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
