//! The activity `await_rollout`: it watches, judges, and collects the evidence for a verdict.

use std::time::Duration;

use berth_workflows::contract::{
    checks::{AwaitInput, Outcome},
    verdict::{FailureType, Verdict},
};

use crate::{
    context::Context,
    failure::Failure,
    rollout::{
        classify::Cause,
        ended_jobs, evidence, fenced,
        judge::{Judge, Look},
        marks::mark_failed,
        repairs::Repairs,
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
/// A late look ends with its first sight of the release, and changes nothing.
///
/// Safe to run again and to drop at any moment. It begins from the cluster's current state, and its deadlines are
/// absolute times. It reads, and writes in three cases that a second run does not repeat: a refused workload is tried again
/// (`repairs/retry.rs`), a broken pod of an earlier revision is replaced (`repairs/replace.rs`), and a failed revision of production is marked (`marks`).
///
/// # Errors
/// None of its own. Errors of the API server are retried here.
pub async fn await_rollout(context: Context<'_>, wait: AwaitInput) -> Result<Outcome, Failure> {
    let unobserved = Duration::from_secs(wait.unobserved_seconds);
    if let Some(outcome) = unseen_before(context.progress, unobserved) {
        return Ok(outcome);
    }
    if wait.late {
        return Ok(look_once(context, &wait, unobserved).await);
    }
    let clock = Clock::start();
    let mut snapshot = Snapshot::default();
    let mut watches = Watches::for_workloads(context.client, &wait.environment.namespace, &wait.workloads);
    let mut judge = Judge::new(&wait);
    let mut repairs = Repairs::new(context, &wait);
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
            Look::Failed(cause) => return Ok(failed(context, &wait, *cause, &snapshot).await),
            Look::Waiting { text, again_ms, troubled, refused_before, gone, broken } => {
                context.progress.report(text);
                repairs.make(&refused_before, &broken).await;
                let ends = ended_jobs::ends(context.client, &wait.environment.namespace, &gone).await;
                if !ends.is_empty() {
                    judge.learn(ends);
                    continue;
                }
                let again_ms = if troubled { look_at_events(&mut watches, clock, again_ms) } else { again_ms };
                let updates = watches.next_before(clock.instant(again_ms)).await;
                changed = !updates.is_empty();
                updates.into_iter().for_each(|update| update(&mut snapshot));
            }
        }
    }
}

/// Opens the watch on events, if it is time for that. Returns the time of the next look, in unix milliseconds.
fn look_at_events(watches: &mut Watches, clock: Clock, again_ms: u64) -> u64 {
    if clock.elapsed() < EVENTS_AFTER {
        return again_ms.min(clock.at(EVENTS_AFTER));
    }
    watches.open_events();
    again_ms
}

/// Ends the wait with a verdict.
async fn failed(context: Context<'_>, wait: &AwaitInput, cause: Cause, snapshot: &Snapshot) -> Outcome {
    mark_failed(context.client, wait, snapshot).await;
    Outcome::Failed { verdict: evidence::verdict(context.client, wait, cause, snapshot).await }
}

/// Looks whether the release serves by now. Its verdict was given before.
async fn look_once(context: Context<'_>, wait: &AwaitInput, unobserved: Duration) -> Outcome {
    let mut snapshot = Snapshot::default();
    let mut watches = Watches::for_workloads(context.client, &wait.environment.namespace, &wait.workloads);
    if let Err(gap) = watches.close_gap(&mut snapshot, unobserved, context.progress).await {
        return unseen(context.progress, gap.reason(), gap.since);
    }
    let not_ready = |text: String| Outcome::Failed { verdict: Verdict::new(FailureType::NotReady, text) };
    match (fenced::overtaken(&snapshot, wait), Judge::new(wait).look(&snapshot, Clock::start().now_ms())) {
        (Some(verdict), _) => Outcome::Failed { verdict },
        (None, Look::Complete) => Outcome::Complete,
        (None, Look::Failed(cause)) => not_ready(cause.failure.name().to_owned()),
        (None, Look::Waiting { text, .. }) => not_ready(text),
    }
}

#[cfg(test)]
mod tests;
