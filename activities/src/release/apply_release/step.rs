//! The way in which an object of a release gets to its new state.

use berth_workflows::contract::verdict::Verdict;

/// The way in which an object gets to its new state.
pub(super) enum Step {
    Apply,
    /// It is deleted, unless it is being deleted, awaited gone and created.
    Replace,
    Refuse(Box<Verdict>),
}
