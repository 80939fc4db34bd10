//! The inbox of production: what each message changes, and the answer to it. Pure.
//!
//! A message that comes here with a proof is proved: one that does not hold was taken off.

use self::keys::{key_of_freeze, key_of_release, key_of_rollback};
use super::state::{State, Step};
use crate::{
    bounded,
    contract::{
        production::{Freeze, Rollback, Unfreeze},
        production_answer::{ProductionAnswer, ProductionOutcome},
        production_record::{BegunRollout, Frozen, QueuedRelease, RequestedRollback, StoredVersion},
        production_status::DropCause,
        release::{Name, Release},
        signals::Push,
    },
};

/// How many releases, rollbacks and freezes are remembered, to recognise one that a reset delivers again.
const KEPT_RECENT: usize = 50;

/// When a message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receipt {
    /// Before the record was read: with the start of the run, or delivered again by a reset.
    Early,
    Usual,
}

impl State {
    /// Takes a release in. The newest sequence is next; what is rolling out goes on.
    pub fn release(&mut self, push: &Push, receipt: Receipt) -> ProductionAnswer {
        if push.fork || push.draft {
            return ProductionAnswer::refused(
                "a release comes from the app's own main branch, never from a fork or a draft",
            );
        }
        let release = Release { proved: push.proof.is_some(), ..push.release() };
        let seen = self.record.sequence.filter(|seen| push.sequence.is_some_and(|sequence| sequence < *seen));
        let is_repeated = receipt == Receipt::Early && self.is_known(&release, push.sequence);
        if let Some(answer) = self.joined(&release, push.sequence, seen.is_some() || is_repeated) {
            return answer;
        }
        if let Some(seen) = seen {
            self.drop_release(&release, DropCause::OlderThan(seen));
            return superseded(&release, push.sequence.unwrap_or_default(), seen);
        }
        if is_repeated {
            return repeated("a release");
        }
        self.remember(key_of_release(&release));
        self.put(release, push.sequence)
    }

    /// Whether a release was taken in before. A sequence above all that were seen is new, also with an old commit.
    fn is_known(&self, release: &Release, sequence: Option<u64>) -> bool {
        let is_new = sequence.is_some_and(|sequence| self.record.sequence.is_none_or(|seen| sequence > seen));
        !is_new && self.record.recent.contains(&key_of_release(release))
    }

    /// The answer to a release of a version that is queued, rolling out or live already. Unless it is older than one already
    /// seen, it is the newest one now: a queued one of another version is dropped.
    fn joined(&mut self, release: &Release, sequence: Option<u64>, is_older: bool) -> Option<ProductionAnswer> {
        let same = |other: &&Release| other.is_same_version(release);
        let queued = self.record.queued.as_ref().map(|queued| &queued.release).filter(same).cloned();
        if let Some(release) = queued {
            self.record.sequence = self.record.sequence.max(sequence);
            return Some(self.queued_answer(&release));
        }
        let (found, outcome) = match (&self.record.begun, &self.record.live) {
            (Some(begun), _) if begun.rollback.is_none() && self.record.recovery.is_none() => {
                (&begun.version.release, ProductionOutcome::RollingOut)
            }
            (None, Some(live)) => (&live.release, ProductionOutcome::Live),
            _ => return None,
        };
        let found = Some(found).filter(same).cloned()?;
        if !is_older {
            self.record.sequence = self.record.sequence.max(sequence);
            if let Some(old) = self.record.queued.take() {
                self.replace(&old, &found);
                self.planned = None;
            }
        }
        Some(ProductionAnswer::new(outcome).about(&found))
    }

    fn put(&mut self, mut release: Release, sequence: Option<u64>) -> ProductionAnswer {
        self.record.release += 1;
        release.number = Some(self.record.release);
        self.record.sequence = self.record.sequence.max(sequence);
        self.enqueue(QueuedRelease { release: release.clone(), sequence, deploy_id: 0, approval: None });
        self.queued_answer(&release)
    }

    fn enqueue(&mut self, queued: QueuedRelease) {
        self.planned = None;
        self.forget_trouble(Step::Plan);
        let release = queued.release.clone();
        if let Some(old) = self.record.queued.replace(queued) {
            self.replace(&old, &release);
        }
    }

    fn queued_answer(&self, release: &Release) -> ProductionAnswer {
        let plan = self.plan_in_force();
        let waits = plan.is_some_and(|plan| plan.needs_approval && !plan.is_stale);
        let outcome = if waits { ProductionOutcome::AwaitingApproval } else { ProductionOutcome::Queued };
        let mut answer = ProductionAnswer::new(outcome).about(release);
        answer.plan = plan.map(|plan| plan.planned.plan.id.clone());
        match (&self.record.frozen, &self.record.begun) {
            (Some(frozen), _) => answer.because(format!("frozen by {}: {}", frozen.by, frozen.reason)),
            (None, Some(begun)) => answer.because(format!("after release {}", number(&begun.version.release))),
            (None, None) => answer,
        }
    }

    /// Takes a rollback in, once its target is known. It stops what is rolling out, and freezes what is queued.
    pub fn request_rollback(&mut self, rollback: &Rollback, version: StoredVersion, now_ms: u64) -> ProductionAnswer {
        let release = version.release.clone();
        let proved = rollback.proof.is_some();
        if !rollback.keep_going {
            let reason = match &rollback.reason {
                Some(reason) => format!("rolled back to release {}: {}", number(&release), reason.as_str()),
                None => format!("rolled back to release {}", number(&release)),
            };
            self.freeze(Frozen { reason, by: rollback.by.as_str().to_owned(), since_ms: now_ms, proved });
        }
        self.rollback_asked_ms = now_ms;
        self.remember(key_of_rollback(rollback));
        let Rollback { by, reason, .. } = rollback.clone();
        self.record.rollback = Some(RequestedRollback { version, by, reason, proved });
        ProductionAnswer::new(ProductionOutcome::RollingBack).about(&release)
    }

