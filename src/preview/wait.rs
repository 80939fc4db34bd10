//! Waiting for an environment: polls its status, and decides whether the wait is over. The decisions are pure; only
//! [`observe`] and [`until`] send requests.

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

use crate::{exit, progress::Progress};

/// Short enough for a script, long enough for a hundred of them at once.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// The status of the environment at one moment, or nothing if there is none.
pub(super) type Observed = Option<Box<Status>>;

/// Whether a wait goes on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Wait,
    /// The wait is over, with this exit code.
    Done(u8),
}

/// Queries the status of an environment.
///
/// # Errors
/// No worker answers, or the workflow ended in a way that leaves its own status stale.
pub(super) async fn observe(handle: &WorkflowHandle<Client, PreviewEnvironment>, id: &str) -> anyhow::Result<Observed> {
    match handle.query(PreviewEnvironment::status, (), WorkflowQueryOptions::default()).await {
        Ok(status) if status.phase == Phase::Closed => Ok(Some(Box::new(status))),
        Ok(status) => {
            // A terminated workflow still answers, with its last status.
            let described = handle.describe(WorkflowDescribeOptions::default()).await;
            let ended = described.with_context(|| format!("describing {id}"))?.status();
            match ended {
                WorkflowExecutionStatus::Terminated | WorkflowExecutionStatus::TimedOut => Err(anyhow!(
                    "{id} was ended from outside ({ended:?}): berth preview close, or the next push, removes what is left of it"
                )),
                WorkflowExecutionStatus::Failed => {
                    Err(anyhow!("{id} was refused: temporal workflow result --workflow-id {id} says why"))
                }
                _ => Ok(Some(Box::new(status))),
            }
        }
        Err(WorkflowQueryError::NotFound(_)) => Ok(None),
        Err(e) => Err(e).with_context(|| format!("querying {id}; does a worker poll its task queue?")),
    }
}

