//! Arrival of a message: the workflow task that brings it, and its kind.
//!
//! Within one task the SDK delivers all signals, then all updates, then a cancel, whatever came first. So two messages of
//! different kinds in one task have no known order. Messages of one kind stay in order only if their handlers are alike: the
//! body of a synchronous handler runs on delivery, the body of an asynchronous one when all messages are delivered. Handlers
//! of signals are synchronous here, and handlers of updates asynchronous.
//!
//! `history_length()` of the activation identifies a task. It is the id of the task's `WorkflowTaskStarted` event, read from
//! the history: replay finds the same one, and a later task has a higher one. `workflow_time()` does not identify a task:
//! the SDK never lets it go back, so after a step of the server's clock two tasks share one time.
//!
//! Another run has other tasks under the same ids: an arrival is never carried.

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// The workflow task, by `history_length()`.
    pub task: u32,
    kind: MessageKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MessageKind {
    Signal,
    Update,
    Cancel,
}

impl Arrival {
    /// The arrival of a signal in that task.
    pub fn signal(task: u32) -> Self {
        Self { task, kind: MessageKind::Signal }
    }

    /// The arrival of an update in that task. A handler reads the task before its first wait.
    pub fn update(task: u32) -> Self {
        Self { task, kind: MessageKind::Update }
    }

    /// The arrival of the workflow's cancel in that task.
    pub fn cancel(task: u32) -> Self {
        Self { task, kind: MessageKind::Cancel }
    }

    /// Whether it is a signal, whose sender gets no answer.
    pub fn is_signal(self) -> bool {
        self.kind == MessageKind::Signal
    }

    /// Whether it is unknown which of the two came first.
    pub fn is_unordered_with(self, other: Self) -> bool {
        self.task == other.task && self.kind != other.kind
    }
}
