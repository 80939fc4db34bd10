//! Waiting for a preview: its status, and the decisions whether the wait is over. The decisions are pure; only [`observe`] and
//! [`until`] send requests.

use std::time::Duration;

use anyhow::{Context, anyhow};
use berth_workflows::{
    contract::{phase::Phase, release::Commit, signals::DeployOutcome, status::Status},
    preview_environment::PreviewEnvironment,
};
use temporalio_client::{
    Client, WorkflowDescribeOptions, WorkflowExecutionStatus, WorkflowHandle, WorkflowQueryOptions,
    errors::WorkflowQueryError,
};

use crate::{
    envelope::snake_case,
    exit::Exit,
    poll::{self, Decision, Unobserved, Waited},
    progress::Progress,
};

/// The status as the workflow answers it, even if it was ended from outside.
pub(super) async fn status(handle: &WorkflowHandle<Client, PreviewEnvironment>) -> Result<Status, WorkflowQueryError> {
    handle.query(PreviewEnvironment::status, (), WorkflowQueryOptions::default()).await
}

/// Queries the status of an environment. None: there is no such environment.
///
/// # Errors
/// No worker answers, or the workflow ended in a way that leaves its own status stale.
pub(crate) async fn observe(
    handle: &WorkflowHandle<Client, PreviewEnvironment>,
    id: &str,
) -> anyhow::Result<Option<Status>> {
    match status(handle).await {
        Ok(status) if status.phase == Phase::Closed => Ok(Some(status)),
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
                _ => Ok(Some(status)),
            }
        }
        Err(WorkflowQueryError::NotFound(_)) => Ok(None),
        Err(e) => Err(e).with_context(|| format!("querying {id}; does a worker poll its task queue?")),
    }
}

/// Polls until `decide` ends the wait, or the time is over.
///
/// # Errors
/// The errors of [`observe`].
pub(super) async fn until(
    handle: &WorkflowHandle<Client, PreviewEnvironment>,
    id: &str,
    timeout: Duration,
    decide: impl FnMut(Option<&Status>) -> Decision,
) -> anyhow::Result<Waited<Status>> {
    let observe = || async { observe(handle, id).await.map_err(Unobserved::Final) };
    poll::until(timeout, Progress::shown(), observe, line, decide).await
}

/// The line of progress for a status.
pub(crate) fn line(status: Option<&Status>) -> String {
    let Some(status) = status else { return "no environment yet".to_owned() };
    match &status.rolling_out {
        Some(rolling_out) => {
            let commit = rolling_out.release.commit.short();
            let line = format!("{}: {commit} waits for {}", status.phase.name(), rolling_out.waiting_for);
            match &rolling_out.not_observed {
                Some(why) => format!("{line}; not observed: {why}"),
                None => line,
            }
        }
        None => status.phase.name().to_owned(),
    }
}

fn absent() -> Decision {
    Decision::done("not_found", Exit::Absent)
}

fn closed() -> Decision {
    Decision::done("closed", Exit::Absent)
}

fn at_phase(phase: Phase) -> Decision {
    Decision::done(snake_case(phase.name()), phase.into())
}

/// Decides for `redeploy` and `approve`: waits until nothing is in flight.
pub(super) fn at_rest(status: Option<&Status>) -> Decision {
    match status {
        None => absent(),
        Some(status) => match status.phase {
            // A release leaves the mailbox a moment before its rollout starts: in between, the phase is `AwaitingPush`.
            Phase::AwaitingPush | Phase::RollingOut | Phase::TearingDown | Phase::TeardownBlocked | Phase::Unknown => {
                Decision::Wait
            }
            phase => at_phase(phase),
        },
    }
}

/// Decides for `wait --for gone`.
pub(crate) fn gone(status: Option<&Status>) -> Decision {
    match status {
        Some(status) if status.phase != Phase::Closed => Decision::Wait,
        _ => Decision::done("gone", Exit::Done),
    }
}

/// Decides for `wait --for live`: the newest push counts.
pub(crate) fn live(status: Option<&Status>) -> Decision {
    match status {
        None => absent(),
        Some(status) => match status.phase {
            Phase::Live | Phase::Failed => at_phase(status.phase),
            Phase::Closed | Phase::TearingDown | Phase::TeardownBlocked => closed(),
            _ => Decision::Wait,
        },
    }
}

