//! Places for environments on the lab: a machine of two processors has room for the pods of few.

use std::sync::{Condvar, Mutex, PoisonError};

static TAKEN: Mutex<usize> = Mutex::new(0);
static FREED: Condvar = Condvar::new();

/// Some of the places, which are free again when this is dropped.
pub(crate) struct Places(usize);

impl Places {
    /// The number of all places.
    pub(crate) const ALL: usize = 3;

    /// Waits until that many places are free, and takes them.
    pub(crate) fn take(count: usize) -> Self {
        let taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken =
            FREED.wait_while(taken, |taken| *taken + count > Self::ALL).unwrap_or_else(PoisonError::into_inner);
        *taken += count;
        Self(count)
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        *TAKEN.lock().unwrap_or_else(PoisonError::into_inner) -= self.0;
        FREED.notify_all();
    }
}
