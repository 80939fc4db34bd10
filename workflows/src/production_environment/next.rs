//! The next step of production: a function of its state and the time. Pure.

use super::state::{State, Step};
use crate::{
    contract::{
        phase::Failed,
        production_record::{
            Approval, BegunRollout, Deed, FailedRelease, QueuedRelease as Queued, Recovery, ReleaseMark, RollbackCause,
            StoredVersion,
        },
        release::Name,
        rollout_input::DEPLOY_ID_EPOCH_SECONDS,
        stop_reason::StopReason,
        verdict::Verdict,
    },
    environment::{book::RolloutEnd, queue::QueuedRelease},
};

/// The first pause before a failed rollback is tried again.
const FIRST_PAUSE_MS: u64 = 10_000;
/// The longest pause before any step is tried again.
const LONGEST_PAUSE_MS: u64 = 300_000;

/// A step of production.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Read the record of the namespace.
    Recall,
    /// Write the record of the namespace.
    Record,
    /// Plan the queued release.
    Plan(Box<Queued>),
    /// Roll out what has begun.
    RollOut(Box<BegunRollout>),
    /// Wait for a message, or until this Unix time in milliseconds.
    Wait(Option<u64>),
}

impl State {
    /// The next step. What begins is put into the record first, and the record is written before anything else is done.
    pub fn next(&mut self, now_ms: u64) -> Action {
        if !self.is_recalled() {
            return self.wait_out(Step::Recall, now_ms).unwrap_or(Action::Recall);
        }
        self.begin_next(now_ms);
        if !self.is_recorded() {
            return self.wait_out(Step::Record, now_ms).unwrap_or(Action::Record);
        }
        let until = self.record.recovery.as_ref().map(|recovery| recovery.next_ms);
        if let Some(begun) = self.record.begun.as_ref().filter(|_| until.is_none_or(|until| until <= now_ms)) {
            return Action::RollOut(Box::new(begun.clone()));
        }
        match &self.record.queued {
            Some(queued) if self.record.frozen.is_none() && self.needs_plan() => {
                let plan = Action::Plan(Box::new(queued.clone()));
                match (self.wait_out(Step::Plan, now_ms), until) {
                    (Some(Action::Wait(Some(trouble))), Some(until)) => Action::Wait(Some(trouble.min(until))),
                    (Some(wait), _) => wait,
                    (None, _) => plan,
                }
            }
            _ => Action::Wait(until),
        }
    }

    /// The wait before a step that did not succeed is tried again.
    fn wait_out(&self, step: Step, now_ms: u64) -> Option<Action> {
        let until = self.paused_until(step).filter(|until| *until > now_ms)?;
        Some(Action::Wait(Some(until)))
    }

    fn needs_plan(&self) -> bool {
        self.plan_in_force().is_none_or(|planned| planned.is_stale)
    }

    /// Begins what is due: a rollback by hand, an automatic rollback, or the queued release, in this order.
    fn begin_next(&mut self, now_ms: u64) {
        if let Some(rollback) = self.record.rollback.take() {
            self.queue_again();
            self.record.recovery = None;
            let cause = RollbackCause::ByHand { by: rollback.by, reason: rollback.reason, proved: rollback.proved };
            return self.begin(rollback.version, Some(cause), None, now_ms);
        }
        let is_free = match (&self.record.recovery, &self.record.begun) {
            (None, begun) => begun.is_none(),
            // Between two tries a newer release may take the rollback's place.
            (Some(recovery), _) => recovery.tries > 0,
        };
        if is_free && let Some((queued, version)) = self.ready_release() {
            self.record.queued = None;
            self.planned = None;
            self.begin(version, None, queued.approval, now_ms);
            self.record.recovery = None;
            return;
        }
        // The begun release has no rollout yet.
        if self.record.rollout > self.book.last_number {
            return;
        }
        match self.record.recovery.clone() {
            Some(recovery) if recovery.next_ms > now_ms => {}
            Some(recovery) if !self.record.begun.as_ref().is_some_and(|begun| is_try_of(begun, &recovery)) => {
                let cause = RollbackCause::Failed { release: recovery.failed };
                self.begin(recovery.to, Some(cause), None, now_ms);
            }
            _ if self.record.begun.is_some() => self.number_next(now_ms),
            _ => {}
        }
    }

