//! Rollouts: the wait until a release serves, or until it is clear why it will not.
//!
//! Decisions are pure and read a `Snapshot`: which workloads are done (`workload_state`), the causes of problems
//! (`classify`), and how long each may last (`judge`). Around them are the watches that keep the snapshot current, and
//! the evidence for a verdict: logs and events without secrets.
//!
//! Done follows `kubectl rollout status`, so berth is never later than it. The exception are containers without a
//! probe: they must stay up for some seconds (`judge/settling.rs`).
//!
//! A Deployment's `ProgressDeadlineExceeded` is ignored. The release has its own deadline, which a wait for a node with
//! room does not use up.
//!
//! A `StatefulSet` or `DaemonSet` with the strategy `OnDelete` is done when its pods are ready, whatever their
//! revision: its owner replaces them by hand.
//!
//! A Job that was cleaned up is done if it was seen to succeed, or if its events report it. Without either it counts as
//! missing.

mod await_rollout;
pub(crate) mod classify;
pub(crate) mod container_status;
mod ended_jobs;
pub(crate) mod evidence;
mod exits;
mod fenced;
#[cfg(test)]
pub(crate) mod fixtures;
pub(crate) mod judge;
mod marks;
mod repairs;
pub(crate) mod snapshot;
pub(crate) mod unseen;
pub(crate) mod watch;
pub(crate) mod workload_state;

pub use await_rollout::await_rollout;

#[cfg(test)]
mod recorded;
#[cfg(test)]
mod states;
