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
pub(crate) async fn observe(
    handle: &WorkflowHandle<Client, PreviewEnvironment>,
    id: &str,
) -> Result<Option<Status>, Unobserved> {
    match status(handle).await {
        Ok(status) if status.phase == Phase::Closed => Ok(Some(status)),
        Ok(status) => check_alive(handle, id).await.map(|()| Some(status)),
        Err(WorkflowQueryError::NotFound(_)) => Ok(None),
        Err(error) => Err(Unobserved::from_query(error, format!("querying {id}; does a worker poll its task queue?"))),
    }
}

/// Checks that the workflow has not been ended from outside: it would still answer, with its last status.
async fn check_alive(handle: &WorkflowHandle<Client, PreviewEnvironment>, id: &str) -> Result<(), Unobserved> {
    let described = handle.describe(WorkflowDescribeOptions::default()).await;
    let ended = described.with_context(|| format!("describing {id}")).map_err(Unobserved::Passing)?.status();
    match ended {
        WorkflowExecutionStatus::Terminated | WorkflowExecutionStatus::TimedOut => Err(Unobserved::Final(anyhow!(
            "{id} was ended from outside ({ended:?}): berth preview close, or the next push, removes what is left of it"
        ))),
        WorkflowExecutionStatus::Failed => {
            Err(Unobserved::Final(anyhow!("{id} was refused: temporal workflow result --workflow-id {id} says why")))
        }
        _ => Ok(()),
    }
}

/// Asks once.
///
/// # Errors
/// The status cannot be had.
pub(crate) async fn once(
    handle: &WorkflowHandle<Client, PreviewEnvironment>,
    id: &str,
) -> anyhow::Result<Option<Status>> {
    observe(handle, id).await.map_err(Unobserved::into_error)
}

/// Polls until `decide` ends the wait, or the time is over.
///
/// # Errors
/// The status cannot be had, now or later.
pub(super) async fn until(
    handle: &WorkflowHandle<Client, PreviewEnvironment>,
    id: &str,
    timeout: Duration,
    decide: impl FnMut(Option<&Status>) -> Decision,
) -> anyhow::Result<Waited<Status>> {
    poll::until(timeout, Progress::shown(), || observe(handle, id), line, decide).await
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
    // A commit may be pushed again, so what is to come is asked before how it ended before.
    if is_to_come(status, commit) {
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

/// Decides as [`live_commit`] for a commit whose push the environment has taken. One that it no longer knows has been overtaken
/// before it began.
pub(crate) fn taken_commit(status: Option<&Status>, commit: &Commit) -> Decision {
    let decision = live_commit(status, commit, &mut true);
    match status {
        Some(status) if decision == Decision::Wait && !is_to_come(status, commit) => {
            Decision::because("superseded", Exit::Superseded, "a newer push has taken its place")
        }
        _ => decision,
    }
}

/// Whether the commit is being rolled out, or waits for that.
fn is_to_come(status: &Status, commit: &Commit) -> bool {
    let rolling_out = status.rolling_out.as_ref().map(|rolling_out| &rolling_out.release);
    let waiting = [rolling_out, status.queued.as_ref(), status.awaiting_approval.as_ref(), status.held.as_ref()];
    waiting.into_iter().flatten().any(|release| release.commit == *commit)
}

#[cfg(test)]
mod tests;
