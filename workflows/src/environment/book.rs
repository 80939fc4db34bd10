//! The book of an environment's rollouts: the one in flight, the one that failed, the release that serves.
//!
//! Pure. It numbers rollouts, records their progress, and concludes them.

use serde::{Deserialize, Serialize};

use crate::{
    bounded,
    contract::{
        environment::{Environment, MAX_NAME_BYTES},
        phase::{Failed, PastRollout},
        preparation::SyncedSecrets,
        release::Release,
        rollout::{Made, RolloutProgress, RolloutStep},
        rollout_input::{DEPLOY_ID_BOUND, DEPLOY_ID_EPOCH_SECONDS, RolloutInput, Source, rollout_id},
        signals::{DeployAnswer, DeployOutcome},
        stuck::StuckChild,
        timings::StartTimings,
        verdict::truncate,
    },
    environment::queue::{Current, Queue, QueuedRelease},
};

pub use end::RolloutEnd;
pub use late::LateLook;
pub use look::LookEnd;
pub use serving::Serving;

mod end;
mod late;
mod look;
mod serving;

/// How many past rollouts `status` lists.
const KEPT_ROLLOUTS: usize = 10;
/// How many bytes are kept of the text that says what a rollout waits for.
const MAX_WAITING_FOR_BYTES: usize = 500;

/// The rollout in flight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollingOut {
    #[serde(rename = "ticketed")]
    pub queued: QueuedRelease,
    pub number: u64,
    pub rollout: String,
    pub since_ms: u64,
    pub step: RolloutStep,
    /// The cause of the wait, if it is not the usual one of the step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_for: Option<String>,
    /// Why nothing can be seen of the release, while that is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_observed: Option<String>,
    /// The stored release, once every workload serves it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serving: Option<String>,
    /// Whether it is being stopped: no sender may wait for it to become live.
    #[serde(default)]
    pub stopping: bool,
}

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Book {
    /// Recorded at the first rollout, forgotten when it is verified gone.
    pub environment: Option<Environment>,
    pub serving: Option<Serving>,
    /// The stored release that served before [`Book::serving`], and is another one.
    pub served_before: Option<String>,
    /// The last stored release whose rollout passed its gates.
    pub proven: Option<String>,
    pub rolling_out: Option<RollingOut>,
    /// The release that serves, while it is looked at. Not carried: the main loop waits for the end of a look.
    #[serde(skip)]
    pub looking: Option<QueuedRelease>,
    pub failed: Option<Failed>,
    /// Whether the newest rollout was stopped.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub was_stopped: bool,
    pub secrets: Option<SyncedSecrets>,
    /// Children that do not stop. Not carried: a run with one does not continue as new.
    #[serde(skip)]
    pub stuck: Vec<StuckChild>,
    /// The failed release, if it may serve later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub late: Option<LateLook>,
    pub rollouts: Vec<PastRollout>,
    /// The number of the newest rollout.
    pub last_number: u64,
    /// The `KUBE_DEPLOY_ID` of the newest rollout.
    pub last_deploy_id: u64,
}

