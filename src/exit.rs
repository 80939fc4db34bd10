//! What the exit code says: CI decides by it.

use std::{io::Write, process::ExitCode};

use berth_workflows::{mailbox::DeployOutcome, record::Phase};

/// Shown under `berth --help`.
pub(crate) const HELP: &str = "\
Exit codes:
  0   live, or done
  1   the release failed: the verdict says why
  2   the command line is wrong
  3   superseded by a newer push
  4   closed, or there is no such environment
  5   waits for something: a rollout, an approval, a place in line
  6   skipped: a draft, or older than a push already seen
  10  berth could not do it: Temporal or the worker did not answer";

/// berth itself could not do what was asked.
const COULD_NOT: u8 = 10;

/// The exit code of a push.
pub(crate) fn of_outcome(outcome: DeployOutcome) -> ExitCode {
    ExitCode::from(match outcome {
        DeployOutcome::Live => 0,
        DeployOutcome::Failed => 1,
        DeployOutcome::Superseded => 3,
        DeployOutcome::Closed => 4,
        DeployOutcome::AwaitingApproval | DeployOutcome::Queued => 5,
        DeployOutcome::Skipped => 6,
    })
}

/// The exit code of a status.
pub(crate) fn of_phase(phase: Phase) -> ExitCode {
    ExitCode::from(match phase {
        Phase::Live => 0,
        Phase::Failed | Phase::TeardownBlocked => 1,
        Phase::Closed => 4,
        Phase::AwaitingPush | Phase::AwaitingApproval | Phase::RollingOut | Phase::TearingDown => 5,
    })
}

/// Says on standard error what went wrong, with every cause.
pub(crate) fn failed(error: &anyhow::Error) -> ExitCode {
    // Nobody is left to tell if standard error is closed.
    let _ = writeln!(std::io::stderr(), "berth: {error:#}");
    ExitCode::from(COULD_NOT)
}