/// Polls until `decide` ends the wait, or the time is over. Gives the last status and the exit code.
///
/// # Errors
/// The errors of [`observe`].
pub(super) async fn until(
    handle: &WorkflowHandle<Client, PreviewEnvironment>,
    id: &str,
    timeout: Duration,
    mut decide: impl FnMut(&Observed) -> Decision,
) -> anyhow::Result<(Observed, ExitCode)> {
    let end = Instant::now() + timeout;
    let mut progress = Progress::default();
    loop {
        let observed = observe(handle, id).await?;
        if let Decision::Done(code) = decide(&observed) {
            return Ok((observed, ExitCode::from(code)));
        }
        if Instant::now() >= end {
            return Ok((observed, exit::timed_out(timeout)));
        }
        progress.print(observed.as_deref());
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Decides for `redeploy` and `approve`: waits until nothing is in flight.
pub(super) fn at_rest(observed: &Observed) -> Decision {
    match observed {
        None => Decision::Done(exit::CLOSED),
        Some(status) => match status.phase {
            // A release leaves the mailbox a moment before its rollout starts: in between, the phase is `AwaitingPush`.
            Phase::AwaitingPush | Phase::RollingOut | Phase::TearingDown | Phase::TeardownBlocked => Decision::Wait,
            phase => Decision::Done(exit::phase_code(phase)),
        },
    }
}

/// Decides for `wait --for gone`.
pub(super) fn gone(observed: &Observed) -> Decision {
    match observed {
        Some(status) if status.phase != Phase::Closed => Decision::Wait,
        _ => Decision::Done(0),
    }
}

/// Decides for `wait --for live`: the newest push counts.
pub(super) fn live(observed: &Observed) -> Decision {
    match observed {
        None => Decision::Done(exit::CLOSED),
        Some(status) => match status.phase {
            Phase::Live => Decision::Done(0),
            Phase::Failed => Decision::Done(exit::FAILED),
            Phase::Closed | Phase::TearingDown | Phase::TeardownBlocked => Decision::Done(exit::CLOSED),
            _ => Decision::Wait,
        },
    }
}

/// Decides for `wait --for live --commit`. `was_open`: the environment was open before, so a closed one was closed
/// meanwhile, and not before the push.
pub(super) fn live_commit(observed: &Observed, commit: &Commit, was_open: &mut bool) -> Decision {
    let Some(status) = observed else { return Decision::Wait };
    match status.phase {
        Phase::Closed if !*was_open => return Decision::Wait,
        Phase::Closed | Phase::TearingDown | Phase::TeardownBlocked => return Decision::Done(exit::CLOSED),
        _ => *was_open = true,
    }
    let rolling_out = status.rolling_out.as_ref().is_some_and(|rolling_out| rolling_out.release.commit == *commit);
    if rolling_out {
        return Decision::Wait;
    }
    // A release that failed a gate serves all the same, so failure is asked first.
    if status.failed.as_ref().is_some_and(|failed| failed.release.commit == *commit) {
        return Decision::Done(exit::FAILED);
    }
    if status.serving.as_ref().is_some_and(|serving| serving.release.commit == *commit) {
        return Decision::Done(0);
    }
    let past = status.rollouts.iter().rev().find(|rollout| rollout.commit == commit.as_str());
    match past.map(|rollout| rollout.outcome) {
        // The commit was rolled out before, and a newer one serves now.
        Some(DeployOutcome::Live | DeployOutcome::Superseded | DeployOutcome::Failed) => {
            Decision::Done(exit::SUPERSEDED)
        }
        _ => Decision::Wait,
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
        environment::{book::Serving, queue::Current},
        preview_environment::record::Record,
    };

    use super::*;

    fn commit(digit: char) -> Commit {
        Commit::try_from(digit.to_string().repeat(40)).unwrap()
    }

    fn push(digit: char) -> Push {
        let image = Image::try_from(format!("acme/web@sha256:{}", "a".repeat(64))).unwrap();
        Push { commit: commit(digit), image, sequence: None, author: None, branch: None, fork: false, draft: false }
    }

    fn observed(change: impl FnOnce(&mut Record)) -> Observed {
        let mut record = Record::default();
        change(&mut record);
        Some(Box::new(Status::new("web", 1, &record)))
    }

    fn serves(record: &mut Record, digit: char) {
        let Push { commit, image, .. } = push(digit);
        let release = Release { commit, image, author: None, branch: None, number: None };
        record.book.serving = Some(Serving { release, rollout: "r".into(), since_ms: 1, stored_release: None });
    }

    fn failed(record: &mut Record, digit: char) {
        let Push { commit, image, .. } = push(digit);
        let release = Release { commit, image, author: None, branch: None, number: None };
        let verdict = Verdict::new(FailureType::GateFailed, "no");
        record.book.failed = Some(Failed { release, rollout: None, verdict });
    }

    fn superseded(record: &mut Record, digit: char) {
        record.book.remember(PastRollout {
            number: 1,
            commit: commit(digit).to_string(),
            outcome: DeployOutcome::Superseded,
            author: None,
            ms: 1,
            failure: None,
        });
    }

    #[test]
    fn a_wait_for_a_commit_ends_with_its_rollout() {
        let mut was_open = false;
        let mut decide = |observed: &Observed| live_commit(observed, &commit('a'), &mut was_open);
        assert_eq!(decide(&None), Decision::Wait, "the push may come after the wait");
        assert_eq!(decide(&observed(|record| record.closed = true)), Decision::Wait, "closed before the push");
        assert_eq!(decide(&observed(|_| {})), Decision::Wait);
        assert_eq!(decide(&observed(|record| serves(record, 'b'))), Decision::Wait, "the older one still serves");
        assert_eq!(decide(&observed(|record| serves(record, 'a'))), Decision::Done(0));
        let gate_failed = observed(|record| {
            serves(record, 'a');
            failed(record, 'a');
        });
        assert_eq!(
            decide(&gate_failed),
            Decision::Done(exit::FAILED),
            "a release that failed a gate serves all the same"
        );
        assert_eq!(decide(&observed(|record| superseded(record, 'a'))), Decision::Done(exit::SUPERSEDED));
        assert_eq!(decide(&observed(|record| record.closed = true)), Decision::Done(exit::CLOSED));
    }

    #[test]
    fn a_closed_or_missing_environment_is_gone() {
        assert_eq!(gone(&None), Decision::Done(0));
        assert_eq!(gone(&observed(|record| record.closed = true)), Decision::Done(0));
        assert_eq!(gone(&observed(|record| record.tearing_down = true)), Decision::Wait);
    }

    #[test]
    fn a_wait_without_commit_follows_the_newest_push() {
        assert_eq!(live(&None), Decision::Done(exit::CLOSED));
        assert_eq!(live(&observed(|record| serves(record, 'a'))), Decision::Done(0));
        let next = observed(|record| {
            serves(record, 'a');
            record.mailbox.push(&push('b'), Current::default());
        });
        assert_eq!((live(&next), at_rest(&next)), (Decision::Wait, Decision::Wait));
    }
}
