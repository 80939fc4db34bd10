//! The rollout of a release, and of the way back.

use temporalio_workflow::{WorkflowContext, workflows::join};

use super::{
    ProductionEnvironment,
    state::{State, Step},
};
use crate::{
    clock::now_ms,
    contract::{
        load_app::ProductionRules,
        production::Production,
        production_record::{BegunRollout, StoredVersion},
        rollout::{RolloutProgress, RolloutStep},
        rollout_input::{RolloutInput, Source, StoredSource},
        timings::StartTimings,
    },
    environment::{answers::detached, queue::QueuedRelease, rollouts::run_rollout},
};

impl ProductionEnvironment {
    /// Rolls out what has begun, and records how it ended.
    pub(super) async fn roll_out(ctx: &WorkflowContext<Self>, production: &Production, begun: BegunRollout) {
        ctx.state_mut(|s| s.is_in_flight = true);
        let started_ms = now_ms(ctx);
        let input = |s: &mut Self, now| s.state.rollout_input(&begun, &production.timings, now);
        let rollout = async {
            let end = run_rollout(ctx, input).await;
            let ended_ms = now_ms(ctx);
            ctx.state_mut(|s| {
                s.is_in_flight = false;
                s.state.conclude(end, started_ms, ended_ms);
            });
        };
        join!(rollout, Self::keep_recorded(ctx));
    }

    /// Writes the record whenever a message changes it, as long as a rollout is in flight: a run that is terminated must not
    /// lose what is queued.
    async fn keep_recorded(ctx: &WorkflowContext<Self>) {
        while ctx.state(|s| s.is_in_flight) {
            // A detached wait is not cancelled, so there is no error to look at.
            let _ = ctx.wait_condition_with_options(|s| !s.is_in_flight || !s.state.is_recorded(), detached()).await;
            if ctx.state(|s| s.is_in_flight) {
                Self::record(ctx).await;
            }
            if let Some(until_ms) = ctx.state(|s| s.state.paused_until(Step::Record)) {
                Self::wait_until(ctx, until_ms, |s| !s.is_in_flight).await;
            }
        }
    }
}

impl State {
    /// Numbers the rollout of what has begun. Returns its input.
    fn rollout_input(&mut self, begun: &BegunRollout, timings: &StartTimings, now_ms: u64) -> Option<RolloutInput> {
        let environment = self.book.environment.clone()?;
        let version = &begun.version;
        let queued = QueuedRelease { ticket: 0, release: version.release.clone() };
        let input = self.book.begin(&environment, &queued, timings, now_ms);
        Some(RolloutInput {
            serving: self.record.live.as_ref().map(|live| live.stored_release.clone()),
            keep: self.kept(),
            app_timings: self.app_timings,
            keep_proven: self.kept_proven(),
            source: Source::Stored(Box::new(StoredSource {
                stored_release: version.stored_release.clone(),
                secrets: version.secrets.clone(),
                rollback: begun.rollback.is_some(),
            })),
            ..input
        })
    }

    /// How many proven releases are kept besides.
    pub(super) fn kept_proven(&self) -> usize {
        self.keep_releases.unwrap_or_else(|| ProductionRules::default().keep_releases)
    }

    /// Stored releases that no prune may remove.
    pub(super) fn kept(&self) -> Vec<String> {
        let record = &self.record;
        let begun = record.begun.as_ref().map(|begun| &begun.version);
        let recovery = record.recovery.as_ref().map(|recovery| &recovery.to);
        let rollback = record.rollback.as_ref().map(|rollback| &rollback.version);
        let versions =
            [record.live.as_ref(), record.proven.as_ref(), record.served_before.as_ref(), begun, recovery, rollback];
        let stored = |version: &StoredVersion| version.stored_release.clone();
        let mut kept: Vec<String> = versions.into_iter().flatten().map(stored).collect();
        kept.extend(self.planned.as_ref().map(|planned| planned.planned.stored_release.clone()));
        kept.sort();
        kept.dedup();
        kept
    }

    /// Records how far the rollout in flight is. Returns whether the report was of that one.
    pub(super) fn record_progress(&mut self, progress: RolloutProgress) -> bool {
        let is_touched = progress.touched || progress.step >= RolloutStep::AwaitingRollout;
        let is_of_flight = self.book.record_progress(progress);
        self.is_touched |= is_of_flight && is_touched;
        is_of_flight
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        contract::load_app::LoadedApp,
        production_environment::{harness, next::Action},
    };

    #[test]
    fn rollout_of_a_new_run_keeps_as_many_releases_as_the_app_file_says() {
        let mut production = harness::Production::new();
        production.release('a', 1);
        production.settle();
        let mut again = production.restarted();
        let environment = again.state.book.environment.clone().unwrap();
        let rules = ProductionRules { keep_releases: 30, ..ProductionRules::default() };
        let (content_hash, cluster_objects) = (String::new(), Vec::new());
        let loaded = LoadedApp {
            environment,
            content_hash,
            cluster_objects,
            production: Some(rules),
            github: None,
            timings: None,
        };
        again.state.take_loaded(&loaded);
        let Action::RollOut(begun) = again.settle() else { panic!("nothing to roll out") };
        let input = again.state.rollout_input(&begun, &StartTimings::default(), again.now_ms).unwrap();
        assert_eq!(input.keep_proven, 30);
    }
}
