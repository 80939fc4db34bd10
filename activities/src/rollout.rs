//! Waits until a release serves, or until it is clear why it will not.
//!
//! Everything that decides is pure and looks at a `Snapshot`: what counts as done (`progress`), what is wrong and
//! whose fault it is (`classify`), and for how long that may last (`judge`). Around it are the watches that keep the
//! snapshot true and, once it is decided, the evidence: logs and events without the secrets in them.
//!
//! Decided here: done is what `kubectl rollout status` calls done, so berth is never later than it, but where no probe
//! speaks for a container: it has to stay up for some seconds (`judge/settling.rs`). A Deployment's
//! `ProgressDeadlineExceeded` is not looked at: its own deadline is the release's, and waiting for a node with room
//! does not use it up. A `StatefulSet` or `DaemonSet` with the strategy `OnDelete` is done when its pods are ready, of
//! whatever revision: its owner replaces them by hand. A Job that was cleaned up is done if it was seen to succeed, or if
//! its events say that it has; one that nothing tells of is missing.

mod await_rollout;
pub(crate) mod classify;
pub(crate) mod container_status;
mod ended_jobs;
pub(crate) mod evidence;
mod exits;
#[cfg(test)]
pub(crate) mod fixtures;
pub(crate) mod judge;
mod retry;
pub(crate) mod snapshot;
pub(crate) mod watch;
pub(crate) mod workload_state;

pub use await_rollout::await_rollout;

#[cfg(test)]
mod recorded;
