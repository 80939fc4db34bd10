//! The record of the namespace: read by a run that continues no other one, and written around each change.

use temporalio_workflow::{WorkflowCancellationToken, WorkflowContext, WorkflowTermination};

use super::{
    ProductionEnvironment,
    inbox::number,
    next::pause_ms,
    state::{State, Step, Trouble},
};
use crate::{
    activity_options as options,
    clock::now_ms,
    contract::{
        activity_definitions as activities,
        environment::{Environment, EnvironmentKind},
        load_app::{LoadAppInput, LoadedApp},
        production::Production,
        production_record::{
            BegunRollout, Frozen, ProductionRecord, QueuedRelease, RecallInput, Recalled, RecordInput, Recorded,
            RequestedRollback, Restored, RollbackCause, StoredVersion,
        },
        production_status::DropCause,
        verdict::{FailureType, Verdict},
    },
    environment::admission::invalid_input,
    failure::{self, Unfinished},
};

/// The first pause before a step is tried again.
const FIRST_PAUSE_MS: u64 = 2_000;

impl ProductionEnvironment {
    /// Reads the record, and takes in the messages that have waited for it. The error is an app without production.
    pub(super) async fn recall(
        ctx: &WorkflowContext<Self>,
        production: &Production,
    ) -> Result<(), WorkflowTermination> {
        let environment = match Self::load_names(ctx, production).await {
            Ok(environment) => environment,
            Err(Unfinished::Failed(verdict)) if verdict.failure == FailureType::UnknownApp => {
                return Err(invalid_input(verdict.headline()));
            }
            Err(why) => {
                Self::try_later(ctx, Step::Recall, &why);
                return Ok(());
            }
        };
        if let Err(why) = Self::ensure_namespace(ctx, &environment, &WorkflowCancellationToken::new()).await {
            Self::try_later(ctx, Step::Recall, &why);
            return Ok(());
        }
        let options =
            options::record(&WorkflowCancellationToken::new(), format!("the record of {}", environment.namespace));
        let recall = RecallInput { environment };
        match ctx.execute_activity(activities::RecallProduction, recall, options).await {
            Ok(recalled) => {
                let now = now_ms(ctx);
                ctx.state_mut(|s| {
                    s.state.recall(recalled);
                    s.state.take_restored(now);
                    s.state.forget_trouble(Step::Recall);
                    s.judge(now);
                });
            }
            Err(e) => {
                Self::try_later(ctx, Step::Recall, &failure::from_activity(&e, FailureType::KubernetesDenied));
            }
        }
        Ok(())
    }

    /// The names of the environment, as the app file has them now.
    pub(super) async fn load_names(
        ctx: &WorkflowContext<Self>,
        production: &Production,
    ) -> Result<Environment, Unfinished> {
        let names = LoadAppInput::names(&production.app, EnvironmentKind::Production, &production.workflow_id());
        let summary = format!("what production of {} is called", production.app);
        let loaded = ctx
            .execute_activity(activities::LoadApp, names, options::load_app(&WorkflowCancellationToken::new(), summary))
            .await
            .map_err(|e| failure::from_activity(&e, FailureType::UnknownApp))?;
        ctx.state_mut(|s| s.state.take_loaded(&loaded));
        Ok(loaded.environment)
    }

    /// Writes the record. If somebody else has written it meanwhile, theirs is looked at first.
    pub(super) async fn record(ctx: &WorkflowContext<Self>) {
        let write = ctx.state_mut(|s| {
            s.is_record_doubted = false;
            let environment = s.state.book.environment.clone()?;
            let version = s.state.recorded.as_ref().and_then(|recorded| recorded.version.clone());
            Some(RecordInput { environment, record: s.state.record.clone(), version, marks: s.state.marks.clone() })
        });
        let Some(write) = write else { return };
        let summary = format!("the record of {}", write.environment.namespace);
        let options = options::record(&WorkflowCancellationToken::new(), summary);
        let (record, marks) = (write.record.clone(), write.marks.len());
        match ctx.execute_activity(activities::RecordProduction, write, options).await {
            Ok(Recorded::Written { version }) => ctx.state_mut(|s| {
                s.state.recorded = Some(Recalled { record: Some(record), version: Some(version) });
                s.state.marks.drain(..marks);
                s.state.forget_trouble(Step::Record);
                if s.is_record_doubted {
                    s.state.doubt_record();
                }
            }),
            Ok(Recorded::Conflict(theirs)) => {
                let now = now_ms(ctx);
                ctx.state_mut(|s| s.state.take_conflict(*theirs, now));
            }
            Err(e) => {
                Self::try_later(ctx, Step::Record, &failure::from_activity(&e, FailureType::KubernetesDenied));
            }
        }
    }

    /// Notes why a step did not succeed, and when it is tried again.
    pub(super) fn try_later(ctx: &WorkflowContext<Self>, step: Step, why: &Unfinished) {
        let message = match why {
            Unfinished::Failed(verdict) => message_of(verdict),
            Unfinished::Cancelled => "it was cancelled".to_owned(),
        };
        let now = now_ms(ctx);
        ctx.state_mut(|s| {
            let before = s.state.trouble.as_ref().filter(|trouble| trouble.step == step);
            let tries = before.map_or(0, |trouble| trouble.tries) + 1;
            let next_ms = now + pause_ms(FIRST_PAUSE_MS, tries);
            s.state.trouble = Some(Trouble { step, message, tries, next_ms });
        });
    }
}

