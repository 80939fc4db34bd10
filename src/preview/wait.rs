//! Waiting for an environment, whoever asked for it: one look after the other, and what each look means. The decisions are
//! pure; only [`look`] and [`until`] ask.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow};
use berth_workflows::{
    contract::{phase::Phase, release::Commit, signals::DeployOutcome, status::Status},
    preview_environment::PreviewEnvironment,
};
use temporalio_client::{
    Client, WorkflowDescribeOptions, WorkflowExecutionStatus, WorkflowHandle, WorkflowQueryOptions,
    errors::WorkflowQueryError,
};

use super::progress::Said;
use crate::exit;

/// Often enough for a script, seldom enough for a hundred of them at once.
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);

/// What there is at one moment: nothing, or an environment with its status.
pub(super) type Seen = Option<Box<Status>>;

/// What a look means for who waits.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Wait,
    /// It is as it is: the exit code says how.
    Done(u8),
}

/// One look at an environment.
///
/// # Errors
/// Nobody answers, or the workflow ended in a way that leaves its own answer stale.
pub(super) async fn look(handle: &WorkflowHandle<Client, PreviewEnvironment>, id: &str) -> anyhow::Result<Seen> {
    match handle.query(PreviewEnvironment::status, (), WorkflowQueryOptions::default()).await {
        Ok(status) if status.phase == Phase::Closed => Ok(Some(Box::new(status))),
        Ok(status) => {
            // A workflow that was ended from outside still answers, as it was then.
            let described = handle.describe(WorkflowDescribeOptions::default()).await;
            let ended = described.with_context(|| format!("looking at {id}"))?.status();
            match ended {
                WorkflowExecutionStatus::Terminated | WorkflowExecutionStatus::TimedOut => Err(anyhow!(
                    "{id} was ended from outside ({ended:?}): berth preview close, or the next push, removes what it left"
                )),
                WorkflowExecutionStatus::Failed => {
                    Err(anyhow!("{id} was refused: temporal workflow result --workflow-id {id} says why"))
                }
                _ => Ok(Some(Box::new(status))),
            }
        }
        Err(WorkflowQueryError::NotFound(_)) => Ok(None),
        Err(e) => Err(e).with_context(|| format!("asking {id}; does a worker take work from its task queue?")),
    }
}

