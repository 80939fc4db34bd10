//! What is sent to a preview, in the model's own types.

/// A release: a commit and its image, each by a small number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    pub commit: u8,
    pub image: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Push {
    pub version: Version,
    pub sequence: Option<u64>,
    pub fork: bool,
    pub draft: bool,
}

/// The state of the pull request at a second, as GitHub tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    pub head: u8,
    pub closed: bool,
    pub draft: bool,
    pub fork: bool,
    pub has_label: bool,
    pub has_skip_label: bool,
    pub second: u8,
    pub asked: bool,
}

/// The app file's rules for pull requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rules {
    pub drafts: bool,
    pub label: bool,
    pub skip_label: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message {
    Push(Push),
    Close(Option<u64>),
    Cancel,
    Facts(Facts),
    Approve(u8),
    Redeploy,
    /// Something that is no message.
    Unreadable,
}

/// The way a message comes. Two of different kinds in one workflow task have no order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Signal,
    Update,
    Cancel,
}

/// The workflow task that brings a message, and its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    pub task: u32,
    pub kind: Kind,
}

/// The answer to a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Live,
    Failed,
    Superseded,
    Closed,
    Skipped,
    AwaitingApproval,
    Queued,
}

impl Outcome {
    /// The outcome of that name, as an answer has it. None: a preview has none such.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "live" => Self::Live,
            "failed" => Self::Failed,
            "superseded" => Self::Superseded,
            "closed" => Self::Closed,
            "skipped" => Self::Skipped,
            "awaiting_approval" => Self::AwaitingApproval,
            "queued" => Self::Queued,
            _ => return None,
        })
    }
}

/// How a rollout ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Live,
    Failed,
    Stopped,
}

/// How a look at what serves ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    All,
    /// Something is missing.
    Part,
    /// The namespace is missing.
    Nothing,
    /// A close or a newer push has stopped the look.
    Stopped,
}

/// What a preview does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Wait,
    RollOut(Version),
    /// Look whether the version that serves is all there.
    Look(Version),
    TearDown,
    Pause,
    PrepareEnd,
    Reopen,
    ContinueInNewRun,
    End {
        cancelled: bool,
    },
}
