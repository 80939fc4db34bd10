//! Remarks for the status of an environment: inputs that it has ignored and why, and remarks of its rollouts.

use serde::{Deserialize, Serialize};

use crate::{bounded, contract::verdict::truncate};

/// How many notes `status` lists.
const KEPT_NOTES: usize = 5;
const MAX_NOTE_BYTES: usize = 300;

/// The last notes, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Notes(Vec<String>);

impl Notes {
    /// Adds a note: an input that was ignored and why, or a rollout's remark.
    pub fn add(&mut self, note: impl Into<String>) {
        let mut note = note.into();
        truncate(&mut note, MAX_NOTE_BYTES);
        bounded::push(&mut self.0, note, KEPT_NOTES);
    }

    /// Each note, oldest first.
    pub fn to_vec(&self) -> Vec<String> {
        self.0.clone()
    }

    /// Drops the oldest note. Returns whether there was one.
    pub fn drop_oldest(&mut self) -> bool {
        bounded::drop_oldest(&mut self.0)
    }
}