/// Looks until a look means that the wait is over, or the time is. Gives the last look and the exit code.
///
/// # Errors
/// Those of [`look`].
pub(super) async fn until(
    handle: &WorkflowHandle<Client, PreviewEnvironment>,
    id: &str,
    timeout: Duration,
    mut means: impl FnMut(&Seen) -> Step,
) -> anyhow::Result<(Seen, ExitCode)> {
    let end = Instant::now() + timeout;
    let mut said = Said::default();
    loop {
        let seen = look(handle, id).await?;
        if let Step::Done(code) = means(&seen) {
            return Ok((seen, ExitCode::from(code)));
        }
        if Instant::now() >= end {
            return Ok((seen, exit::gave_up(timeout)));
        }
        said.status(seen.as_deref());
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

/// For `redeploy` and `approve`: until nothing is in flight any more.
pub(super) fn at_rest(seen: &Seen) -> Step {
    match seen {
        None => Step::Done(exit::CLOSED),
        Some(status) => match status.phase {
            // What was asked for is taken out of the mailbox a moment before it is a rollout: then nothing seems pushed yet.
            Phase::AwaitingPush | Phase::RollingOut | Phase::TearingDown | Phase::TeardownBlocked => Step::Wait,
            phase => Step::Done(exit::phase_code(phase)),
        },
    }
}

/// For `wait --for gone`.
pub(super) fn gone(seen: &Seen) -> Step {
    match seen {
        Some(status) if status.phase != Phase::Closed => Step::Wait,
        _ => Step::Done(0),
    }
}

/// For `wait --for live`, the newest push.
pub(super) fn live(seen: &Seen) -> Step {
    match seen {
        None => Step::Done(exit::CLOSED),
        Some(status) => match status.phase {
            Phase::Live => Step::Done(0),
            Phase::Failed => Step::Done(exit::FAILED),
            Phase::Closed | Phase::TearingDown | Phase::TeardownBlocked => Step::Done(exit::CLOSED),
            Phase::AwaitingPush | Phase::AwaitingApproval | Phase::RollingOut => Step::Wait,
        },
    }
}

/// For `wait --for live --commit`. `was_there`: an earlier look has seen it open, so a closed one is not of an earlier life.
pub(super) fn live_commit(seen: &Seen, commit: &Commit, was_there: &mut bool) -> Step {
    let Some(status) = seen else { return Step::Wait };
    match status.phase {
        Phase::Closed if !*was_there => return Step::Wait,
        Phase::Closed | Phase::TearingDown | Phase::TeardownBlocked => return Step::Done(exit::CLOSED),
        _ => *was_there = true,
    }
    let rolling_out = status.rolling_out.as_ref().is_some_and(|rolling_out| rolling_out.release.commit == *commit);
    if rolling_out {
        return Step::Wait;
    }
    // First: a release that a gate has failed serves all the same.
    if status.failed.as_ref().is_some_and(|failed| failed.release.commit == *commit) {
        return Step::Done(exit::FAILED);
    }
    if status.serving.as_ref().is_some_and(|serving| serving.release.commit == *commit) {
        return Step::Done(0);
    }
    let past = status.rollouts.iter().rev().find(|rollout| rollout.commit == commit.as_str());
    match past.map(|rollout| rollout.outcome) {
        // It was, and something newer is now.
        Some(DeployOutcome::Live | DeployOutcome::Superseded | DeployOutcome::Failed) => Step::Done(exit::SUPERSEDED),
        _ => Step::Wait,
    }
}

#[cfg(test)]
mod tests {
    use berth_workflows::{
        contract::{
            phase::{Failed, PastRollout},
            release::{Image, Release},
            signals::Push,
            verdict::{FailureType, Verdict},
        },
        mailbox::Current,
        record::{Record, Serving},
    };

    use super::*;

    fn commit(digit: char) -> Commit {
        Commit::try_from(digit.to_string().repeat(40)).unwrap()
    }

    fn push(digit: char) -> Push {
        let image = Image::try_from(format!("acme/web@sha256:{}", "a".repeat(64))).unwrap();
        Push { commit: commit(digit), image, sequence: None, author: None, branch: None, fork: false, draft: false }
    }

    fn seen(change: impl FnOnce(&mut Record)) -> Seen {
        let mut record = Record::default();
        change(&mut record);
        Some(Box::new(Status::new("web", 1, &record)))
    }

    fn serves(record: &mut Record, digit: char) {
        let Push { commit, image, .. } = push(digit);
        let release = Release { commit, image, author: None, branch: None };
        record.serving = Some(Serving { release, rollout: "r".into(), since_ms: 1, stored_release: None });
    }

    fn failed(record: &mut Record, digit: char) {
        let Push { commit, image, .. } = push(digit);
        let release = Release { commit, image, author: None, branch: None };
        let verdict = Verdict::new(FailureType::GateFailed, "no");
        record.failed = Some(Failed { release, rollout: None, verdict });
    }

    fn superseded(record: &mut Record, digit: char) {
        record.remember(PastRollout {
            number: 1,
            commit: commit(digit).to_string(),
            outcome: DeployOutcome::Superseded,
            author: None,
            ms: 1,
            failure: None,
        });
    }

    #[test]
    fn a_commit_is_waited_for_until_it_serves_has_failed_or_was_superseded() {
        let mut was_there = false;
        let mut means = |seen: &Seen| live_commit(seen, &commit('a'), &mut was_there);
        assert_eq!(means(&None), Step::Wait, "CI may be slower than who waits");
        assert_eq!(means(&seen(|record| record.closed = true)), Step::Wait, "of an earlier life");
        assert_eq!(means(&seen(|_| {})), Step::Wait);
        assert_eq!(means(&seen(|record| serves(record, 'b'))), Step::Wait, "the older one still serves");
        assert_eq!(means(&seen(|record| serves(record, 'a'))), Step::Done(0));
        let gate_failed = seen(|record| {
            serves(record, 'a');
            failed(record, 'a');
        });
        assert_eq!(means(&gate_failed), Step::Done(exit::FAILED), "what a gate has failed serves all the same");
        assert_eq!(means(&seen(|record| superseded(record, 'a'))), Step::Done(exit::SUPERSEDED));
        assert_eq!(means(&seen(|record| record.closed = true)), Step::Done(exit::CLOSED));
    }

    #[test]
    fn gone_is_closed_or_never_there() {
        assert_eq!(gone(&None), Step::Done(0));
        assert_eq!(gone(&seen(|record| record.closed = true)), Step::Done(0));
        assert_eq!(gone(&seen(|record| record.tearing_down = true)), Step::Wait);
    }

    #[test]
    fn without_a_commit_the_newest_push_decides() {
        assert_eq!(live(&None), Step::Done(exit::CLOSED));
        assert_eq!(live(&seen(|record| serves(record, 'a'))), Step::Done(0));
        let next = seen(|record| {
            serves(record, 'a');
            record.mailbox.push(&push('b'), Current::default());
        });
        assert_eq!((live(&next), at_rest(&next)), (Step::Wait, Step::Wait));
    }
}
