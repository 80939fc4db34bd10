//! The folders of labs: parts in the user's cache folder, locks in the runtime folder, data in a folder per lab.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

/// The lab's source folder, with its Go modules, wheels and sample apps.
pub(crate) fn source() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The workspace that the lab belongs to.
pub(crate) fn workspace() -> PathBuf {
    source().join("../..")
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// `$XDG_CACHE_HOME/berth/lab`, or `~/.cache/berth/lab`.
pub(crate) fn cache() -> Result<PathBuf> {
    let base = match env::var_os("XDG_CACHE_HOME").filter(|path| !path.is_empty()) {
        Some(path) => PathBuf::from(path),
        None => {
            env::home_dir().context("finding the cache folder: neither XDG_CACHE_HOME nor HOME is set")?.join(".cache")
        }
    };
    make(base.join("berth/lab"))
}

/// The folder for locks: one per user, and for root one per machine, independent of HOME and the cache folder.
pub(crate) fn runtime() -> Result<PathBuf> {
    if is_root() {
        return make(PathBuf::from("/run/berth-lab"));
    }
    match env::var_os("XDG_RUNTIME_DIR").filter(|path| !path.is_empty()) {
        Some(path) => make(PathBuf::from(path).join("berth-lab")),
        None => make(env::temp_dir().join(format!("berth-lab-{}", rustix::process::geteuid().as_raw()))),
    }
}

/// A lab's folder under the runtime folder, for its locks and small files.
pub(crate) fn lab(name: &str) -> Result<PathBuf> {
    make(runtime()?.join(name))
}

/// A lab's folder for large data (etcd, containerd, logs), on a disk and never on a tmpfs.
pub(crate) fn data(name: &str) -> Result<PathBuf> {
    make(cache()?.join("run").join(name))
}

/// A lab's folder for servers that run as a user of their own, who cannot enter root's home.
pub(crate) fn server_data(lab: &str) -> Result<PathBuf> {
    make(Path::new(SERVER_DATA).join(lab))
}

/// The parent of these folders. Only root's labs have one.
pub(crate) const SERVER_DATA: &str = "/var/lib/berth-lab";

pub(crate) fn make(path: PathBuf) -> Result<PathBuf> {
    fs::create_dir_all(&path).with_context(|| format!("creating {}", path.display()))?;
    Ok(path)
}
