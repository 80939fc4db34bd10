//! The small files that a lab's processes share: its locks, its plan, its state, the record of its processes.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use serde::{Serialize, de::DeserializeOwned};

use super::{folders, lock};

/// The extension of a file that keeps a part down.
const STOPPED: &str = "stopped";

/// The small files of one lab, in its folder under the runtime folder.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    folder: PathBuf,
}

impl Files {
    pub(crate) fn of_lab(lab: &str) -> Result<Self> {
        Ok(Self { folder: folders::lab(lab)? })
    }

    /// Held exclusively by the process that starts the lab.
    pub(crate) fn start_lock(&self) -> PathBuf {
        self.folder.join("start.lock")
    }

    /// Held shared by each process that uses the lab, and exclusively by a supervisor that ends because none is left.
    pub(crate) fn users_lock(&self) -> PathBuf {
        self.folder.join("users.lock")
    }

    /// Held exclusively by the supervisor as long as it lives.
    pub(crate) fn alive_lock(&self) -> PathBuf {
        self.folder.join("alive.lock")
    }

    pub(crate) fn plan(&self) -> PathBuf {
        self.folder.join("plan.json")
    }

    pub(crate) fn processes(&self) -> PathBuf {
        self.folder.join("processes.json")
    }

    /// Present while a part is stopped on purpose and must not be restarted.
    pub(crate) fn stopped(&self, part: &str) -> PathBuf {
        self.folder.join(format!("{part}.{STOPPED}"))
    }

    fn stopped_parts(&self) -> impl Iterator<Item = PathBuf> {
        let files = fs::read_dir(&self.folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
        files.filter(|file| file.extension().is_some_and(|extension| extension == STOPPED))
    }

    /// The kubeconfig of an existing cluster.
    pub(crate) fn existing_kubeconfig(&self) -> PathBuf {
        self.folder.join("existing.kubeconfig")
    }

    /// The error of a start that failed.
    pub(crate) fn failure(&self) -> PathBuf {
        self.folder.join("failure.txt")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.folder.join("state.json")
    }

    pub(crate) fn is_alive(&self) -> Result<bool> {
        Ok(lock::try_exclusive(&self.alive_lock())?.is_none())
    }

    /// Removes everything but the locks.
    pub(crate) fn remove(&self) {
        let mut files = vec![self.plan(), self.processes(), self.failure(), self.state(), self.existing_kubeconfig()];
        files.extend(self.stopped_parts());
        for file in files {
            // Most of them do not exist most of the time.
            let _ = fs::remove_file(file);
        }
    }
}

/// The names of all labs that this user ever started on this machine.
pub(crate) fn all_names() -> Result<Vec<String>> {
    let folders =
        fs::read_dir(folders::runtime()?)?.filter_map(|entry| entry.ok()).filter(|entry| entry.path().is_dir());
    let mut names: Vec<_> = folders.filter_map(|folder| folder.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}

/// The names of all labs that run, except this one.
pub(crate) fn others_alive(lab: &str) -> Result<Vec<String>> {
    let mut others = all_names()?;
    others.retain(|name| name != lab && Files::of_lab(name).is_ok_and(|files| files.is_alive().unwrap_or(false)));
    Ok(others)
}

pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("understanding {}", path.display()))
}

/// Writes a value in one step, so that other processes never read half of it.
///
/// Only the owner may read the file: it may hold secrets of the lab.
pub(crate) fn write<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    let half = path.with_extension("half");
    write_private(&half, &serde_json::to_string_pretty(value)?)?;
    fs::rename(&half, path).with_context(|| format!("writing {}", path.display()))
}

/// Writes a file that only its owner may read.
pub(crate) fn write_private(path: &Path, content: &str) -> Result<()> {
    fs::write(path, content).with_context(|| format!("writing {}", path.display()))?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o600))?)
}