    /// The queued release, if its plan is in force and approved as far as the app file asks for it.
    fn ready_release(&self) -> Option<(Queued, StoredVersion)> {
        let queued = self.record.queued.clone().filter(|_| self.record.frozen.is_none() && !self.awaits_rollback)?;
        let planned = self.plan_in_force().filter(|planned| !planned.is_stale)?;
        let is_approved = queued.approval.as_ref().is_some_and(|approval| planned.accepts(approval));
        if planned.needs_approval && !is_approved {
            return None;
        }
        let version = StoredVersion {
            release: queued.release.clone(),
            stored_release: planned.planned.stored_release.clone(),
            secrets: planned.planned.secrets.clone(),
        };
        Some((queued, version))
    }

    fn begin(
        &mut self,
        version: StoredVersion,
        rollback: Option<RollbackCause>,
        approval: Option<Approval>,
        now_ms: u64,
    ) {
        let is_approval_proved = approval.as_ref().is_some_and(|approval| approval.proved);
        let approved_by = approval.map(|approval| approval.by);
        self.marks.push(mark_of_begin(&version, rollback.as_ref(), approved_by.as_ref(), now_ms));
        // After a rollback that failed nothing is as it should be, even if this release changes nothing.
        self.is_touched = self.record.recovery.is_some();
        self.record.begun = Some(BegunRollout { version, rollback, approved_by, is_approval_proved });
        self.number_next(now_ms);
    }

    /// Records the numbers of the next rollout, as the book will give them.
    fn number_next(&mut self, now_ms: u64) {
        self.record.rollout = self.book.last_number + 1;
        self.record.deploy_id =
            (now_ms / 1000).saturating_sub(DEPLOY_ID_EPOCH_SECONDS).max(self.book.last_deploy_id + 1);
    }

    /// The reason to stop the rollout in flight: only a rollback or a restore by hand is one, or a newer record.
    pub fn stop_reason(&self) -> Option<StopReason> {
        if self.is_flight_overtaken() {
            return Some(StopReason::RolledBack { by: "a newer record of production".to_owned() });
        }
        let by = match (&self.record.rollback, &self.record.frozen) {
            (Some(rollback), _) => rollback.by.as_str(),
            // A restore has taken the place of what had begun.
            (None, Some(frozen)) if self.book.rolling_out.is_some() && self.record.begun.is_none() => &frozen.by,
            _ => return None,
        };
        Some(StopReason::RolledBack { by: by.to_owned() })
    }

    /// Whether a newer record has taken the place of the state in which the rollout in flight began.
    fn is_flight_overtaken(&self) -> bool {
        self.book.rolling_out.as_ref().is_some_and(|rolling_out| rolling_out.number < self.record.rollout)
    }

    /// Records how the rollout in flight ended.
    pub fn conclude(&mut self, end: RolloutEnd, started_ms: u64, now_ms: u64) {
        let Some(rolling_out) = &self.book.rolling_out else {
            // It was never numbered: there is no environment to roll out to.
            self.record.begun = None;
            return;
        };
        let (release, rollout) = (rolling_out.queued.release.clone(), rolling_out.rollout.clone());
        let is_overtaken = self.is_flight_overtaken();
        let begun = self.record.begun.take_if(|_| !is_overtaken);
        let (is_replaced, is_rollback) =
            (begun.is_none(), begun.as_ref().is_some_and(|begun| begun.rollback.is_some()));
        match (&end, begun) {
            (_, None) => {}
            (RolloutEnd::Live(_), Some(begun)) => {
                self.record.live_rollout.clone_from(&rollout);
                self.record.live_since_ms = now_ms;
                self.conclude_live(begun, now_ms);
            }
            (RolloutEnd::Failed(verdict, made), Some(begun)) => {
                self.is_touched |= made.touched || made.serves;
                let verdict = self.complete_verdict(&begun, *verdict.clone());
                let failed = Failed { release: release.clone(), rollout: Some(rollout), verdict };
                self.conclude_failed(begun, failed, now_ms);
            }
            // The next rollout is the one by hand. It begins from whatever there is.
            (RolloutEnd::Stopped(..), begun) => self.record.begun = begun,
        }
        self.book.conclude(QueuedRelease { ticket: 0, release }, end, started_ms, now_ms);
        if is_replaced {
            // A restore by hand has taken its place. The book knows only how the rollout ended.
            self.show_live();
        }
        if let Some(past) = self.book.rollouts.last_mut() {
            past.rollback = is_rollback;
        }
    }

