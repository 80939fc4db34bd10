//! The standing of a commit in an environment: whether it is still to come, and else how it ended. Pure.

use berth_workflows::contract::{
    phase::{PastRollout, RecentPush},
    release::{Commit, Release},
    signals::DeployOutcome,
    status::Status,
};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// The environment does not know the commit.
    Unknown,
    /// It is rolling out, or waits for that.
    ToCome,
    /// It serves.
    Live,
    /// It failed, and no newer commit has been rolled out since.
    Failed,
    /// It ended without that, or before a newer commit. The reason may be known.
    Ended(DeployOutcome, Option<String>),
}

/// Finds the standing of a commit, which may be given by its first digits.
pub(super) fn standing(status: &Status, commit: &Commit) -> Standing {
    let is = |release: &Release| commit.matches(release.commit.as_str());
    // A commit may be pushed again, so what is to come is looked at before how it ended before.
    if waiting(status).any(is) {
        return Standing::ToCome;
    }
    let recent = status.recent.iter().rev().find(|push| commit.matches(push.commit.as_str()));
    if status.held.as_ref().is_some_and(is) {
        // Without an outcome it waits for a moment only, until the app file is read.
        return recent.map_or(Standing::ToCome, ended);
    }
    // A release that failed a gate serves all the same, so failure is looked at first.
    if status.failed.as_ref().is_some_and(|failed| is(&failed.release)) {
        return Standing::Failed;
    }
    if status.serving.as_ref().is_some_and(|serving| is(&serving.release)) {
        return Standing::Live;
    }
    // A worker from before the list of outcomes has the rollouts alone.
    let past = || status.rollouts.iter().rev().find(|rollout| commit.matches(&rollout.commit));
    recent.map(ended).or_else(|| past().map(past_rollout)).unwrap_or(Standing::Unknown)
}

fn ended(push: &RecentPush) -> Standing {
    Standing::Ended(push.outcome, push.reason.clone())
}

fn past_rollout(rollout: &PastRollout) -> Standing {
    Standing::Ended(rollout.outcome, None)
}

/// The releases that are rolling out, or wait for that.
fn waiting(status: &Status) -> impl Iterator<Item = &Release> {
    let rolling_out = status.rolling_out.as_ref().map(|rolling_out| &rolling_out.release);
    [rolling_out, status.queued.as_ref(), status.awaiting_approval.as_ref()].into_iter().flatten()
}

/// Every commit that the status names.
pub(super) fn known(status: &Status) -> impl Iterator<Item = &str> {
    let failed = status.failed.as_ref().map(|failed| &failed.release);
    let serving = status.serving.as_ref().map(|serving| &serving.release);
    let releases = waiting(status).chain(status.held.as_ref()).chain(failed).chain(serving);
    let recent = status.recent.iter().map(|push| push.commit.as_str());
    let past = status.rollouts.iter().map(|rollout| rollout.commit.as_str());
    releases.map(|release| release.commit.as_str()).chain(recent).chain(past)
}
