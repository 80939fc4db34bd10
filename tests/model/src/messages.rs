//! What is sent to a preview, in the model's own types.

/// A release: a commit and its image, each by a small number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    pub(crate) commit: u8,
    pub(crate) image: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Push {
    pub(crate) version: Version,
    pub(crate) sequence: Option<u64>,
    pub(crate) fork: bool,
    pub(crate) draft: bool,
}

/// The state of the pull request at a second, as GitHub tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) head: u8,
    pub(crate) closed: bool,
    pub(crate) draft: bool,
    pub(crate) fork: bool,
    pub(crate) has_label: bool,
    pub(crate) has_skip_label: bool,
    pub(crate) second: u8,
    pub(crate) asked: bool,
}

/// The app file's rules for pull requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Rules {
    pub(crate) drafts: bool,
    pub(crate) label: bool,
    pub(crate) skip_label: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Message {
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
pub(crate) enum Kind {
    Signal,
    Update,
    Cancel,
}

/// The workflow task that brings a message, and its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arrival {
    pub(crate) task: u32,
    pub(crate) kind: Kind,
}

/// The answer to a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Live,
    Failed,
    Superseded,
    Closed,
    Skipped,
    AwaitingApproval,
    Queued,
}

/// How a rollout ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Live,
    Failed,
    Stopped,
}

/// What a preview does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Wait,
    RollOut(Version),
    TearDown,
    Pause,
    PrepareEnd,
    Reopen,
    ContinueInNewRun,
    End { cancelled: bool },
}
