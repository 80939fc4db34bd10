//! Decisions whether a wait for production is over. Pure.

use berth_workflows::contract::{
    phase::{PastRollout, Phase},
    production_record::RollbackCause,
    production_status::{DropCause, DroppedRelease, ProductionStatus, QueuedStatus},
    release::{Commit, Release},
    signals::DeployOutcome,
};

use crate::{exit::Exit, poll::Decision, short_commit::ambiguous};

/// The release that is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// The newest at any time.
    Newest,
    Release(u64),
    /// A commit, or its first digits. It may not have been released yet.
    Commit(Commit),
}

/// Whether the wait goes on while a release waits for a person: its approval, or the end of a freeze.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum People {
    AreWaitedFor,
    EndTheWait,
}

/// Decides whether the wait for a release is over.
pub(crate) fn release(status: Option<&ProductionStatus>, target: &Target, people: People) -> Decision {
    let Some(status) = status else {
        return match target {
            Target::Commit(_) => Decision::Wait,
            Target::Newest | Target::Release(_) => Decision::done("not_found", Exit::Absent),
        };
    };
    if let Target::Commit(commit) = target
        && let Some(ambiguous) = ambiguous(known(status).map(|(full, _)| full), commit)
    {
        return ambiguous;
    }
    let Some(number) = number_of(status, target) else { return unnumbered(status, target) };
    if let Some(queued) = status.queued.as_ref().filter(|queued| is(&queued.release, number)) {
        return decide_queued(status, queued, people);
    }
    if status.failed.as_ref().is_some_and(|failed| is(&failed.release, number)) {
        return decide_failed(status, number);
    }
    // Between two steps the rollout that comes next is not known yet.
    if status.rolling_out.is_some() || is_beginning(status) {
        let rolling_out = status.rolling_out.as_ref();
        let concerns = rolling_out.is_none_or(|it| it.rollback.is_some() || is(&it.rollout.release, number));
        if concerns {
            return Decision::Wait;
        }
    }
    if status.serving.as_ref().is_some_and(|serving| is(&serving.release, number)) {
        return Decision::done("live", Exit::Done);
    }
    if let Some(decision) = decide_past(status, number) {
        return decision;
    }
    match status.dropped.iter().rev().find(|dropped| dropped.release == Some(number)) {
        Some(dropped) => decide_dropped(dropped),
        None if newest(status) > Some(number) => {
            Decision::because("superseded", Exit::Superseded, "newer releases have taken its place")
        }
        None => Decision::Wait,
    }
}

/// Decides whether a rollback by hand is over. `since` is the number of the newest rollout before it.
pub(super) fn rollback(status: Option<&ProductionStatus>, to: u64, since: u64) -> Decision {
    let Some(status) = status else { return Decision::Wait };
    let ended =
        status.rollouts.iter().rev().find(|past| past.number > since && past.rollback && past.release == Some(to));
    match ended.map(|past| past.outcome) {
        Some(DeployOutcome::Live) => return Decision::done("live", Exit::Done),
        Some(DeployOutcome::RolledBack | DeployOutcome::Superseded) => {
            return Decision::because("superseded", Exit::Superseded, "another rollback has taken its place");
        }
        _ => {}
    }
    let is_failing =
        status.recovery.as_ref().is_some_and(|recovery| recovery.to.number == Some(to) && recovery.tries > 0);
    if is_failing { rollback_failed() } else { Decision::Wait }
}

/// The number of the newest rollout that the status knows.
pub(super) fn newest_rollout(status: &ProductionStatus) -> u64 {
    let of_id = |rollout: &str| rollout.rsplit('-').next().and_then(|number| number.parse().ok());
    let in_flight = status.rolling_out.as_ref().and_then(|rolling_out| of_id(&rolling_out.rollout.rollout));
    status.rollouts.iter().map(|past| past.number).chain(in_flight).max().unwrap_or_default()
}

fn decide_queued(status: &ProductionStatus, queued: &QueuedStatus, people: People) -> Decision {
    match (people, &status.frozen) {
        (People::AreWaitedFor, _) => Decision::Wait,
        (People::EndTheWait, Some(frozen)) => {
            let next = format!("berth production unfreeze {} lets it go on", status.app);
            Decision::because("frozen", Exit::Waiting, format!("frozen by {}: {}; {next}", frozen.by, frozen.reason))
        }
        (People::EndTheWait, None) if needs_approval(status) => {
            Decision::because("awaiting_approval", Exit::Waiting, approval_needed(&status.app, queued))
        }
        (People::EndTheWait, None) => Decision::Wait,
    }
}

/// Whether the release that is next waits for its approval.
pub(super) fn needs_approval(status: &ProductionStatus) -> bool {
    status.phase == Phase::AwaitingApproval
}

/// A release that waits for its approval, and what a person does about it.
pub(super) fn approval_needed(app: &str, queued: &QueuedStatus) -> String {
    let number = queued.release.number.unwrap_or_default();
    let plan = queued.plan.as_ref().map_or("", |plan| plan.id.as_str());
    format!(
        "release {number} waits for approval of plan {plan}; berth production plan {app} shows it, and berth production \
         approve {app} --release {number} --plan {plan} approves it"
    )
}

