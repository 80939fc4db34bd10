//! The state of production: the record that the cluster keeps, and what only this workflow needs.

use serde::{Deserialize, Serialize};

use crate::{
    bounded,
    contract::{
        load_app::GithubRules,
        phase::Phase,
        plan::PlannedRelease,
        production_record::{
            Approval, FailedRelease, ProductionRecord, QueuedRelease, Recalled, ReleaseMark, StoredVersion,
        },
        production_status::{DropCause, DroppedRelease},
        release::Release,
        timings::AppTimings,
    },
    environment::{
        book::{Book, Serving},
        notes::Notes,
    },
    report::Reports,
};

/// How many releases that never began are remembered, for a late approval and for those who wait for one.
const KEPT_DROPPED: usize = 20;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// The rollouts: the one in flight, the past ones, the one that failed, the release that serves.
    pub book: Book,
    /// The record as it is to be.
    pub record: ProductionRecord,
    /// The record as it was last read or written. None: this run and those before it have not read it.
    pub recorded: Option<Recalled>,
    /// Whether objects of what has begun may be in the namespace. A failure before says nothing about what serves.
    pub is_touched: bool,
    /// Facts to note on stored releases with the next write of the record.
    pub marks: Vec<ReleaseMark>,
    /// The newest release, if it failed, with its whole verdict.
    pub failed: Option<FailedRelease>,
    /// The plan of the queued release.
    pub planned: Option<Planned>,
    /// How many proven releases the app file keeps, as last read.
    pub keep_releases: Option<usize>,
    /// The time limits of the app file, as last read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_timings: Option<AppTimings>,
    /// The cause of the current step's wait, if it is tried again.
    pub trouble: Option<Trouble>,
    /// Whether a rollback by hand waits for its target: no release begins meanwhile.
    #[serde(skip)]
    pub awaits_rollback: bool,
    /// Unix time in milliseconds of the newest rollback by hand, and of the newest unfreeze.
    pub rollback_asked_ms: u64,
    pub unfreeze_asked_ms: u64,
    /// The last releases that never began.
    pub dropped: Vec<DroppedRelease>,
    pub notes: Notes,
    /// The app file's rules for GitHub, as last read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub github: Option<GithubRules>,
    /// The reports on GitHub so far.
    #[serde(skip_serializing_if = "Reports::is_empty")]
    pub reports: Reports,
}

/// A plan, and the rules of the app file by which it was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// The number of the release.
    pub release: u64,
    pub planned: PlannedRelease,
    /// The stored release that served when it was planned.
    pub serving: Option<String>,
    pub needs_approval: bool,
    /// Whether only a proved approval counts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub needs_proof: bool,
    /// Whether it has to be made again: an approval has come since.
    #[serde(default)]
    pub is_stale: bool,
}

impl Planned {
    /// Whether an approval is for this plan, and proved if it has to be.
    pub(super) fn accepts(&self, approval: &Approval) -> bool {
        approval.plan == self.planned.plan.id && (approval.proved || !self.needs_proof)
    }

    /// The reason why an approval is not for this plan.
    pub(super) fn why_not(&self, approval: &Approval) -> String {
        let id = &self.planned.plan.id;
        if approval.plan == *id {
            return "it is a claim, and the app file asks for proved ones now".to_owned();
        }
        format!("its plan was {} and is {id} now", approval.plan)
    }
}

/// A step that may not succeed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    Recall,
    Record,
    #[default]
    Plan,
}

/// A step that did not succeed and is tried again. No other step waits for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    #[serde(default)]
    pub step: Step,
    pub message: String,
    pub tries: u32,
    /// Unix time in milliseconds of the next try.
    pub next_ms: u64,
}

impl State {
    /// The state for the next run of the workflow: the same, with short texts.
    pub fn to_carry(&self) -> Self {
        let mut carried = self.clone();
        carried.book.shorten();
        carried.failed = carried.failed.as_ref().map(FailedRelease::short);
        carried
    }

    /// Whether the record of the namespace is known.
    pub fn is_recalled(&self) -> bool {
        self.recorded.is_some()
    }

    /// Whether the namespace has the record as it is to be.
    pub fn is_recorded(&self) -> bool {
        let recorded = self.recorded.as_ref().and_then(|recorded| recorded.record.as_ref());
        self.marks.is_empty()
            && recorded.map_or_else(|| self.record == ProductionRecord::default(), |recorded| *recorded == self.record)
    }

    /// Makes the record be written again. The write finds what somebody else has written meanwhile.
    pub fn doubt_record(&mut self) {
        if let Some(recorded) = &mut self.recorded {
            recorded.record = None;
        }
    }

    /// The time before which a step is not tried again, as Unix milliseconds.
    pub(super) fn paused_until(&self, step: Step) -> Option<u64> {
        self.trouble.as_ref().filter(|trouble| trouble.step == step).map(|trouble| trouble.next_ms)
    }

    /// Forgets the trouble of a step: it has succeeded, or is not wanted any more.
    pub(super) fn forget_trouble(&mut self, step: Step) {
        self.trouble.take_if(|trouble| trouble.step == step);
    }