/// Decides for `wait --for live --commit`. `was_open`: the environment was open before, so a closed one was closed
/// meanwhile, and not before the push.
pub(crate) fn live_commit(status: Option<&Status>, commit: &Commit, was_open: &mut bool) -> Decision {
    let Some(status) = status else { return Decision::Wait };
    match status.phase {
        Phase::Closed if !*was_open => return Decision::Wait,
        Phase::Closed | Phase::TearingDown | Phase::TeardownBlocked => return closed(),
        _ => *was_open = true,
    }
    let rolling_out = status.rolling_out.as_ref().is_some_and(|rolling_out| rolling_out.release.commit == *commit);
    if rolling_out {
        return Decision::Wait;
    }
    // A release that failed a gate serves all the same, so failure is asked first.
    if status.failed.as_ref().is_some_and(|failed| failed.release.commit == *commit) {
        return Decision::done("failed", Exit::Failed);
    }
    if status.serving.as_ref().is_some_and(|serving| serving.release.commit == *commit) {
        return Decision::done("live", Exit::Done);
    }
    let past = status.rollouts.iter().rev().find(|rollout| rollout.commit == commit.as_str());
    match past.map(|rollout| rollout.outcome) {
        // The commit was rolled out before, and a newer one serves now.
        Some(DeployOutcome::Live | DeployOutcome::Superseded | DeployOutcome::Failed) => {
            Decision::done("superseded", Exit::Superseded)
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
        environment::{
            arrival::Arrival,
            book::Serving,
            queue::{Current, QueuedRelease},
        },
        preview_environment::record::Record,
    };

    use super::*;

    fn commit(digit: char) -> Commit {
        Commit::try_from(digit.to_string().repeat(40)).unwrap()
    }

    fn push(digit: char) -> Push {
        let image = Image::try_from(format!("acme/web@sha256:{}", "a".repeat(64))).unwrap();
        Push {
            commit: commit(digit),
            image,
            sequence: None,
            author: None,
            branch: None,
            fork: false,
            draft: false,
            proof: None,
        }
    }

    fn observed(change: impl FnOnce(&mut Record)) -> Option<Status> {
        let mut record = Record::default();
        change(&mut record);
        Some(Status::new("web", 1, &record))
    }

    fn serves(record: &mut Record, digit: char) {
        let Push { commit, image, .. } = push(digit);
        let release = Release { commit, image, author: None, branch: None, number: None, proved: false };
        record.book.serving = Some(Serving { release, rollout: "r".into(), since_ms: 1, stored_release: None });
    }

    #[test]
    fn line_says_why_nothing_can_be_seen_of_a_release() {
        let mut status = observed(|record| {
            let Push { commit, image, .. } = push('a');
            let release = Release { commit, image, author: None, branch: None, number: None, proved: false };
            record.book.expect("preview-web-1", &QueuedRelease { ticket: 1, release }, 1);
        });
        assert_eq!(line(status.as_ref()), "RollingOut: aaaaaaa waits for the app file to be read");
        status.as_mut().unwrap().rolling_out.as_mut().unwrap().not_observed = Some("no answer".into());
        assert_eq!(
            line(status.as_ref()),
            "RollingOut: aaaaaaa waits for the app file to be read; not observed: no answer"
        );
    }

    fn failed(record: &mut Record, digit: char) {
        let Push { commit, image, .. } = push(digit);
        let release = Release { commit, image, author: None, branch: None, number: None, proved: false };
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
            release: None,
            rollback: false,
        });
    }

    #[test]
    fn a_wait_for_a_commit_ends_with_its_rollout() {
        let mut was_open = false;
        let mut decide = |observed: &Option<Status>| live_commit(observed.as_ref(), &commit('a'), &mut was_open);
        assert_eq!(decide(&None), Decision::Wait, "the push may come after the wait");
        assert_eq!(decide(&observed(|record| record.closed = true)), Decision::Wait, "closed before the push");
        assert_eq!(decide(&observed(|_| {})), Decision::Wait);
        assert_eq!(decide(&observed(|record| serves(record, 'b'))), Decision::Wait, "the older one still serves");
        assert_eq!(decide(&observed(|record| serves(record, 'a'))), Decision::done("live", Exit::Done));
        let gate_failed = observed(|record| {
            serves(record, 'a');
            failed(record, 'a');
        });
        assert_eq!(
            decide(&gate_failed),
            Decision::done("failed", Exit::Failed),
            "a release that failed a gate serves all the same"
        );
        assert_eq!(decide(&observed(|record| superseded(record, 'a'))), Decision::done("superseded", Exit::Superseded));
        assert_eq!(decide(&observed(|record| record.closed = true)), closed());
    }

    #[test]
    fn a_closed_or_missing_environment_is_gone() {
        let done = Decision::done("gone", Exit::Done);
        assert_eq!(gone(None), done);
        assert_eq!(gone(observed(|record| record.closed = true).as_ref()), done);
        assert_eq!(gone(observed(|record| record.tearing_down = true).as_ref()), Decision::Wait);
    }

    #[test]
    fn a_wait_without_commit_follows_the_newest_push() {
        assert_eq!(live(None), absent());
        assert_eq!(live(observed(|record| serves(record, 'a')).as_ref()), Decision::done("live", Exit::Done));
        let next = observed(|record| {
            serves(record, 'a');
            record.mailbox.push(&push('b'), Arrival::signal(1), Current::default());
        });
        assert_eq!((live(next.as_ref()), at_rest(next.as_ref())), (Decision::Wait, Decision::Wait));
    }
}
