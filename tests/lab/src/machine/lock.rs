//! File locks between processes: the kernel lets go of one when its holder dies, however it dies.

use std::{
    fs::{File, OpenOptions, TryLockError},
    path::Path,
};

use anyhow::{Context as _, Result};

/// Held until dropped. The file stays: removing it would let two holders lock two different files of one name.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "held for the lock on it")] File);

/// Waits until nobody else holds the lock in any way.
pub(crate) fn exclusive(path: &Path) -> Result<Lock> {
    let file = open(path)?;
    file.lock().with_context(|| format!("locking {}", path.display()))?;
    Ok(Lock(file))
}

/// Waits until nobody holds the lock exclusively.
pub(crate) fn shared(path: &Path) -> Result<Lock> {
    let file = open(path)?;
    file.lock_shared().with_context(|| format!("locking {}", path.display()))?;
    Ok(Lock(file))
}

/// `None` where somebody else holds it.
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
    fn an_exclusive_lock_is_refused_while_a_user_holds_a_shared_one_and_granted_after() {
        let path = std::env::temp_dir().join(format!("berth-lab-lock-{}", std::process::id()));
        let user = shared(&path).unwrap();
        assert!(try_exclusive(&path).unwrap().is_none());
        drop(user);
        assert!(try_exclusive(&path).unwrap().is_some());
        std::fs::remove_file(path).unwrap();
    }
}
