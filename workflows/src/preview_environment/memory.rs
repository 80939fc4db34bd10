//! The memory of earlier runs in a record, and the messages that wait for it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    contract::memory::Memory,
    environment::arrival::Arrival,
    preview_environment::message::{Message, Taken},
};

/// The memory as the runs after this one would find it now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Remembered {
    /// None: there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) written: Option<Memory>,
    /// Whether nothing of an environment is there: the run ends as soon as its messages ask for none.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_spare: bool,
    /// Whether a message has come to this run. One that was started without a message waits for the first.
    #[serde(skip)]
    pub(super) has_messages: bool,
    /// Whether the worker does not know the app.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) has_no_app: bool,
}

impl Remembered {
    /// Whether nothing of it is carried.
    pub fn is_empty(&self) -> bool {
        self.written.is_none() && !self.is_spare && !self.has_no_app
    }

    /// Records that the worker does not know the app, so that nothing of an environment can be made.
    pub(super) fn begin_end(&mut self) {
        (self.is_spare, self.has_messages, self.has_no_app) = (true, true, true);
    }
}

/// Messages that came before the memory of earlier runs was recalled, in their order. The server takes ten thousand signals for
/// one run at most.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Waiting {
    pub(super) is_recalling: bool,
    pub(super) messages: Vec<(Message, Arrival, u64)>,
    /// What became of those whose senders wait, by their place.
    pub(super) taken: BTreeMap<usize, Taken>,
}
