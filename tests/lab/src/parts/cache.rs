//! The cache of finished parts: each named by its version and a hash of its inputs, and installed in one step.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

use crate::machine::{
    folders,
    lock::{self, Lock},
};

/// A hash of all inputs of a part. Each input is preceded by its length, so that two never read as one.
#[derive(Debug, Default, Clone)]
pub(crate) struct Key(Sha256);

impl Key {
    pub(crate) fn add(mut self, piece: impl AsRef<[u8]>) -> Self {
        let piece = piece.as_ref();
        self.0.update(piece.len().to_be_bytes());
        self.0.update(piece);
        self
    }

    pub(crate) fn add_file(self, path: &Path) -> Result<Self> {
        Ok(self.add(fs::read(path).with_context(|| format!("reading {}", path.display()))?))
    }

    /// Adds every file below a folder, in the order of their names.
    pub(crate) fn add_folder(mut self, folder: &Path) -> Result<Self> {
        let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
        let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        paths.sort();
        for path in paths {
            self = self.add(path.file_name().unwrap_or_default().as_encoded_bytes());
            self = if path.is_dir() { self.add_folder(&path)? } else { self.add_file(&path)? };
        }
        Ok(self)
    }

    pub(crate) fn finish(self) -> String {
        self.0.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The path of a finished part, whether or not it is there yet.
pub(crate) fn path_of(name: &str, version: &str, key: Key) -> Result<PathBuf> {
    Ok(folders::cache()?.join("parts").join(format!("{name}-{version}-{}", key.finish())))
}

/// A folder to build in, with a lock that keeps a second process from the same work.
#[derive(Debug)]
pub(crate) struct BuildFolder {
    pub(crate) path: PathBuf,
    _lock: Lock,
}

impl BuildFolder {
    /// Waits for the lock, and empties the folder of what a killed process left in it.
    pub(crate) fn open(name: &str) -> Result<Self> {
        let locks = folders::make(folders::cache()?.join("locks"))?;
        let lock = lock::exclusive(&locks.join(name))?;
        let folder = folders::cache()?.join("building").join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
        }
        Ok(Self { path: folders::make(folder)?, _lock: lock })
    }

    /// Moves a finished part to its path in one step: it is there whole or not at all.
    pub(crate) fn install(&self, made: &Path, place: &Path) -> Result<()> {
        if let Some(parent) = place.parent() {
            folders::make(parent.to_owned())?;
        }
        fs::rename(made, place).with_context(|| format!("moving {} to {}", made.display(), place.display()))
    }
}

impl Drop for BuildFolder {
    fn drop(&mut self) {
        // A failed removal is made good when the folder is next opened.
        let _ = fs::remove_dir_all(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_changes_with_each_input_and_its_length() {
        let key = |pieces: &[&str]| pieces.iter().fold(Key::default(), |key, piece| key.add(piece)).finish();
        assert_eq!(key(&["go.sum", "-trimpath"]), key(&["go.sum", "-trimpath"]));
        assert_ne!(key(&["go.sum", "-trimpath"]), key(&["go.sum", "-race"]));
        assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]));
        assert_eq!(key(&[]).len(), 16);
    }
}
