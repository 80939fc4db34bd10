//! Exit codes: CI decides by them.

use std::{io::Write, process::ExitCode, time::Duration};

use berth_workflows::contract::{phase::Phase, signals::DeployOutcome};

/// Shown under `berth --help`.
pub(crate) const HELP: &str = "\
Exit codes:
  0   live, or done
  1   the release failed: the verdict says why
  2   the command line is wrong
  3   superseded by a newer push
  4   closed, or there is no such environment
  5   waiting for a rollout, an approval or the end of a teardown; or --timeout is over
  6   skipped: a draft, or a push or close older than a push already seen
  10  an error: Temporal or the worker did not answer, or refused";

/// Shown under `berth preview run --help`.
pub(crate) const RUN_HELP: &str = "\
Exits with the script's own code. If the script has none:
  4    there is no such environment
  10   the script was refused, could not start, or was stopped: the message says which
  130  Ctrl-C: the script goes on, and the message says how to stop it

If your kubeconfig may read the pod's log, the output is shown unchanged while the script runs. If not, its last lines are \
shown at the end, without secret values. With --output json standard output has the answer alone.";

/// The release failed.
pub(crate) const FAILED: u8 = 1;
/// A newer push took its place.
pub(crate) const SUPERSEDED: u8 = 3;
/// The environment is closed, or there is none.
pub(crate) const CLOSED: u8 = 4;
/// The environment waits for something.
const WAITING: u8 = 5;
/// A draft, or older than a push already seen.
pub(crate) const SKIPPED: u8 = 6;
/// berth itself failed, or refused what was asked.
pub(crate) const ERROR: u8 = 10;

/// The exit code of a push.
pub(crate) fn from_outcome(outcome: DeployOutcome) -> ExitCode {
    ExitCode::from(match outcome {
        DeployOutcome::Live => 0,
        DeployOutcome::Failed | DeployOutcome::RolledBack => FAILED,
        DeployOutcome::Superseded => SUPERSEDED,
        DeployOutcome::Closed => CLOSED,
        DeployOutcome::AwaitingApproval | DeployOutcome::Queued => WAITING,
        DeployOutcome::Skipped => SKIPPED,
    })
}

/// The exit code of a script.
pub(crate) fn from_script_code(code: i32) -> ExitCode {
    // A container's exit code is one byte. Any other number is no success.
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}

/// The exit code of a status.
pub(crate) fn from_phase(phase: Phase) -> ExitCode {
    ExitCode::from(phase_code(phase))
}

/// The exit code of a status, as a number.
pub(crate) fn phase_code(phase: Phase) -> u8 {
    match phase {
        Phase::Live => 0,
        Phase::Failed | Phase::TeardownBlocked | Phase::RolledBack | Phase::RollbackFailed => FAILED,
        Phase::Closed => CLOSED,
        Phase::AwaitingPush
        | Phase::AwaitingApproval
        | Phase::RollingOut
        | Phase::TearingDown
        | Phase::AwaitingRelease
        | Phase::Planning
        | Phase::Frozen
        | Phase::RollingBack
        | Phase::NotObserved => WAITING,
    }
}

/// Reports on standard error that the time is over.
pub(crate) fn timed_out(after: Duration) -> ExitCode {
    // A closed standard error changes nothing about the exit code.
    let _ = writeln!(std::io::stderr(), "berth: not done after {after:?} (--timeout); the worker goes on");
    ExitCode::from(WAITING)
}

/// Logs the error that ended the worker, with every cause.
pub(crate) fn worker_error(error: &anyhow::Error) -> ExitCode {
    tracing::error!("The worker ends: {error:#}");
    ExitCode::from(ERROR)
}

/// Writes an error to standard error, with every cause.
pub(crate) fn error(error: &anyhow::Error) -> ExitCode {
    // A closed standard error changes nothing about the exit code.
    let _ = writeln!(std::io::stderr(), "berth: {error:#}");
    ExitCode::from(ERROR)
}