    /// Begins with the record of the namespace, as another run has left it.
    pub fn recall(&mut self, recalled: Recalled) {
        self.record = recalled.record.clone().unwrap_or_default();
        self.recorded = Some(recalled);
        self.is_touched = self.record.begun.is_some();
        self.failed.clone_from(&self.record.failed);
        self.book.failed = self.failed.as_ref().map(|failed| failed.failed.clone());
        self.show_live();
        self.book.last_number = self.book.last_number.max(self.record.rollout);
        self.book.last_deploy_id = self.book.last_deploy_id.max(self.record.deploy_id);
    }

    /// Remembers how the newest release failed, in the namespace as well, where its texts are shorter.
    pub(super) fn set_failed(&mut self, failed: Option<FailedRelease>) {
        self.record.failed = failed.as_ref().map(FailedRelease::short);
        self.failed = failed;
    }

    /// Shows the release of the record as the one that serves.
    pub(super) fn show_live(&mut self) {
        self.book.serving = self.record.live.as_ref().map(|live| Serving {
            secrets: None,
            release: live.release.clone(),
            rollout: self.record.live_rollout.clone(),
            since_ms: self.record.live_since_ms,
            stored_release: Some(live.stored_release.clone()),
        });
    }

    /// The plan of the queued release, unless something else serves since it was made.
    pub fn plan_in_force(&self) -> Option<&Planned> {
        let queued = self.record.queued.as_ref()?.release.number;
        let live = self.record.live.as_ref().map(|live| &live.stored_release);
        self.planned.as_ref().filter(|planned| Some(planned.release) == queued && planned.serving.as_ref() == live)
    }

    /// Remembers that a queued release does not begin, because a newer one is in its place.
    pub(super) fn replace(&mut self, old: &QueuedRelease, by: &Release) {
        // A redeploy has the number of the release that serves already.
        if let Some(by) = by.number.filter(|_| old.release.number != by.number) {
            self.drop_release(&old.release, DropCause::ReplacedBy(by));
        }
    }

    /// Remembers that a release does not begin.
    pub(super) fn drop_release(&mut self, release: &Release, cause: DropCause) {
        bounded::push(
            &mut self.dropped,
            DroppedRelease { release: release.number, commit: release.commit.clone(), cause },
            KEPT_DROPPED,
        );
    }

    /// The number of the release that has replaced this one, if one has.
    pub(super) fn replaced_by(&self, release: u64) -> Option<u64> {
        let dropped = self.dropped.iter().rev().find(|dropped| dropped.release == Some(release))?;
        if let DropCause::ReplacedBy(by) = dropped.cause { Some(by) } else { None }
    }

    /// The newest release that was asked for, however it went.
    pub fn newest_release(&self) -> Option<&Release> {
        let record = &self.record;
        (record.queued.as_ref().map(|queued| &queued.release))
            .or_else(|| record.begun.as_ref().map(|begun| &begun.version.release))
            .or_else(|| self.failed.as_ref().map(|failed| &failed.failed.release))
            .or_else(|| record.live.as_ref().map(|live: &StoredVersion| &live.release))
    }

    /// The phase follows from the rest: there is no second place to keep in step.
    pub fn phase(&self) -> Phase {
        let record = &self.record;
        let is_rollback = record.begun.as_ref().is_some_and(|begun| begun.rollback.is_some());
        if let Some(rolling_out) = &self.book.rolling_out {
            return match rolling_out.not_observed {
                Some(_) => Phase::NotObserved,
                None if is_rollback => Phase::RollingBack,
                None => Phase::RollingOut,
            };
        }
        match &record.recovery {
            Some(recovery) if recovery.tries > 0 => return Phase::RollbackFailed,
            Some(_) => return Phase::RollingBack,
            None => {}
        }
        if record.rollback.is_some() {
            Phase::RollingBack
        } else if record.begun.is_some() {
            Phase::RollingOut
        } else if record.frozen.is_some() {
            Phase::Frozen
        } else if record.queued.is_some() {
            let waits = self.plan_in_force().is_some_and(|planned| planned.needs_approval && !planned.is_stale);
            if waits { Phase::AwaitingApproval } else { Phase::Planning }
        } else if let Some(failed) = &self.failed {
            if failed.is_rolled_back { Phase::RolledBack } else { Phase::Failed }
        } else if record.live.is_some() {
            Phase::Live
        } else {
            Phase::AwaitingRelease
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{
        exact,
        phase::Failed,
        release::{Commit, Image},
        verdict::{FailureType, Verdict},
    };

    #[test]
    fn carried_state_reads_whole_in_the_same_version() {
        let release = Release {
            number: Some(7),
            ..Release::new(
                Commit::try_from("4f2a9c1".to_owned()).unwrap(),
                Image::try_from(format!("acme/web@sha256:{}", "a".repeat(64))).unwrap(),
            )
        };
        let verdict = Verdict::new(FailureType::GateFailed, "404");
        let failed = Failed { release, rollout: None, verdict };
        let mut state = State { is_touched: true, ..State::default() };
        state.failed = Some(FailedRelease { failed: failed.clone(), is_rolled_back: true });
        state.book.failed = Some(failed);
        state.book.last_number = 9;
        state.recorded = Some(Recalled::default());
        let carried = serde_json::to_value(state.to_carry()).unwrap();
        assert_eq!(exact::decode::<State>(carried), Ok(state));
    }
}
