use futures::{Stream, StreamExt, stream};

use super::*;

/// A stream of parts that ends if it is not held open.
fn parts(parts: &[&'static [u8]], is_held: bool) -> Body {
    let sent: Vec<_> = parts.iter().map(|part| Ok::<_, std::io::Error>(*part)).collect();
    let rest: Box<dyn Stream<Item = _> + Send + Unpin> =
        if is_held { Box::new(stream::pending()) } else { Box::new(stream::empty()) };
    Body::from_stream(stream::iter(sent).chain(rest))
}

/// Bodies that are being read in the background.
struct Senders(Vec<tokio::task::JoinHandle<Result<usize, NotTaken>>>);

impl Senders {
    /// Lets so many strangers send a part, and no more.
    async fn hold(bodies: &Arc<Bodies>, count: usize, part: &'static [u8]) -> Self {
        let mut senders = Vec::new();
        for _ in 0..count {
            let room = Arc::clone(bodies);
            senders.push(tokio::spawn(async move {
                let taken = room.read(parts(&[part], true), BYTES).await;
                taken.map(|taken| taken.whole().len())
            }));
            // Each reads up to where it waits, so that their ages are known.
            tokio::task::yield_now().await;
        }
        Self(senders)
    }

    /// The places in the order of age of those that were dropped.
    async fn dropped(&self) -> Vec<usize> {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        self.0.iter().enumerate().filter(|(_, sender)| sender.is_finished()).map(|(at, _)| at).collect()
    }
}

#[tokio::test]
async fn body_is_read_up_to_its_limit() {
    let bodies = Bodies::default();
    assert_eq!(bodies.read(Body::from("12345"), 5).await.map(|taken| taken.whole()), Ok(b"12345".to_vec()));
    assert_eq!(bodies.read(Body::from("123456"), 5).await.err(), Some(NotTaken::TooLong));
    // Without a declared length it is counted as it comes.
    assert_eq!(bodies.read(parts(&[b"123", b"456"], false), 5).await.err(), Some(NotTaken::TooLong));
}

#[tokio::test]
async fn long_body_is_whole_again() {
    let parts: Vec<Vec<u8>> = (0..100_u32).map(|at| vec![at as u8; at as usize * 37]).collect();
    let stream = stream::iter(parts.clone().into_iter().map(Ok::<_, std::io::Error>));
    let taken = Bodies::default().read(Body::from_stream(stream), 1_000_000).await.ok().unwrap();
    assert_eq!((taken.whole(), taken.blocks().count()), (parts.concat(), parts.concat().len().div_ceil(BLOCK)));
}

#[tokio::test]
async fn room_is_free_again_after_each_body() {
    let bodies = Bodies::default();
    let body = vec![b'x'; 5 * 1024 * 1024];
    let mut held = Vec::new();
    while let Ok(taken) = bodies.read(Body::from(body.clone()), body.len()).await {
        held.push(taken);
    }
    assert_eq!(held.len(), BYTES / body.len(), "a whole body keeps its room");
    drop(held);
    assert!(bodies.read(Body::from(body.clone()), body.len()).await.is_ok());
    assert!(bodies.read(Body::from(body), 5).await.is_err());
    assert_eq!(lock(&bodies.0).held.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn body_that_does_not_arrive_is_given_up() {
    let bodies = Bodies::default();
    assert_eq!(bodies.read(parts(&[], true), 5).await.err(), Some(NotTaken::TooSlow));
    let mut held = Vec::new();
    for _ in 0..AT_ONCE {
        held.push(bodies.read(Body::empty(), 5).await.ok());
    }
    assert_eq!(bodies.read(Body::empty(), 5).await.err(), Some(NotTaken::Busy));
}

#[tokio::test(start_paused = true)]
async fn body_has_room_though_strangers_hold_all_places() {
    let bodies = Arc::new(Bodies::default());
    let strangers = Senders::hold(&bodies, AT_ONCE, b"{").await;
    assert_eq!(strangers.dropped().await, [0; 0]);
    for round in 1..=3 {
        let taken = bodies.read(parts(&[b"12", b"345"], false), 5).await;
        assert_eq!(taken.map(|taken| taken.whole()), Ok(b"12345".to_vec()), "{round}");
    }
    // One place is enough for one webhook after the other.
    assert_eq!(strangers.dropped().await, [0]);
}

#[tokio::test(start_paused = true)]
async fn body_has_room_though_strangers_hold_all_bytes() {
    static PART: [u8; BYTES / 8] = [b'x'; BYTES / 8];
    let bodies = Arc::new(Bodies::default());
    let strangers = Senders::hold(&bodies, 8, &PART).await;
    // These hold no bytes, so nothing is gained by dropping them.
    let empty = Senders::hold(&bodies, 8, b"").await;
    let taken = bodies.read(Body::from(vec![b'y'; BYTES / 4]), BYTES).await;
    assert_eq!(taken.map(|taken| taken.whole().len()), Ok(BYTES / 4));
    assert_eq!((strangers.dropped().await, empty.dropped().await), (vec![0, 1], Vec::new()));
    assert!(lock(&bodies.0).bytes() <= BYTES);
}

#[tokio::test(start_paused = true)]
async fn dropped_sender_is_asked_to_come_again() {
    let bodies = Arc::new(Bodies::default());
    let mut first = Senders::hold(&bodies, 1, b"{").await;
    let _others = Senders::hold(&bodies, AT_ONCE, b"{").await;
    assert_eq!(first.0.remove(0).await.unwrap(), Err(NotTaken::Busy));
}
