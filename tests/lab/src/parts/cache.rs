//! The folder of finished parts: named by version and by a hash of all that went into each, put in place in one step.

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

/// Collects what a part depends on. Each piece is preceded by its length: two pieces never read as one.
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

    /// Every file below a folder, in the order of their names.
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

/// Where a finished part lies or will lie.
pub(crate) fn place(name: &str, version: &str, key: Key) -> Result<PathBuf> {
    Ok(folders::cache()?.join("parts").join(format!("{name}-{version}-{}", key.finish())))
}

/// A folder to work in, under a lock that keeps a second process from doing the same work beside us.
#[derive(Debug)]
pub(crate) struct Workshop {
    pub(crate) folder: PathBuf,
    _lock: Lock,
}

impl Workshop {
    /// What a killed predecessor left in it is thrown away.
    pub(crate) fn open(name: &str) -> Result<Self> {
        let locks = folders::make(folders::cache()?.join("locks"))?;
        let lock = lock::exclusive(&locks.join(name))?;
        let folder = folders::cache()?.join("building").join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
        }
        Ok(Self { folder: folders::make(folder)?, _lock: lock })
    }

    /// Moves what was made to its place: there it is whole or not at all.
    pub(crate) fn hand_over(&self, made: &Path, place: &Path) -> Result<()> {
        if let Some(parent) = place.parent() {
            folders::make(parent.to_owned())?;
        }
        fs::rename(made, place).with_context(|| format!("moving {} to {}", made.display(), place.display()))
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        // What cannot be removed now is removed when the workshop is next opened.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_changes_with_each_piece_and_with_where_one_piece_ends() {
        let key = |pieces: &[&str]| pieces.iter().fold(Key::default(), |key, piece| key.add(piece)).finish();
        assert_eq!(key(&["go.sum", "-trimpath"]), key(&["go.sum", "-trimpath"]));
        assert_ne!(key(&["go.sum", "-trimpath"]), key(&["go.sum", "-race"]));
        assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]));
        assert_eq!(key(&[]).len(), 16);
    }
}