    fn conclude_live(&mut self, begun: BegunRollout, now_ms: u64) {
        let BegunRollout { version, rollback, .. } = begun;
        let stored_release = version.stored_release.clone();
        self.marks.push(ReleaseMark { stored_release, proven_ms: Some(now_ms), ..ReleaseMark::default() });
        self.serve(version.clone());
        self.record.proven = Some(version);
        self.record.recovery = None;
        let failed = self.failed.take().filter(|_| matches!(rollback, Some(RollbackCause::Failed { .. })));
        self.set_failed(failed.map(|failed| FailedRelease { is_rolled_back: true, ..failed }));
    }

    /// Records the release that serves. The one before it is another release: a redeploy has the same number.
    pub(super) fn serve(&mut self, version: StoredVersion) {
        let number = version.release.number;
        let before = self.record.live.replace(version);
        if before.as_ref().is_some_and(|before| before.release.number != number) {
            self.record.served_before = before;
        }
    }

    fn conclude_failed(&mut self, begun: BegunRollout, failed: Failed, now_ms: u64) {
        if begun.rollback.is_some() {
            let before = self.record.recovery.take();
            let tries = before.as_ref().map_or(0, |recovery| recovery.tries) + 1;
            let number = begun.version.release.number.unwrap_or_default();
            self.record.recovery = Some(Recovery {
                failed: before.map_or(number, |recovery| recovery.failed),
                to: begun.version.clone(),
                tries,
                next_ms: now_ms + pause_ms(FIRST_PAUSE_MS, tries),
            });
            self.record.begun = Some(begun);
            return;
        }
        let stored_release = begun.version.stored_release.clone();
        self.marks.push(ReleaseMark { stored_release, failed_ms: Some(now_ms), ..ReleaseMark::default() });
        self.set_failed(Some(FailedRelease { failed, is_rolled_back: false }));
        // Nothing of it was written: what served goes on.
        if !self.is_touched {
            return;
        }
        let number = begun.version.release.number.unwrap_or_default();
        if let Some(to) = self.record.live.clone() {
            self.record.recovery = Some(Recovery { failed: number, to, tries: 0, next_ms: now_ms });
            self.record.begun = Some(begun);
        }
    }

    /// The verdict of a release, with what a person must know beyond it: nothing serves in its place.
    fn complete_verdict(&self, begun: &BegunRollout, verdict: Verdict) -> Verdict {
        if begun.rollback.is_some() || self.record.live.is_some() {
            return verdict;
        }
        let rest = if verdict.advice.is_empty() { String::new() } else { format!("; {}", verdict.advice) };
        verdict.advise(format!("it is not rolled back, since no release before it was live{rest}"))
    }
}

/// The facts to note on a stored release when its rollout begins.
fn mark_of_begin(
    version: &StoredVersion,
    rollback: Option<&RollbackCause>,
    approved_by: Option<&Name>,
    at_ms: u64,
) -> ReleaseMark {
    let deed = |by: &str| Some(Deed { by: by.to_owned(), at_ms });
    let mark = ReleaseMark { stored_release: version.stored_release.clone(), ..ReleaseMark::default() };
    match rollback {
        None => ReleaseMark {
            released: deed(version.release.author.as_ref().map_or("", Name::as_str)),
            approved: approved_by.and_then(|by| deed(by.as_str())),
            ..mark
        },
        Some(RollbackCause::ByHand { by, .. }) => ReleaseMark { rolled_back: deed(by.as_str()), ..mark },
        Some(RollbackCause::Failed { release }) => {
            ReleaseMark { rolled_back: deed(&format!("berth, since release {release} failed")), ..mark }
        }
    }
}

/// Whether what has begun is the rollback that is due.
fn is_try_of(begun: &BegunRollout, recovery: &Recovery) -> bool {
    begun.rollback.is_some() && begun.version == recovery.to
}

/// The pause after so many tries, in milliseconds. It doubles each time, up to the longest.
pub(super) fn pause_ms(first_ms: u64, tries: u32) -> u64 {
    first_ms.saturating_mul(2_u64.saturating_pow(tries.saturating_sub(1))).min(LONGEST_PAUSE_MS)
}

#[cfg(test)]
mod tests;