fn message_of(verdict: &Verdict) -> String {
    let advice = if verdict.advice.is_empty() { String::new() } else { format!(" ({})", verdict.advice) };
    format!("{}{advice}", verdict.headline())
}

impl State {
    /// Takes the names and the rules of the app file over, for a run that continues no other one.
    pub(super) fn take_loaded(&mut self, loaded: &LoadedApp) {
        self.book.environment = Some(loaded.environment.clone());
        self.take_rules(loaded);
    }

    /// Takes the record over that another writer has left: `berth production restore`, or a hand.
    pub(super) fn take_conflict(&mut self, theirs: Recalled, now_ms: u64) {
        if theirs.record.as_ref().is_some_and(|record| self.is_older_than(record)) {
            self.take_newer(theirs, now_ms);
            return;
        }
        let restored = theirs.record.as_ref().and_then(|record| record.restored.clone());
        // The answer to an earlier write was lost: the record is this one already.
        let is_ours = theirs.record.as_ref().is_some_and(|record| *record == self.record);
        if !is_ours && restored.is_none() {
            self.notes.add("the record of the namespace was changed by somebody else; this workflow's own replaces it");
        }
        let deploy_id = theirs.record.as_ref().map_or(0, |record| record.deploy_id);
        self.book.last_deploy_id = self.book.last_deploy_id.max(deploy_id);
        if restored.is_some() {
            self.forget_unwritten(theirs.record.as_ref());
        }
        self.recorded = Some(theirs);
        if let Some(restored) = restored {
            self.record.restored = Some(restored);
            self.take_restored(now_ms);
        }
    }

    /// Whether a record knows releases or rollouts that this state does not, as after a reset to a later event. A restore by
    /// hand raises the deploy id alone.
    fn is_older_than(&self, theirs: &ProductionRecord) -> bool {
        let deploy_id = self.record.deploy_id.max(self.book.last_deploy_id);
        let is_overtaken = theirs.restored.is_none() && theirs.deploy_id > deploy_id;
        theirs.rollout > self.record.rollout.max(self.book.last_number)
            || theirs.release > self.record.release
            || is_overtaken
    }

    /// Begins with a newer record, as a new run does. A release that it does not know is queued behind it.
    fn take_newer(&mut self, theirs: Recalled, now_ms: u64) {
        let queued = self.record.queued.take();
        self.marks.clear();
        self.planned = None;
        self.failed = None;
        self.recall(theirs);
        self.take_restored(now_ms);
        self.notes.add("the record of the namespace is newer than this workflow, as after a reset: it counts");
        if let Some(QueuedRelease { release, sequence, .. }) = queued {
            self.release_again(release, sequence);
        }
    }

    /// Forgets what was concluded since the last write. A gate that passed may have looked at the restored release.
    fn forget_unwritten(&mut self, theirs: Option<&ProductionRecord>) {
        let Some(theirs) = theirs else { return };
        self.marks.retain(|mark| mark.proven_ms.is_none());
        self.record.live.clone_from(&theirs.live);
        self.record.proven.clone_from(&theirs.proven);
        self.record.served_before.clone_from(&theirs.served_before);
    }

    /// Takes a restore by hand over: its release serves, and nothing begins until a person unfreezes. It has replaced what
    /// was rolling out. What a person has asked for since is still to be done.
    pub(super) fn take_restored(&mut self, now_ms: u64) {
        let Some(Restored { version, by, at_ms }) = self.record.restored.take() else { return };
        self.queue_again();
        let rollback = self.take_rollback_asked().filter(|_| self.rollback_asked_ms > at_ms);
        if self.unfreeze_asked_ms <= at_ms && self.record.frozen.as_ref().is_none_or(|frozen| frozen.since_ms <= at_ms)
        {
            let reason = format!("restored by hand to release {}", number(&version.release));
            self.freeze(Frozen { reason, by: by.as_str().to_owned(), since_ms: now_ms, proved: false });
        }
        if let Some(begun) = self.record.begun.take() {
            self.drop_restored(&begun, &version);
        }
        self.record.recovery = None;
        self.record.rollback = rollback;
        self.set_failed(None);
        self.serve(version);
        self.record.live_rollout = String::new();
        self.record.live_since_ms = at_ms;
        self.show_live();
    }

    /// Takes the rollback by hand that has no rollout yet, also if it has begun.
    fn take_rollback_asked(&mut self) -> Option<RequestedRollback> {
        let is_unstarted = self.record.rollout > self.book.last_number;
        let rollback = self.record.rollback.take();
        let begun = self.record.begun.clone().filter(|_| is_unstarted);
        rollback.or_else(|| match begun? {
            BegunRollout { version, rollback: Some(RollbackCause::ByHand { by, reason, proved }), .. } => {
                self.record.begun = None;
                Some(RequestedRollback { version, by, reason, proved })
            }
            _ => None,
        })
    }

    /// Remembers a release that began in an earlier run and is in no list of rollouts: those who wait for it learn its end.
    fn drop_restored(&mut self, begun: &BegunRollout, restored: &StoredVersion) {
        let release = &begun.version.release;
        let is_listed = self.book.rolling_out.is_some()
            || self.book.rollouts.iter().any(|past| past.release == release.number && !past.rollback);
        if let Some(by) = restored.release.number.filter(|_| begun.rollback.is_none() && !is_listed) {
            self.drop_release(release, DropCause::ReplacedBy(by));
        }
    }
}

#[cfg(test)]
mod tests;
