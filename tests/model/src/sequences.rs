//! Random sequences of what happens to a preview. Few commits and sequences, so that they often meet.

use proptest::{
    collection::vec,
    option,
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use super::messages::{Facts, Message, Push, Rules, Version};

/// A message, and whether it is sent as an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    pub message: Message,
    pub is_update: bool,
}

/// How an activity, a rollout or a wait ends that a preview has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    pub is_good: bool,
    /// Whether a release that failed or was stopped serves all the same.
    pub serves: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// One workflow task: messages in the order in which they were sent, then the end of what was being done.
    Task { sent: Vec<Sent>, ending: Option<Ending> },
    /// Many pushes of one commit after another as signals, in one task.
    Burst(u8),
    /// The app file is read, if that is due. None: it cannot be read.
    Rules(Option<Rules>),
    /// The app file is to be read, if that is due, and there is none.
    UnknownApp,
    /// GitHub answers the question whether the pull request is closed. None: it cannot be asked.
    Confirmed(Option<Facts>),
    /// The rollout in flight reports that every workload serves the release.
    Progress,
    /// A release whose wait had failed is looked at again.
    LateLook { serves: bool },
    /// The history is long: the run continues as new where it may.
    Continue,
    /// Somebody terminates the run.
    Terminate,
}

/// A sequence of events.
pub fn events() -> impl Strategy<Value = Vec<Event>> {
    vec(event(), 1..40)
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        60 => (vec(sent(), 0..4), option::of(ending())).prop_map(|(sent, ending)| Event::Task { sent, ending }),
        20 => ending().prop_map(|ending| Event::Task { sent: Vec::new(), ending: Some(ending) }),
        1 => (1..60_u8).prop_map(Event::Burst),
        8 => option::weighted(0.8, rules()).prop_map(Event::Rules),
        2 => Just(Event::UnknownApp),
        3 => option::weighted(0.8, facts(true)).prop_map(Event::Confirmed),
        5 => Just(Event::Progress),
        4 => any::<bool>().prop_map(|serves| Event::LateLook { serves }),
        8 => Just(Event::Continue),
        1 => Just(Event::Terminate),
    ]
}

fn sent() -> impl Strategy<Value = Sent> {
    let message = prop_oneof![
        30 => push().prop_map(Message::Push),
        10 => sequence().prop_map(Message::Close),
        2 => Just(Message::Cancel),
        12 => facts(false).prop_map(Message::Facts),
        6 => commit().prop_map(Message::Approve),
        5 => Just(Message::Redeploy),
        1 => Just(Message::Unreadable),
    ];
    (message, any::<bool>()).prop_map(|(message, is_update)| Sent { message, is_update })
}

fn push() -> impl Strategy<Value = Push> {
    let version = (commit(), prop_oneof![4 => Just(0_u8), 1 => Just(1)]);
    (version, sequence(), prop::bool::weighted(0.25), prop::bool::weighted(0.15)).prop_map(
        |((commit, image), sequence, fork, draft)| Push { version: Version { commit, image }, sequence, fork, draft },
    )
}

fn commit() -> impl Strategy<Value = u8> {
    0..3_u8
}

fn sequence() -> impl Strategy<Value = Option<u64>> {
    option::of(1..9_u64)
}

fn facts(asked: bool) -> impl Strategy<Value = Facts> {
    let flags = (
        prop::bool::weighted(0.3),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.3),
        prop::bool::weighted(0.6),
        prop::bool::weighted(0.2),
    );
    (commit(), flags, 0..12_u8).prop_map(move |(head, (closed, draft, fork, has_label, has_skip_label), second)| {
        Facts { head, closed, draft, fork, has_label, has_skip_label, second, asked }
    })
}

fn rules() -> impl Strategy<Value = Rules> {
    (any::<bool>(), prop::bool::weighted(0.2), prop::bool::weighted(0.2))
        .prop_map(|(drafts, label, skip_label)| Rules { drafts, label, skip_label })
}

fn ending() -> impl Strategy<Value = Ending> {
    (prop::bool::weighted(0.75), prop::bool::weighted(0.3)).prop_map(|(is_good, serves)| Ending { is_good, serves })
}

/// Messages that are sent at once to a preview on a Temporal server, and what the world does then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    pub sent: Vec<Sent>,
    /// Whether the next rollout hangs until it is stopped.
    pub hangs: bool,
    /// Whether the next rollout fails.
    pub fails: bool,
    /// Whether the next attempt at a teardown leaves something.
    pub is_blocked: bool,
    /// Whether the run is terminated before.
    pub terminates: bool,
}

/// A few rounds.
pub fn rounds() -> impl Strategy<Value = Vec<Round>> {
    let flags =
        (prop::bool::weighted(0.25), prop::bool::weighted(0.2), prop::bool::weighted(0.2), prop::bool::weighted(0.05));
    let round = (vec(sent(), 1..5), flags).prop_map(|(sent, (hangs, fails, is_blocked, terminates))| Round {
        sent,
        hangs,
        fails,
        is_blocked,
        terminates,
    });
    vec(round, 2..7)
}

/// The value of a strategy for a seed.
pub fn of_seed<T: std::fmt::Debug>(strategy: impl Strategy<Value = T>, seed: u64) -> Result<T, String> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    strategy.new_tree(&mut runner).map(|tree| tree.current()).map_err(|why| why.to_string())
}
