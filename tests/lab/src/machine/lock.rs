//! File locks between processes. The kernel releases a lock when its holder dies.

use std::{
    fs::{File, OpenOptions, TryLockError},
    path::Path,
};

use anyhow::{Context as _, Result};

/// A lock that is held until it is dropped.
///
/// The file stays: if it were removed, two holders could lock two different files of one name.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "held for the lock on it")] File);

/// Waits until no other process holds the lock, shared or exclusively.
pub(crate) fn exclusive(path: &Path) -> Result<Lock> {
    let file = open(path)?;
    file.lock().with_context(|| format!("locking {}", path.display()))?;
    Ok(Lock(file))
}

/// Waits until no other process holds the lock exclusively.
pub(crate) fn shared(path: &Path) -> Result<Lock> {
    let file = open(path)?;
    file.lock_shared().with_context(|| format!("locking {}", path.display()))?;
    Ok(Lock(file))
}

/// Answers `None` where another process holds the lock.
pub(crate) fn try_exclusive(path: &Path) -> Result<Option<Lock>> {
    let file = open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(Lock(file))),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("locking {}", path.display())),
    }
}

fn open(path: &Path) -> Result<File> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .with_context(|| format!("opening the lock {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exclusive_lock_waits_for_the_end_of_shared_ones() {
        let path = std::env::temp_dir().join(format!("berth-lab-lock-{}", std::process::id()));
        let user = shared(&path).unwrap();
        assert!(try_exclusive(&path).unwrap().is_none());
        drop(user);
        assert!(try_exclusive(&path).unwrap().is_some());
        std::fs::remove_file(path).unwrap();
    }
}
