//! Bodies of requests: bounded one by one, and in memory all together. Strangers send them.

use std::{sync::Arc, time::Duration};

use axum::body::Body;
use http_body_util::BodyExt;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

/// The most bodies at once.
const AT_ONCE: usize = 64;
/// The most bytes of all bodies at once, so that the process stays far below 128 MiB.
const BYTES: usize = 16 * 1024 * 1024;
/// The size of the blocks that hold a body, in bytes. One buffer that grows is copied, and one as long as announced is room that a
/// stranger takes with a header.
const BLOCK: usize = 64 * 1024;
/// How long a body may wait for its turn. GitHub gives up after ten seconds, and does not send a webhook again.
const TURN: Duration = Duration::from_secs(2);
/// How long a body may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(10);

/// The reason why a body was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotTaken {
    TooLong,
    TooSlow,
    /// The connection broke.
    Broken,
    /// Too many others are being read.
    Busy,
}

/// Room for bodies.
pub(super) struct Bodies {
    slots: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
}

/// A body in memory. Its room is free again when it is dropped.
pub(super) struct Taken {
    blocks: Vec<Vec<u8>>,
    room: Option<OwnedSemaphorePermit>,
    _slot: OwnedSemaphorePermit,
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

    fn len(&self) -> usize {
        self.room.as_ref().map_or(0, OwnedSemaphorePermit::num_permits)
    }

    fn append(&mut self, mut data: &[u8], room: OwnedSemaphorePermit) {
        match &mut self.room {
            Some(all) => all.merge(room),
            None => self.room = Some(room),
        }
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

impl Bodies {
    pub(super) fn new() -> Self {
        Self { slots: Arc::new(Semaphore::new(AT_ONCE)), bytes: Arc::new(Semaphore::new(BYTES)) }
    }

    /// Reads a body of at most `limit` bytes.
    ///
    /// # Errors
    /// See [`NotTaken`].
    pub(super) async fn read(&self, mut body: Body, limit: usize) -> Result<Taken, NotTaken> {
        // The length that the request declares, if it does. A longer one is not read at all.
        let declared = axum::body::HttpBody::size_hint(&body).lower();
        if declared > limit as u64 {
            return Err(NotTaken::TooLong);
        }
        let slot = tokio::time::timeout(TURN, Arc::clone(&self.slots).acquire_owned()).await;
        let Ok(Ok(slot)) = slot else { return Err(NotTaken::Busy) };
        let end = Instant::now() + ARRIVAL;
        let mut taken = Taken { blocks: Vec::new(), room: None, _slot: slot };
        while let Some(frame) = timeout_at(end, body.frame()).await.map_err(|_| NotTaken::TooSlow)? {
            let Ok(data) = frame.map_err(|_| NotTaken::Broken)?.into_data() else { continue };
            if taken.len() + data.len() > limit {
                return Err(NotTaken::TooLong);
            }
            // Room is taken for what has arrived, and not for what was announced: that costs a sender nothing.
            let length = u32::try_from(data.len()).map_err(|_| NotTaken::TooLong)?;
            let room = Arc::clone(&self.bytes).try_acquire_many_owned(length).map_err(|_| NotTaken::Busy)?;
            taken.append(&data, room);
        }
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn body_is_read_up_to_its_limit() {
        let bodies = Bodies::new();
        assert_eq!(bodies.read(Body::from("12345"), 5).await.map(|taken| taken.whole()), Ok(b"12345".to_vec()));
        assert_eq!(bodies.read(Body::from("123456"), 5).await.err(), Some(NotTaken::TooLong));
        // Without a declared length it is counted as it comes.
        let parts = futures::stream::iter(["123", "456"].map(Ok::<_, std::io::Error>));
        assert_eq!(bodies.read(Body::from_stream(parts), 5).await.err(), Some(NotTaken::TooLong));
    }

    #[tokio::test]
    async fn long_body_is_whole_again() {
        let parts: Vec<Vec<u8>> = (0..100_u32).map(|at| vec![at as u8; at as usize * 37]).collect();
        let stream = futures::stream::iter(parts.clone().into_iter().map(Ok::<_, std::io::Error>));
        let taken = Bodies::new().read(Body::from_stream(stream), 1_000_000).await.ok().unwrap();
        assert_eq!((taken.whole(), taken.blocks().count()), (parts.concat(), parts.concat().len().div_ceil(BLOCK)));
    }

    #[tokio::test]
    async fn room_is_free_again_after_each_body() {
        let bodies = Bodies::new();
        let body = vec![b'x'; 5 * 1024 * 1024];
        let mut held = Vec::new();
        while let Ok(taken) = bodies.read(Body::from(body.clone()), body.len()).await {
            held.push(taken);
        }
        assert_eq!(held.len(), BYTES / body.len(), "further bodies are refused while these are held");
        drop(held);
        assert!(bodies.read(Body::from(body.clone()), body.len()).await.is_ok());
        assert_eq!((bodies.slots.available_permits(), bodies.bytes.available_permits()), (AT_ONCE, BYTES));
    }

    #[tokio::test(start_paused = true)]
    async fn body_that_does_not_arrive_is_given_up() {
        let bodies = Bodies::new();
        let never = Body::from_stream(futures::stream::pending::<Result<&str, std::io::Error>>());
        assert_eq!(bodies.read(never, 5).await.err(), Some(NotTaken::TooSlow));
        let mut held = Vec::new();
        for _ in 0..AT_ONCE {
            held.push(bodies.read(Body::empty(), 5).await.ok());
        }
        assert_eq!(bodies.read(Body::empty(), 5).await.err(), Some(NotTaken::Busy));
    }
}