impl Book {
    /// The releases that a new one is compared with.
    ///
    /// A rollout that is stopping cannot be joined. After a failed or stopped rollout the serving release does not count as
    /// live: until the next rollout, objects of the other release may replace its own.
    pub fn current(&self) -> Current<'_> {
        let is_whole = self.failed.is_none() && self.rolling_out.is_none() && !self.was_stopped;
        Current {
            serving: self.serving.as_ref().filter(|_| is_whole).map(|serving| &serving.release),
            rolling_out: self
                .rolling_out
                .as_ref()
                .filter(|rolling_out| !rolling_out.stopping)
                .map(|rolling_out| &rolling_out.queued)
                .or(self.looking.as_ref()),
        }
    }

    /// The newest release that was asked for, however it went: the one that `redeploy` rolls out again.
    pub fn newest_release<'a>(&'a self, queue: &'a Queue) -> Option<&'a Release> {
        (queue.next())
            .or_else(|| self.rolling_out.as_ref().map(|rolling_out| &rolling_out.queued.release))
            .or_else(|| self.failed.as_ref().map(|failed| &failed.release))
            .or_else(|| self.serving.as_ref().map(|serving| &serving.release))
    }

    /// Records the next rollout before it begins. `now_ms` is Unix time in milliseconds, here and below.
    pub fn expect(&mut self, environment_id: &str, queued: &QueuedRelease, now_ms: u64) {
        self.late = None;
        let number = self.last_number + 1;
        let mut queued = queued.clone();
        // Its proof may have been checked since it left the queue.
        let before =
            self.rolling_out.as_ref().map(|before| &before.queued).filter(|before| before.ticket == queued.ticket);
        queued.release.proved |= before.is_some_and(|before| before.release.proved);
        self.rolling_out = Some(RollingOut {
            queued,
            number,
            rollout: rollout_id(environment_id, number),
            since_ms: now_ms,
            step: RolloutStep::LoadingApp,
            waiting_for: None,
            not_observed: None,
            serving: None,
            stopping: false,
        });
    }

    /// Numbers the next rollout and records it. Returns its input.
    pub fn begin(
        &mut self,
        environment: &Environment,
        queued: &QueuedRelease,
        timings: &StartTimings,
        now_ms: u64,
    ) -> RolloutInput {
        self.expect(&environment.workflow_id, queued, now_ms);
        self.last_number += 1;
        // Rising even if two rollouts begin within one second.
        let seconds = (now_ms / 1000).saturating_sub(DEPLOY_ID_EPOCH_SECONDS);
        self.last_deploy_id = seconds.max(self.last_deploy_id + 1);
        RolloutInput {
            environment: environment.clone(),
            release: queued.release.clone(),
            number: self.last_number,
            deploy_id: self.last_deploy_id,
            keep: self.keep(),
            timings: timings.clone(),
            app_timings: None,
            serving: self.serving.as_ref().and_then(|serving| serving.stored_release.clone()),
            source: Source::default(),
            keep_proven: 0,
        }
    }

    /// Records how far the rollout in flight is. Returns whether the report was of that one. Anyone may send that signal, so
    /// every part is bounded, and a name or id that cannot be is left out.
    pub fn record_progress(&mut self, progress: RolloutProgress) -> bool {
        let rolling_out = self.rolling_out.as_mut().filter(|rolling_out| rolling_out.number == progress.number);
        let Some(rolling_out) = rolling_out else { return false };
        rolling_out.step = progress.step;
        let serving = progress.serving.filter(|name| name.len() <= MAX_NAME_BYTES);
        rolling_out.serving = serving.or_else(|| rolling_out.serving.take());
        let bounded = |mut text: String| {
            truncate(&mut text, MAX_WAITING_FOR_BYTES);
            text
        };
        rolling_out.waiting_for = progress.waiting_for.map(bounded);
        rolling_out.not_observed = progress.not_observed.map(bounded);
        let deploy_id = progress.deploy_id.filter(|id| *id < DEPLOY_ID_BOUND);
        self.last_deploy_id = self.last_deploy_id.max(deploy_id.unwrap_or_default());
        if let Some(environment) = &mut self.environment {
            environment.record_cluster_objects(progress.cluster_objects);
        }
        true
    }

    /// Records that the rollout in flight is being stopped.
    pub fn stop(&mut self) {
        if let Some(rolling_out) = &mut self.rolling_out {
            rolling_out.stopping = true;
        }
    }

    /// Records how a rollout ended. Returns the answer for its senders.
    pub fn conclude(&mut self, queued: QueuedRelease, end: RolloutEnd, started_ms: u64, now_ms: u64) -> DeployAnswer {
        let rolling_out = self.rolling_out.take();
        // The book's own copy knows whether it is proved.
        let release = rolling_out.as_ref().map_or(queued.release, |rolling_out| rolling_out.queued.release.clone());
        // A rollout that has not got its number never began.
        let rolling_out = rolling_out.filter(|rolling_out| rolling_out.number == self.last_number);
        let rollout = rolling_out.as_ref().map(|rolling_out| rolling_out.rollout.clone());
        let number = rolling_out.as_ref().map_or(0, |rolling_out| rolling_out.number);
        let stored = rolling_out.and_then(|rolling_out| rolling_out.serving);
        let mut answer = DeployAnswer::new(DeployOutcome::Live, release.commit.clone());
        answer.rollout.clone_from(&rollout);
        self.was_stopped = matches!(end, RolloutEnd::Stopped(..));
        match end {
            RolloutEnd::Live(rolled_out) => self.conclude_live(&release, rollout, rolled_out.made, now_ms),
            RolloutEnd::Failed(verdict, made) => {
                let stored = made.serving().cloned().or(stored);
                let mut made = *made;
                self.expect_late(&release, rollout.as_ref(), &mut made, now_ms);
                self.take_over(made);
                self.serve_unproven(&release, rollout.clone(), stored, now_ms);
                answer.outcome = DeployOutcome::Failed;
                answer.reason = Some(verdict.headline());
                answer.verdict = Some(*verdict.clone());
                self.failed = Some(Failed { release: release.clone(), rollout, verdict: *verdict });
            }
            RolloutEnd::Stopped(reason, made) => {
                let stored = made.serving().cloned().or(stored);
                self.take_over(*made);
                self.serve_unproven(&release, rollout, stored, now_ms);
                answer.outcome = reason.outcome();
            }
        }
        answer.show_pages(self.answering());
        self.remember(PastRollout {
            number,
            commit: release.commit.to_string(),
            outcome: answer.outcome,
            author: release.author,
            ms: now_ms.saturating_sub(started_ms),
            failure: answer.verdict.as_ref().map(|verdict| verdict.failure.to_string()),
            release: release.number,
            rollback: false,
        });
        answer
    }

    fn conclude_live(&mut self, release: &Release, rollout: Option<String>, made: Made, now_ms: u64) {
        // The cluster-scoped objects of earlier rollouts were pruned.
        if let Some(environment) = &mut self.environment {
            environment.cluster_objects.clear();
        }
        let stored = made.stored_release.clone();
        self.take_over(made);
        self.failed = None;
        self.proven = stored.clone().or_else(|| self.proven.take());
        self.serve(release.clone(), rollout, stored, now_ms);
    }

    /// Records the objects that a rollout has made, however it ended.
    fn take_over(&mut self, made: Made) {
        if let Some(environment) = &mut self.environment {
            environment.namespace_uid = made.namespace_uid.or_else(|| environment.namespace_uid.take());
            environment.record_cluster_objects(made.cluster_objects);
        }
        self.secrets = made.secrets.or_else(|| self.secrets.take());
    }

    /// Adds a rollout to the list of the last ten.
    pub fn remember(&mut self, rollout: PastRollout) {
        bounded::push(&mut self.rollouts, rollout, KEPT_ROLLOUTS);
    }

    /// Drops the oldest past rollout. Returns whether there was one.
    pub fn drop_oldest_rollout(&mut self) -> bool {
        bounded::drop_oldest(&mut self.rollouts)
    }

    /// Forgets an environment that is verified gone. The next rollout uses the names in the app file at that time.
    pub fn forget_environment(&mut self) {
        self.environment = None;
        self.serving = None;
        self.served_before = None;
        self.proven = None;
        self.failed = None;
        self.was_stopped = false;
        self.late = None;
        self.secrets = None;
    }

    /// Shortens the texts that are carried to the next run.
    pub fn shorten(&mut self) {
        if let Some(failed) = &mut self.failed {
            failed.verdict = failed.verdict.short();
        }
    }
}

#[cfg(test)]
mod tests;
