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

pub(crate) mod classify;
pub(crate) mod evidence;
#[cfg(test)]
pub(crate) mod fixtures;
mod gone;
pub(crate) mod judge;
pub(crate) mod progress;
mod retry;
pub(crate) mod snapshot;
pub(crate) mod watch;

use std::time::Duration;

use berth_workflows::contract::checks::{AwaitInput, Outcome};

use crate::{failure::Failure, heartbeat::Progress};
use judge::{Judge, Look};
use retry::Retries;
use snapshot::Snapshot;
use watch::{Clock, Watches};

/// A release that comes up smoothly is done before this and needs no watch on events.
const EVENTS_AFTER: Duration = Duration::from_secs(2);

/// Waits until every workload of the release serves it, or returns the verdict why it does not.
///
/// Safe to run again and to drop at any moment: it begins from the cluster's current state, its deadlines are times on the
/// clock, not durations from its own start, and it only reads, but for one thing that a second run does not do again
/// (`retry`).
///
/// # Errors
/// Only if the API server has refused berth (401, 403) for longer than a fresh namespace needs: everything else that
/// goes wrong on the way to it is retried here until the deadline.
pub async fn await_rollout(client: &kube::Client, progress: &Progress, wait: AwaitInput) -> Result<Outcome, Failure> {
    let clock = Clock::start();
    let mut snapshot = Snapshot::default();
    let mut watches = Watches::for_workloads(client, &wait.environment.namespace, &wait.workloads);
    let mut judge = Judge::new(&wait);
    let mut retries = Retries::new(client, &wait);
    loop {
        match judge.look(&snapshot, clock.now_ms()) {
            Look::Complete => return Ok(Outcome::Complete),
            Look::Failed(cause) => {
                let verdict = evidence::verdict(client, &wait, *cause, &snapshot).await;
                return Ok(Outcome::Failed { verdict });
            }
            Look::Waiting { text, mut again_ms, troubled, refused_before, gone } => {
                progress.say(text);
                retries.ask(&refused_before).await;
                let ends = gone::ends(client, &wait.environment.namespace, &gone).await;
                if !ends.is_empty() {
                    judge.learn(ends);
                    continue;
                }
                if troubled && clock.elapsed() >= EVENTS_AFTER {
                    watches.open_events();
                } else if troubled {
                    again_ms = again_ms.min(clock.at(EVENTS_AFTER));
                }
                for update in watches.next_before(clock.instant(again_ms)).await? {
                    update(&mut snapshot);
                }
            }
        }
    }
}

#[cfg(test)]
mod recorded;
#[cfg(test)]
mod tests;
