//! Steps that are repeated while nothing can be seen of the release. That says nothing about it: no worker took the step,
//! the API server did not answer, or berth lacks rights.

use std::time::Duration;

use temporalio_workflow::WorkflowContext;

use super::Rollout;
use crate::{
    clock::{now_ms, sleep},
    contract::{
        environment::EnvironmentKind,
        phase::Phase,
        rollout_input::RolloutInput,
        search_attributes,
        verdict::{FailureType, Verdict, truncate},
    },
    failure::Unfinished,
};

/// Time, in seconds, for which the rollout of a preview looks again until that nothing was seen is its verdict. Somebody
/// can push again then.
/// Production has no such bound: it neither goes on nor rolls back before it knows.
const PREVIEW_SECONDS: u64 = 1800;

/// The first pause before a step is repeated. It doubles each time. Most steps wait themselves until they see something,
/// so the pauses only keep the history of a long outage short.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(120);

/// How much of a reason is remembered.
const MAX_REASON_BYTES: usize = 200;

impl Rollout {
    /// Does a step's work until its result says something about the release, and reports meanwhile why it does not. The
    /// work is told whether it is repeated.
    ///
    /// # Errors
    /// The work's own. For a preview also `NotObserved`, after half an hour.
    pub(super) async fn until_observed<T>(
        ctx: &WorkflowContext<Self>,
        rollout: &RolloutInput,
        mut work: impl AsyncFnMut(bool) -> Result<T, Unfinished>,
    ) -> Result<T, Unfinished> {
        let mut pause = FIRST_PAUSE;
        let begun_ms = now_ms(ctx);
        // Since when nothing was seen, and since when the workflow knows that.
        let mut gap: Option<(u64, u64)> = None;
        loop {
            ctx.state_mut(|s| s.seen_from_ms = None);
            let mut verdict = match (work(gap.is_some()).await, gap) {
                (Err(Unfinished::Failed(verdict)), _) if verdict.failure == FailureType::NotObserved => *verdict,
                (other, None) => return other,
                (other, Some((since_ms, _))) => return Self::end_gap(ctx, rollout, since_ms, other).await,
            };
            // A step that does not know when it last saw something has seen nothing.
            let now_ms = now_ms(ctx);
            let unseen_since_ms = verdict.unseen_since_ms.unwrap_or(begun_ms);
            let (since_ms, known_ms) = *gap.get_or_insert((unseen_since_ms, now_ms));
            if gives_up(rollout.environment.kind, now_ms.saturating_sub(known_ms) / 1000) {
                let seconds = now_ms.saturating_sub(since_ms) / 1000;
                verdict.message = format!("nothing could be seen of it for {seconds} s: {}", verdict.message);
                return Err(verdict.bounded().into());
            }
            Self::report_not_observed(ctx, rollout, verdict).await;
            if !sleep(ctx, pause, &ctx.cancellation_token(), "before berth looks again".to_owned()).await {
                return Err(Unfinished::Cancelled);
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn report_not_observed(ctx: &WorkflowContext<Self>, rollout: &RolloutInput, verdict: Verdict) {
        let reason = verdict.message;
        let commit = &rollout.release.commit;
        ctx.upsert_search_attributes([search_attributes::PHASE.value_set(Phase::NotObserved.name().into())]);
        ctx.set_current_details(format!("Rolling out `{commit}`: nothing can be seen of it: {reason}."));
        ctx.state_mut(|s| s.not_observed = Some(reason));
        Self::report_step(ctx, rollout).await;
    }

    /// Ends a time in which nothing was seen of the release. It is remembered, as a note or in the verdict.
    async fn end_gap<T>(
        ctx: &WorkflowContext<Self>,
        rollout: &RolloutInput,
        since_ms: u64,
        result: Result<T, Unfinished>,
    ) -> Result<T, Unfinished> {
        let (reason, seen_from_ms, step) = ctx.state_mut(|s| (s.not_observed.take(), s.seen_from_ms.take(), s.step));
        let mut reason = reason.unwrap_or_default();
        let seconds = seen_from_ms.unwrap_or_else(|| now_ms(ctx)).saturating_sub(since_ms) / 1000;
        truncate(&mut reason, MAX_REASON_BYTES);
        let gap = format!("nothing could be seen of it for {seconds} s ({}): {reason}", step.name());
        match result {
            Ok(done) => {
                ctx.upsert_search_attributes([search_attributes::PHASE.value_set(Phase::RollingOut.name().into())]);
                ctx.state_mut(|s| s.notes.push(gap));
                Self::report_step(ctx, rollout).await;
                Ok(done)
            }
            Err(Unfinished::Failed(mut verdict)) => {
                verdict.message = format!("{}; before that, {gap}", verdict.message);
                Err(verdict.bounded().into())
            }
            Err(Unfinished::Cancelled) => Err(Unfinished::Cancelled),
        }
    }
}

/// Whether a rollout ends that has looked again for so many seconds.
fn gives_up(kind: EnvironmentKind, seconds: u64) -> bool {
    match kind {
        EnvironmentKind::Preview { .. } => seconds >= PREVIEW_SECONDS,
        EnvironmentKind::Production => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_preview_gives_up_and_after_half_an_hour() {
        let preview = EnvironmentKind::Preview { pr: 1 };
        assert!(!gives_up(preview, 1799) && gives_up(preview, 1800));
        assert!(!gives_up(EnvironmentKind::Production, u64::MAX));
    }
}
