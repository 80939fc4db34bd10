//! The two ways of a message to Temporal.

use super::{direct::Direct, hooks::Hooks, task::Task, unanswered::Unanswered};
use crate::{envelope::Envelope, exchange::question::Question};

/// A way to Temporal.
pub(super) enum Way {
    Hooks(Box<Hooks>),
    Direct(Direct),
}

impl Way {
    /// Sends the message of a task.
    pub(super) async fn send(&self, task: &Task) -> Result<Envelope, Unanswered> {
        match self {
            Self::Hooks(hooks) => hooks.send(task).await,
            Self::Direct(direct) => direct.send(task).await,
        }
    }

    /// Asks how far a task is.
    pub(super) async fn ask(&self, task: &Task, question: &Question) -> Result<Envelope, Unanswered> {
        match self {
            Self::Hooks(hooks) => hooks.ask(task, question).await,
            Self::Direct(direct) => direct.ask(task, question).await,
        }
    }
}
