//! Bodies of requests: bounded one by one, and in memory all together. Strangers send them.
//!
//! Where there is no room left, the oldest body that is still on its way makes room for the newest one. A webhook arrives within
//! milliseconds, and a body that was sent slowly to take room is always older.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::body::Body;
use http_body_util::BodyExt;
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

/// The most bodies at once.
const AT_ONCE: usize = 64;
/// The most bytes of all bodies at once, so that the process stays far below 128 MiB.
const BYTES: usize = 16 * 1024 * 1024;
/// The size of the blocks that hold a body, in bytes. One buffer that grows is copied, and one as long as announced is room that a
/// stranger takes with a header.
const BLOCK: usize = 64 * 1024;
/// How long a body may take to arrive. GitHub gives up after ten seconds, and does not send a webhook again.
const ARRIVAL: Duration = Duration::from_secs(10);

/// The reason why a body was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotTaken {
    TooLong,
    TooSlow,
    /// The connection broke.
    Broken,
    /// There is no room, or a newer body has taken it.
    Busy,
}

/// Room for bodies.
#[derive(Default)]
pub(super) struct Bodies(Arc<Mutex<Room>>);

/// Bodies that have room, by age.
#[derive(Default)]
struct Room {
    held: BTreeMap<u64, Held>,
    newest: u64,
}

/// A body that has room.
struct Held {
    /// The blocks that have arrived. Empty once the body is whole: then its reader has them.
    blocks: Vec<Vec<u8>>,
    length: usize,
    /// Dropped with the body, which ends its reader. None: the body is whole, and keeps its room.
    arriving: Option<oneshot::Sender<()>>,
}

/// A place in the room, which is free again when it is dropped.
struct Place {
    room: Arc<Mutex<Room>>,
    id: u64,
}

/// A body in memory. Its room is free again when it is dropped.
pub(super) struct Taken {
    blocks: Vec<Vec<u8>>,
    _place: Place,
}

impl Taken {
    /// The body, block by block.
    pub(super) fn blocks(&self) -> impl Iterator<Item = &[u8]> {
        self.blocks.iter().map(Vec::as_slice)
    }

    /// The whole body, for a sender who is believed.
    pub(super) fn whole(&self) -> Vec<u8> {
        self.blocks.concat()
    }
}

impl Held {
    fn append(&mut self, mut data: &[u8]) {
        self.length += data.len();
        while !data.is_empty() {
            if self.blocks.last().is_none_or(|block| block.len() == BLOCK) {
                self.blocks.push(Vec::with_capacity(BLOCK));
            }
            let Some(block) = self.blocks.last_mut() else { return };
            let (now, later) = data.split_at(data.len().min(BLOCK - block.len()));
            block.extend_from_slice(now);
            data = later;
        }
    }
}

impl Room {
    fn bytes(&self) -> usize {
        self.held.values().map(|held| held.length).sum()
    }

    /// Drops the oldest body that is still on its way and is worth dropping. Returns whether there was one.
    fn drop_oldest(&mut self, is_worth: impl Fn(u64, &Held) -> bool) -> bool {
        let oldest = self.held.iter().find(|(id, held)| held.arriving.is_some() && is_worth(**id, held));
        let oldest = oldest.map(|(id, _)| *id);
        oldest.is_some_and(|id| self.held.remove(&id).is_some())
    }

    /// Makes a place for a new body. The receiver ends when the body is dropped.
    fn enter(&mut self) -> Result<(u64, oneshot::Receiver<()>), NotTaken> {
        while self.held.len() >= AT_ONCE {
            if !self.drop_oldest(|_, _| true) {
                return Err(NotTaken::Busy);
            }
        }
        let (arriving, dropped) = oneshot::channel();
        self.newest += 1;
        self.held.insert(self.newest, Held { blocks: Vec::new(), length: 0, arriving: Some(arriving) });
        Ok((self.newest, dropped))
    }

    /// Adds what has arrived to a body. Room is taken for that, and not for what was announced: that costs a sender nothing.
    fn append(&mut self, id: u64, data: &[u8], limit: usize) -> Result<(), NotTaken> {
        let length = self.held.get(&id).ok_or(NotTaken::Busy)?.length;
        if length + data.len() > limit {
            return Err(NotTaken::TooLong);
        }
        while self.bytes() + data.len() > BYTES {
            if !self.drop_oldest(|other, held| other != id && held.length > 0) {
                return Err(NotTaken::Busy);
            }
        }
        self.held.get_mut(&id).ok_or(NotTaken::Busy)?.append(data);
        Ok(())
    }

    /// The blocks of a body that has arrived. It keeps its room.
    fn finish(&mut self, id: u64) -> Result<Vec<Vec<u8>>, NotTaken> {
        let held = self.held.get_mut(&id).ok_or(NotTaken::Busy)?;
        held.arriving = None;
        Ok(std::mem::take(&mut held.blocks))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.room).held.remove(&self.id);
    }
}

fn lock(room: &Mutex<Room>) -> MutexGuard<'_, Room> {
    room.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Bodies {
    /// Reads a body of at most `limit` bytes.
    ///
    /// # Errors
    /// See [`NotTaken`].
    pub(super) async fn read(&self, body: Body, limit: usize) -> Result<Taken, NotTaken> {
        // The length that the request declares, if it does. A longer one is not read at all.
        let declared = axum::body::HttpBody::size_hint(&body).lower();
        if declared > limit as u64 {
            return Err(NotTaken::TooLong);
        }
        let (id, dropped) = lock(&self.0).enter()?;
        let place = Place { room: Arc::clone(&self.0), id };
        tokio::select! {
            read = self.receive(id, body, limit) => read?,
            _ = dropped => return Err(NotTaken::Busy),
        }
        let blocks = lock(&self.0).finish(id)?;
        Ok(Taken { blocks, _place: place })
    }

    async fn receive(&self, id: u64, mut body: Body, limit: usize) -> Result<(), NotTaken> {
        let end = Instant::now() + ARRIVAL;
        while let Some(frame) = timeout_at(end, body.frame()).await.map_err(|_| NotTaken::TooSlow)? {
            let Ok(data) = frame.map_err(|_| NotTaken::Broken)?.into_data() else { continue };
            lock(&self.0).append(id, &data, limit)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