fn decide_failed(status: &ProductionStatus, number: u64) -> Decision {
    if let Some(recovery) = status.recovery.as_ref().filter(|recovery| recovery.failed == number) {
        return if recovery.tries > 0 { rollback_failed() } else { Decision::Wait };
    }
    let cause = status.rolling_out.as_ref().and_then(|rolling_out| rolling_out.rollback.as_ref());
    if cause == Some(&RollbackCause::Failed { release: number }) {
        return Decision::Wait;
    }
    // A run that continues no other one knows no rollouts of before, but the release that failed.
    let past = status.rollouts.iter().rposition(|past| past.release == Some(number) && !past.rollback);
    let is_rolled_back = past.is_some_and(|past| rolled_back_after(status, past, number).is_some());
    failed(is_rolled_back || status.phase == Phase::RolledBack)
}

fn decide_past(status: &ProductionStatus, number: u64) -> Option<Decision> {
    let at = status.rollouts.iter().rposition(|past| past.release == Some(number))?;
    let rolled_back = rolled_back_after(status, at, number);
    Some(match status.rollouts[at].outcome {
        DeployOutcome::Live => match (rolled_back, status.serving.as_ref()) {
            (Some(to), _) => Decision::because(
                "rolled_back",
                Exit::Failed,
                format!("it was live, and was rolled back to release {to}"),
            ),
            (None, Some(serving)) => {
                let by = serving.release.number.unwrap_or_default();
                Decision::because("live", Exit::Done, format!("it was live, and release {by} serves by now"))
            }
            (None, None) => Decision::done("live", Exit::Done),
        },
        DeployOutcome::Failed | DeployOutcome::Closed => failed(rolled_back.is_some()),
        DeployOutcome::RolledBack => {
            Decision::because("rolled_back", Exit::Failed, "a person rolled production back while it was rolled out")
        }
        DeployOutcome::Superseded | DeployOutcome::Skipped => Decision::done("superseded", Exit::Superseded),
        DeployOutcome::AwaitingApproval | DeployOutcome::Queued | DeployOutcome::Unknown => return None,
    })
}

/// The release that a later rollback made serve, below this one.
fn rolled_back_after(status: &ProductionStatus, at: usize, number: u64) -> Option<u64> {
    let later = status.rollouts[at + 1..].iter().filter(|past| past.rollback && past.outcome == DeployOutcome::Live);
    later.filter_map(|past: &PastRollout| past.release).find(|to| *to <= number)
}

fn failed(is_rolled_back: bool) -> Decision {
    Decision::done(if is_rolled_back { "rolled_back" } else { "failed" }, Exit::Failed)
}

fn rollback_failed() -> Decision {
    let why =
        "the rollback failed and is tried again; a newer release or berth production rollback --to takes its place";
    Decision::because("rollback_failed", Exit::Failed, why)
}

fn decide_dropped(dropped: &DroppedRelease) -> Decision {
    let superseded = |why: String| Decision::because("superseded", Exit::Superseded, why);
    match &dropped.cause {
        DropCause::ReplacedBy(by) => superseded(format!("release {by} has replaced it")),
        DropCause::OlderThan(seen) => superseded(format!("sequence {seen}, which is higher, had been seen")),
        DropCause::Rejected { by, reason, .. } => {
            let reason = reason.as_ref().map_or("no reason given", |reason| reason.as_str());
            Decision::because("rejected", Exit::Failed, format!("rejected by {}: {reason}", by.as_str()))
        }
    }
}

/// A commit that has no number: it came after a newer release, or has not come yet.
fn unnumbered(status: &ProductionStatus, target: &Target) -> Decision {
    let Target::Commit(commit) = target else { return Decision::Wait };
    let dropped = status.dropped.iter().rev().find(|dropped| commit.matches(dropped.commit.as_str()));
    dropped.map_or(Decision::Wait, decide_dropped)
}

fn is_beginning(status: &ProductionStatus) -> bool {
    matches!(status.phase, Phase::RollingOut | Phase::RollingBack | Phase::NotObserved)
}

fn is(release: &Release, number: u64) -> bool {
    release.number == Some(number)
}

/// The number of the release that is waited for, if the status knows it.
pub(crate) fn number_of(status: &ProductionStatus, target: &Target) -> Option<u64> {
    match target {
        Target::Release(number) => Some(*number),
        Target::Newest => newest(status),
        Target::Commit(commit) => {
            let same = known(status).filter(|(full, _)| commit.matches(full));
            same.filter_map(|(_, number)| number).max()
        }
    }
}

fn newest(status: &ProductionStatus) -> Option<u64> {
    known(status).filter_map(|(_, number)| number).max()
}

/// Commit and number of every release that the status names.
pub(super) fn known(status: &ProductionStatus) -> impl Iterator<Item = (&str, Option<u64>)> {
    let releases = (status.queued.as_ref().map(|queued| &queued.release).into_iter())
        .chain(status.rolling_out.as_ref().map(|rolling_out| &rolling_out.rollout.release))
        .chain(status.failed.as_ref().map(|failed| &failed.release))
        .chain(status.serving.as_ref().map(|serving| &serving.release));
    let past = status.rollouts.iter().map(|past| (past.commit.as_str(), past.release));
    let dropped = status.dropped.iter().map(|dropped| (dropped.commit.as_str(), dropped.release));
    releases.map(|release| (release.commit.as_str(), release.number)).chain(past).chain(dropped)
}

#[cfg(test)]
pub(super) mod tests;
