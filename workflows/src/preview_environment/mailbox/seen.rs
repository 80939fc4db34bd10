//! Messages that were seen before a close. A later one that is not newer has no effect, also in the next run.

use serde::{Deserialize, Serialize};

use super::Mailbox;
use crate::contract::memory::Memory;

/// A mailbox whose memory outlives its run. One of an older version has none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Remembering {
    /// The highest sequence that was seen as the pull request was closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    closed: Option<u64>,
}

impl Mailbox {
    /// Remembers what was seen from now on, beginning with what earlier runs have seen.
    pub fn remember(&mut self, mut memory: Memory) {
        self.recall_approvals(&mut memory);
        self.queue.newer_seen(memory.sequence);
        self.remembering = Some(Remembering { closed: memory.sequence });
        self.facts.remember(memory.closed, memory.earlier_heads);
    }

    /// The memory for the runs that follow. None: a run of an older version keeps none.
    pub fn memory(&self) -> Option<Memory> {
        self.remembering.as_ref()?;
        let (closed, earlier_heads) = self.facts.memory();
        Some(Memory { sequence: self.queue.seen(), closed, earlier_heads, approved: self.approved_versions() })
    }

    /// The highest sequence that was seen as the pull request was closed.
    pub fn closed(&self) -> Option<u64> {
        self.remembering.as_ref()?.closed
    }

    /// The sequence of the last close, if a push does not follow it. One without a sequence follows every close.
    pub(super) fn closed_since(&self, sequence: Option<u64>) -> Option<u64> {
        let closed = self.remembering.as_ref()?.closed?;
        sequence.is_some_and(|sequence| sequence <= closed).then_some(closed)
    }

    /// Records how far the sequence was at a close.
    pub(super) fn remember_close(&mut self) {
        if let Some(remembering) = &mut self.remembering {
            remembering.closed = self.queue.seen();
        }
    }

    /// Lets a job run again that has run before the close: GitHub says that the pull request is open again.
    pub(super) fn forget_close_if_reopened(&mut self) {
        if let Some(remembering) = self.remembering.as_mut().filter(|_| self.facts.is_reopened()) {
            remembering.closed = None;
        }
    }
}

/// The reason to skip a push that does not follow the last close.
pub(super) fn not_newer(closed: u64) -> String {
    format!("the pull request was closed when sequence {closed} had been seen, and this one is not higher")
}
