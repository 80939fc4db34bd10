//! Waiting for a preview: its status, and the decisions whether the wait is over. The decisions are pure; only [`observe`] and
//! [`until`] send requests.

use std::{ops::Deref, time::Duration};

use anyhow::{Context, anyhow};
use berth_workflows::{
    contract::{phase::Phase, release::Commit, signals::DeployOutcome, status::Status},
    preview_environment::PreviewEnvironment,
};
use temporalio_client::{
    Client, WorkflowDescribeOptions, WorkflowExecutionStatus, WorkflowHandle, WorkflowQueryOptions,
    errors::WorkflowQueryError,
};

use super::standing::{Standing, known, standing};
use crate::{
    envelope::snake_case,
    exit::Exit,
    poll::{self, Decision, Unobserved, Waited},
    progress::Progress,
    seen::{AsJson, Seen},
    short_commit::ambiguous,
};

/// The status as the workflow answers it, even if it was ended from outside.
pub(super) async fn status(
    handle: &WorkflowHandle<Client, PreviewEnvironment>,
) -> Result<Seen<Status>, WorkflowQueryError> {
    let query = AsJson(PreviewEnvironment::status);
    let json = handle.query(query, (), WorkflowQueryOptions::default()).await?;
    Seen::read(json).map_err(|error| WorkflowQueryError::Other(error.into()))
}

/// Queries the status of an environment. None: there is no such environment.
pub(crate) async fn observe(
    handle: &WorkflowHandle<Client, PreviewEnvironment>,
    id: &str,
) -> Result<Option<Seen<Status>>, Unobserved> {
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
) -> anyhow::Result<Option<Seen<Status>>> {
    observe(handle, id).await.map_err(Unobserved::into_error)
}

/// Asks until there is an answer, at most for this time.
///
/// # Errors
/// The status cannot be had.
pub(super) async fn answered(
    handle: &WorkflowHandle<Client, PreviewEnvironment>,
    id: &str,
    within: Duration,
) -> Result<Option<Seen<Status>>, Unobserved> {
    poll::answered(within, || observe(handle, id)).await
}

/// Polls until `decide` ends the wait, or the time is over.
///
/// # Errors
/// The status cannot be had, now or later.
pub(super) async fn until(
    handle: &WorkflowHandle<Client, PreviewEnvironment>,
    id: &str,
    timeout: Duration,
    mut decide: impl FnMut(Option<&Status>) -> Decision,
) -> anyhow::Result<Waited<Seen<Status>>> {
    let decide = |seen: Option<&Seen<Status>>| decide(seen.map(Deref::deref));
    poll::until(timeout, Progress::shown(), || observe(handle, id), line, decide).await
}

/// The line of progress for a status.
pub(crate) fn line(status: Option<&Seen<Status>>) -> String {
    let Some(status) = status else { return "no environment yet".to_owned() };
    match &status.rolling_out {
        Some(rolling_out) => {
            let commit = rolling_out.release.commit.short();
            let line = format!("{}: {commit} waits for {}", status.phase_name(), rolling_out.waiting_for);
            match &rolling_out.not_observed {
                Some(why) => format!("{line}; not observed: {why}"),
                None => line,
            }
        }
        None => match &status.waits_for {
            Some(waits_for) => format!("{}: waits for {waits_for}", status.phase_name()),
            None => status.phase_name().to_owned(),
        },
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

/// Decides for `redeploy`: waits until nothing is in flight.
pub(super) fn at_rest(status: Option<&Status>) -> Decision {
    let Some(status) = status else { return absent() };
    match status.phase {
        Phase::AwaitingPush | Phase::RollingOut | Phase::TearingDown | Phase::TeardownBlocked | Phase::Unknown => {
            Decision::Wait
        }
        // A fork's commit that waits for approval changes nothing about the release that was rolled out again.
        Phase::AwaitingApproval if status.failed.is_some() => at_phase(Phase::Failed),
        Phase::AwaitingApproval if status.serving.is_some() => at_phase(Phase::Live),
        phase => at_phase(phase),
    }
}

/// Decides for `approve`: waits for the commit, whatever else is pushed meanwhile.
pub(super) fn approved(status: Option<&Status>, commit: &Commit) -> Decision {
    let Some(status) = status else { return absent() };
    let still_waits = status.awaiting_approval.as_ref().is_some_and(|waiting| waiting.commit == *commit);
    if still_waits {
        return Decision::because("awaiting_approval", Exit::Waiting, "the approval was not taken: the notes say why");
    }
    taken_commit(Some(status), commit)
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
            Phase::Closed if status.failed.is_some() => at_phase(Phase::Failed),
            Phase::Closed | Phase::TearingDown | Phase::TeardownBlocked => closed(),
            _ => Decision::Wait,
        },
    }
}

