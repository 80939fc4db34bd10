//! The activity `await_rollout`: it watches, judges, and collects the evidence for a verdict.

use std::time::Duration;

use berth_workflows::contract::checks::{AwaitInput, Outcome};

use crate::{
    context::Context,
    failure::Failure,
    rollout::{
        ended_jobs, evidence, fenced,
        judge::{Judge, Look},
        retry::Retries,
        snapshot::Snapshot,
        unseen::{unseen, unseen_before},
        watch::{Clock, Gap, Watches},
    },
};

/// The time without a watch on events. A release that starts smoothly is done before and needs none.
const EVENTS_AFTER: Duration = Duration::from_secs(2);

/// Waits until every workload of the release is done, or returns the verdict why it is not. `NotObserved` if nothing can be
/// seen for `unobserved_seconds`, since the API server does not answer or refuses berth, or no worker looked.
///
/// `Overtaken` if a newer rollout has written a workload.
///
/// A verdict is given on fresh lists only: a connection may be broken for a minute before its watch ends.
///
/// Safe to run again and to drop at any moment. It begins from the cluster's current state, and its deadlines are
/// absolute times. It only reads, except for one request that a second run does not repeat (`retry`).
///
/// # Errors
/// None of its own. Errors of the API server are retried here.
pub async fn await_rollout(context: Context<'_>, wait: AwaitInput) -> Result<Outcome, Failure> {
    let unobserved = Duration::from_secs(wait.unobserved_seconds);
    if let Some(outcome) = unseen_before(context.progress, unobserved) {
        return Ok(outcome);
    }
    let clock = Clock::start();
    let mut snapshot = Snapshot::default();
    let mut watches = Watches::for_workloads(context.client, &wait.environment.namespace, &wait.workloads);
    let mut judge = Judge::new(&wait);
    let mut retries = Retries::new(context.client, &wait);
    let mut changed = false;
    loop {
        match watches.close_gap(&mut snapshot, unobserved, context.progress).await {
            Ok(gap) if gap.as_ref().is_some_and(Gap::hid_something) => judge.resume(),
            Ok(_) => {}
            Err(gap) => return Ok(unseen(context.progress, gap.reason(), gap.since)),
        }
        if let Some(verdict) = fenced::overtaken(&snapshot, &wait) {
            return Ok(Outcome::Failed { verdict });
        }
        match judge.look(&snapshot, clock.now_ms()) {
            // Time alone has made it complete.
            Look::Complete if !changed && !watches.are_fresh() => watches.refresh(),
            Look::Complete => return Ok(Outcome::Complete),
            Look::Failed(_) if !watches.are_fresh() => watches.refresh(),
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
                let updates = watches.next_before(clock.instant(again_ms)).await;
                changed = !updates.is_empty();
                updates.into_iter().for_each(|update| update(&mut snapshot));
            }
        }
    }
}

#[cfg(test)]
mod tests;
