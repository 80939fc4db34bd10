//! The book of commands in comments of the pull request: those that were taken, and the answers to the last ones.

use serde::{Deserialize, Serialize};

use crate::{bounded, contract::verdict::truncate, report::view::CommandAnswer};

/// How many answers are shown.
const KEPT_ANSWERS: usize = 3;
/// How many comments are remembered, so that one which is delivered again is not obeyed twice.
const KEPT_COMMENTS: usize = 50;
/// Bound on commands at once.
const AT_ONCE: usize = 5;
/// Bound on an answer.
const MAX_ANSWER_BYTES: usize = 300;

/// The book of commands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Commands {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    answers: Vec<CommandAnswer>,
    /// Comments that were taken, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    taken: Vec<u64>,
    /// Not carried: a run with open handlers does not continue as new.
    #[serde(skip)]
    running: usize,
}

impl Commands {
    /// Whether there has been none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The answers to the last ones, oldest first.
    pub fn answers(&self) -> &[CommandAnswer] {
        &self.answers
    }

    /// Takes a comment in. Returns whether it is a new one.
    ///
    /// # Errors
    /// Too many commands run.
    pub fn begin(&mut self, comment: u64) -> Result<bool, String> {
        if self.taken.contains(&comment) {
            return Ok(false);
        }
        if self.running >= AT_ONCE {
            return Err(format!("{AT_ONCE} comments are being read already"));
        }
        self.running += 1;
        bounded::push(&mut self.taken, comment, KEPT_COMMENTS);
        Ok(true)
    }

    /// Whether no comment with a higher id was taken. GitHub's ids rise.
    pub fn is_newest(&self, comment: u64) -> bool {
        self.taken.iter().all(|taken| *taken <= comment)
    }

    /// Records that a command has ended.
    pub fn end(&mut self) {
        self.running = self.running.saturating_sub(1);
    }

    /// Keeps the answer to a command, in the place of an earlier one to the same.
    pub fn answer(&mut self, mut answer: CommandAnswer) {
        truncate(&mut answer.answer, MAX_ANSWER_BYTES);
        self.answers.retain(|earlier| earlier.comment != answer.comment);
        bounded::push(&mut self.answers, answer, KEPT_ANSWERS);
    }
}