/// Decides for `wait --for live --commit`. `was_open`: the environment was open before, so a closed one was closed
/// meanwhile, and not before the push.
pub(crate) fn live_commit(status: Option<&Status>, commit: &Commit, was_open: &mut bool) -> Decision {
    let Some(status) = status else { return Decision::Wait };
    if let Some(ambiguous) = ambiguous(known(status), commit) {
        return ambiguous;
    }
    let is_ending = matches!(status.phase, Phase::Closed | Phase::TearingDown | Phase::TeardownBlocked);
    let was_open = std::mem::replace(was_open, *was_open || status.phase != Phase::Closed);
    match standing(status, commit) {
        // During a teardown it waits for a new environment.
        Standing::ToCome => Decision::Wait,
        Standing::Ended(outcome, reason) => ended(outcome, reason, is_ending),
        Standing::Unknown if status.phase == Phase::Closed && !was_open => Decision::Wait,
        // A teardown forgets what has failed. So nothing was made: there is no such app.
        Standing::Failed if status.phase == Phase::Closed => Decision::done("failed", Exit::Failed),
        _ if is_ending => closed(),
        Standing::Failed => Decision::done("failed", Exit::Failed),
        Standing::Live => Decision::done("live", Exit::Done),
        Standing::Unknown => Decision::Wait,
    }
}

/// Decides about a commit that neither serves nor is to come.
fn ended(outcome: DeployOutcome, reason: Option<String>, is_ending: bool) -> Decision {
    let because = |reason: Option<String>, otherwise: &str| reason.unwrap_or_else(|| otherwise.to_owned());
    match outcome {
        DeployOutcome::Superseded => {
            Decision::because("superseded", Exit::Superseded, because(reason, "a newer push has taken its place"))
        }
        DeployOutcome::Skipped => {
            Decision::because("skipped", Exit::Skipped, because(reason, "it is older than what was seen"))
        }
        DeployOutcome::Closed => {
            Decision::because("closed", Exit::Absent, because(reason, "the environment was closed before it was live"))
        }
        DeployOutcome::Live | DeployOutcome::Failed | DeployOutcome::RolledBack if is_ending => closed(),
        DeployOutcome::Live | DeployOutcome::RolledBack => {
            Decision::because("superseded", Exit::Superseded, "it was live, and a newer push has taken its place")
        }
        DeployOutcome::Failed => {
            Decision::because("superseded", Exit::Superseded, "it failed, and a newer push has taken its place")
        }
        DeployOutcome::AwaitingApproval | DeployOutcome::Queued => Decision::Wait,
        DeployOutcome::Unknown => {
            Decision::because("unknown", Exit::Waiting, "it ended in a way that only a newer version of berth knows")
        }
    }
}

/// Decides as [`live_commit`] for a commit whose push the environment has taken. One that it no longer knows has been overtaken
/// before it began.
pub(crate) fn taken_commit(status: Option<&Status>, commit: &Commit) -> Decision {
    let decision = live_commit(status, commit, &mut true);
    match status {
        Some(status) if decision == Decision::Wait && standing(status, commit) == Standing::Unknown => {
            Decision::because("superseded", Exit::Superseded, "a newer push has taken its place")
        }
        _ => decision,
    }
}

#[cfg(test)]
mod tests;
