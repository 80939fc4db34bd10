//! Outcomes of the last commits that were pushed, also of those that never began. Pure.

use serde::{Deserialize, Serialize};

use crate::{
    bounded,
    contract::{
        phase::RecentPush,
        release::Commit,
        signals::{DeployAnswer, DeployOutcome},
        verdict::truncate,
    },
};

/// How many commits are kept: those of a busy day, in less than three kilobytes of carried state.
const KEPT: usize = 16;
/// The longest reason that is kept.
const MAX_REASON_BYTES: usize = 120;

/// The last commits that have an outcome, oldest first. Each is there once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Recent(Vec<RecentPush>);

impl Recent {
    /// Whether there is nothing to carry.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The entries, oldest first.
    pub fn to_vec(&self) -> Vec<RecentPush> {
        self.0.clone()
    }

    /// Records the answer to a push. A commit that still waits has no outcome yet.
    pub fn record(&mut self, answer: &DeployAnswer) {
        self.forget(&answer.commit);
        if matches!(answer.outcome, DeployOutcome::AwaitingApproval | DeployOutcome::Queued) {
            return;
        }
        let mut reason = answer.reason.clone();
        if let Some(reason) = &mut reason {
            truncate(reason, MAX_REASON_BYTES);
        }
        bounded::push(&mut self.0, RecentPush { commit: answer.commit.clone(), outcome: answer.outcome, reason }, KEPT);
    }

    /// Forgets the outcome of a commit that is to be rolled out once more.
    pub fn forget(&mut self, commit: &Commit) {
        self.0.retain(|known| known.commit != *commit);
    }

    /// Drops the oldest entry. Returns whether there was one.
    pub fn drop_oldest(&mut self) -> bool {
        bounded::drop_oldest(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(commit: &str, outcome: DeployOutcome) -> DeployAnswer {
        DeployAnswer::new(outcome, Commit::try_from(commit.to_owned()).unwrap()).because("x".repeat(500))
    }

    #[test]
    fn commit_has_its_newest_outcome_once() {
        let mut recent = Recent::default();
        recent.record(&answer("aaaaaaa", DeployOutcome::Superseded));
        recent.record(&answer("bbbbbbb", DeployOutcome::Skipped));
        recent.record(&answer("aaaaaaa", DeployOutcome::Live));
        let shown: Vec<_> = recent.to_vec().into_iter().map(|push| (push.commit.to_string(), push.outcome)).collect();
        assert_eq!(
            shown,
            [("bbbbbbb".to_owned(), DeployOutcome::Skipped), ("aaaaaaa".to_owned(), DeployOutcome::Live)]
        );
        assert_eq!(recent.to_vec()[0].reason.as_ref().unwrap().len(), MAX_REASON_BYTES);
    }

    #[test]
    fn commit_that_waits_has_no_outcome() {
        let mut recent = Recent::default();
        for waiting in [DeployOutcome::AwaitingApproval, DeployOutcome::Queued] {
            recent.record(&answer("aaaaaaa", DeployOutcome::Superseded));
            recent.record(&answer("aaaaaaa", waiting));
            assert!(recent.is_empty());
        }
    }

    #[test]
    fn list_is_bounded_and_can_be_dropped() {
        let mut recent = Recent::default();
        for number in 0..100 {
            recent.record(&answer(&format!("{number:07}"), DeployOutcome::Live));
        }
        assert_eq!((recent.to_vec().len(), recent.to_vec()[0].commit.as_str()), (KEPT, "0000084"));
        while recent.drop_oldest() {}
        assert!(recent.is_empty());
    }
}
