//! The memory of earlier runs, as far as it decides: messages wait until it is recalled, and a run that is not needed ends.

use crate::{
    contract::memory::Memory,
    environment::arrival::Arrival,
    preview_environment::{
        memory::{Remembered, Waiting},
        message::{Message, Taken},
        record::Record,
    },
};

/// Decisions that runs of older versions take in another way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decisions {
    /// Approvals outlive the push that waited for them.
    pub remembers_approvals: bool,
    /// A run ends that has made nothing, if the worker does not know the app.
    pub ends_if_app_is_unknown: bool,
    /// What serves is looked at before a push of it is answered.
    pub looks_at_serving: bool,
}

impl Decisions {
    /// The decisions of today.
    pub const NEWEST: Self = Self { remembers_approvals: true, ends_if_app_is_unknown: true, looks_at_serving: true };

    /// The decisions of a run, by its patches.
    pub fn new(is_patched: impl Fn(&str) -> bool) -> Self {
        Self {
            remembers_approvals: is_patched("approvals"),
            ends_if_app_is_unknown: is_patched("unknown-app"),
            looks_at_serving: is_patched("look-at-serving"),
        }
    }
}

impl Record {
    /// Lets every message wait until the memory of earlier runs is recalled.
    pub fn begin_recall(&mut self, decisions: Decisions) {
        self.waiting.is_recalling = true;
        if decisions.remembers_approvals {
            self.mailbox.remember_approvals();
        }
        if decisions.ends_if_app_is_unknown {
            self.mailbox.check_app();
        }
        if decisions.looks_at_serving {
            self.mailbox.look_at_serving();
        }
    }

    /// Whether messages wait for the memory of earlier runs.
    pub fn is_recalling(&self) -> bool {
        self.waiting.is_recalling
    }

    pub(super) fn let_wait(&mut self, message: Message, arrival: Arrival, now_ms: u64) -> Taken {
        self.waiting.messages.push((message, arrival, now_ms));
        Taken::Waiting(self.waiting.messages.len() - 1)
    }

    /// What became of a message that waited, for its sender. It is told once.
    pub fn taken_later(&mut self, place: usize) -> Option<Taken> {
        self.waiting.taken.remove(&place)
    }

    /// Takes the memory of earlier runs in, then the messages that waited for it, as if they came now. None: there is no memory.
    pub(super) fn recall(&mut self, memory: Option<Memory>) {
        let Waiting { messages, .. } = std::mem::take(&mut self.waiting);
        self.remembered = Remembered { is_spare: memory.is_some(), written: memory.clone(), ..Remembered::default() };
        self.mailbox.remember(memory.unwrap_or_default());
        for (place, (message, arrival, now_ms)) in messages.into_iter().enumerate() {
            let taken = self.take(message, arrival, now_ms);
            if !arrival.is_signal() {
                self.waiting.taken.insert(place, taken);
            }
        }
    }

    /// Records that a message has come from outside.
    pub(super) fn hear(&mut self) {
        self.remembered.has_messages = true;
    }

    /// Whether the run is to end, since nothing of an environment is there and no message asks for one.
    pub(super) fn is_spare(&self) -> bool {
        let Remembered { is_spare, has_messages, .. } = self.remembered;
        is_spare && has_messages && self.book.environment.is_none() && !self.mailbox.is_wanted()
    }

    /// Whether nothing of an environment is there.
    pub(super) fn has_nothing(&self) -> bool {
        self.remembered.is_spare
    }

    /// Records that something of an environment is about to be made, or removed.
    pub(super) fn need_run(&mut self) {
        self.remembered.is_spare = false;
        self.remembered.has_no_app = false;
    }

    /// The memory to be written before the end. None: the runs that follow would find the same already.
    pub(super) fn unwritten_memory(&self) -> Option<Memory> {
        let written = self.remembered.written.clone().unwrap_or_default();
        let mut memory = self.mailbox.memory()?;
        if self.remembered.has_no_app {
            // Nothing was closed. A job that runs again, once there is such an app, is no older one.
            memory.sequence = self.mailbox.closed();
        }
        Some(memory).filter(|memory| *memory != written)
    }

    /// Records that a memory was written, or that it cannot be.
    pub(super) fn remember(&mut self, memory: Memory) {
        self.remembered.written = Some(memory);
    }
}