    /// The refusal of a rollback that was taken in before, if this is one that a reset delivers again.
    pub fn refuse_repeated(&self, rollback: &Rollback, receipt: Receipt) -> Option<ProductionAnswer> {
        let is_repeated = receipt == Receipt::Early && self.record.recent.contains(&key_of_rollback(rollback));
        is_repeated.then(|| repeated("a rollback"))
    }

    /// Takes a freeze in. What is rolling out ends as usual.
    pub fn take_freeze(&mut self, freeze: &Freeze, receipt: Receipt, now_ms: u64) -> ProductionAnswer {
        let key = key_of_freeze(freeze);
        if receipt == Receipt::Early && self.record.recent.contains(&key) {
            return repeated("a freeze");
        }
        self.remember(key);
        let (reason, by) = (freeze.reason.as_str().to_owned(), freeze.by.as_str().to_owned());
        self.freeze(Frozen { reason, by, since_ms: now_ms, proved: freeze.proof.is_some() });
        ProductionAnswer::new(ProductionOutcome::Frozen)
    }

    /// Freezes the queue.
    pub fn freeze(&mut self, frozen: Frozen) {
        // Nothing is planned while it is frozen, and the next plan is tried at once.
        self.forget_trouble(Step::Plan);
        self.record.frozen = Some(frozen);
    }

    /// Takes an unfreeze in. The newest queued release goes on, planned anew.
    pub fn unfreeze(&mut self, unfreeze: &Unfreeze, receipt: Receipt, now_ms: u64) -> ProductionAnswer {
        let Some(frozen) = self.record.frozen.clone() else {
            self.unfreeze_asked_ms = now_ms;
            return ProductionAnswer::new(ProductionOutcome::Unfrozen).because("nothing was frozen");
        };
        // A reset delivers an old one again, after the freeze that counts.
        if receipt == Receipt::Early {
            return repeated("an unfreeze");
        }
        self.unfreeze_asked_ms = now_ms;
        self.record.frozen = None;
        self.planned = None;
        let was = format!("it was frozen by {}: {}", frozen.by, frozen.reason);
        self.notes.add(format!("unfrozen by {}", sender(&unfreeze.by, unfreeze.proof.is_some())));
        ProductionAnswer::new(ProductionOutcome::Unfrozen).because(was)
    }

    /// Takes a redeploy in: the release that serves is queued again, with today's secrets and manifests.
    pub fn redeploy(&mut self, receipt: Receipt) -> ProductionAnswer {
        if receipt == Receipt::Early && self.record.release > 0 {
            return repeated("a redeploy");
        }
        if let Some(queued) = &self.record.queued {
            return ProductionAnswer::refused("it is next anyway").about(&queued.release);
        }
        if let Some(begun) = &self.record.begun {
            return ProductionAnswer::refused("it is being rolled out").about(&begun.version.release);
        }
        let Some(live) = &self.record.live else {
            return ProductionAnswer::refused("nothing has been released yet");
        };
        let release = live.release.clone();
        self.enqueue(QueuedRelease { release: release.clone(), sequence: None, deploy_id: 0, approval: None });
        self.queued_answer(&release)
    }

    /// Takes in again what this state has queued and a newer record may not know.
    pub(super) fn release_again(&mut self, release: Release, sequence: Option<u64>) {
        let is_older = sequence.is_some_and(|sequence| self.record.sequence.is_some_and(|seen| sequence < seen));
        if !is_older && !self.is_known(&release, sequence) {
            self.remember(key_of_release(&release));
            self.put(release, sequence);
        }
    }

    /// Puts a release that has begun and has no rollout back into the queue, unless a newer one is there.
    pub(super) fn queue_again(&mut self) {
        let is_unstarted = self.record.rollout > self.book.last_number;
        let begun = self.record.begun.take_if(|begun| is_unstarted && begun.rollback.is_none());
        let Some(BegunRollout { version, .. }) = begun else { return };
        self.marks.retain(|mark| mark.stored_release != version.stored_release);
        let again = QueuedRelease { release: version.release, sequence: None, deploy_id: 0, approval: None };
        match self.record.queued.clone() {
            Some(newer) => self.replace(&again, &newer.release),
            None => self.record.queued = Some(again),
        }
    }

    fn remember(&mut self, key: String) {
        bounded::push(&mut self.record.recent, key, KEPT_RECENT);
    }
}

fn superseded(release: &Release, sequence: u64, seen: u64) -> ProductionAnswer {
    ProductionAnswer::new(ProductionOutcome::Superseded)
        .because(format!(
            "sequence {sequence} is older than {seen}, already seen; to go back to an earlier release: berth production \
             rollback --to N"
        ))
        .about(release)
}

fn repeated(what: &str) -> ProductionAnswer {
    ProductionAnswer::refused(format!(
        "{what} that was taken in before came again at the start of the workflow, as after a reset; if it is meant, send \
         it again"
    ))
}

/// The sender of a message, for a note.
fn sender(by: &Name, proved: bool) -> String {
    let proved = if proved { " (proved)" } else { "" };
    format!("{}{proved}", by.as_str())
}

/// The number of a release, as text.
pub(super) fn number(release: &Release) -> String {
    release.number.map_or_else(|| "?".to_owned(), |number| number.to_string())
}

mod approvals;
mod keys;
#[cfg(test)]
mod tests;
