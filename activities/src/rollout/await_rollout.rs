//! The activity `await_rollout`: it watches, judges, and collects the evidence for a verdict.

use std::time::Duration;

use berth_workflows::contract::checks::{AwaitInput, Outcome};

use crate::{
    context::Context,
    failure::Failure,
    rollout::{
        ended_jobs, evidence,
        judge::{Judge, Look},
        retry::Retries,
        snapshot::Snapshot,
        watch::{Clock, Watches},
    },
};

/// The time without a watch on events. A release that starts smoothly is done before and needs none.
const EVENTS_AFTER: Duration = Duration::from_secs(2);

/// Waits until every workload of the release is done, or returns the verdict why it is not.
///
/// Safe to run again and to drop at any moment. It begins from the cluster's current state, and its deadlines are
/// absolute times. It only reads, except for one request that a second run does not repeat (`retry`).
///
/// # Errors
/// The API server has refused berth (401, 403) for longer than a fresh namespace needs. All other errors are retried
/// here until the deadline.
pub async fn await_rollout(context: Context<'_>, wait: AwaitInput) -> Result<Outcome, Failure> {
    let clock = Clock::start();
    let mut snapshot = Snapshot::default();
    let mut watches = Watches::for_workloads(context.client, &wait.environment.namespace, &wait.workloads);
    let mut judge = Judge::new(&wait);
    let mut retries = Retries::new(context.client, &wait);
    loop {
        match judge.look(&snapshot, clock.now_ms()) {
            Look::Complete => return Ok(Outcome::Complete),
            Look::Failed(cause) => {
                let verdict = evidence::verdict(context.client, &wait, *cause, &snapshot).await;
                return Ok(Outcome::Failed { verdict });
            }
            Look::Waiting { text, mut again_ms, troubled, refused_before, gone } => {
                context.progress.report(text);
                retries.request(&refused_before).await;
                let ends = ended_jobs::ends(context.client, &wait.environment.namespace, &gone).await;
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
mod tests;
