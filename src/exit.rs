//! What the exit code says: CI decides by it.

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
  5   waits for something: a rollout, an approval, the end of a teardown; or --timeout is over
  6   skipped: a draft, or a push or close older than a push already seen
  10  berth could not do it: Temporal or the worker did not answer";

/// Shown under `berth preview run --help`.
pub(crate) const RUN_HELP: &str = "\
Exits as the script does. Where there is no exit code of its own:
  4    there is no such environment
  10   it was refused, could not start, or was stopped: the words on the terminal say which
  130  Ctrl-C: the script goes on, and how to stop it is said

If your kubeconfig may read the pod's log, its output is shown as it comes, as it is. If not, its last lines are shown at the \
end, with secret values taken out. With --output json standard output has the answer alone.";

/// The release failed.
pub(crate) const FAILED: u8 = 1;
/// A newer push took its place.
pub(crate) const SUPERSEDED: u8 = 3;
/// Closed, or never there.
pub(crate) const CLOSED: u8 = 4;
/// Waits for something.
const WAITS: u8 = 5;
/// A draft, or older than a push already seen.
pub(crate) const SKIPPED: u8 = 6;
/// berth itself could not do what was asked.
pub(crate) const COULD_NOT: u8 = 10;

/// The exit code of a push.
pub(crate) fn of_outcome(outcome: DeployOutcome) -> ExitCode {
    ExitCode::from(match outcome {
        DeployOutcome::Live => 0,
        DeployOutcome::Failed => FAILED,
        DeployOutcome::Superseded => SUPERSEDED,
        DeployOutcome::Closed => CLOSED,
        DeployOutcome::AwaitingApproval | DeployOutcome::Queued => WAITS,
        DeployOutcome::Skipped => SKIPPED,
    })
}

/// A script's own.
pub(crate) fn of_script(code: i32) -> ExitCode {
    // A container's is a byte; whatever else there may be is no success.
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}

/// The exit code of a status.
pub(crate) fn of_phase(phase: Phase) -> ExitCode {
    ExitCode::from(phase_code(phase))
}

/// The same as a number.
pub(crate) fn phase_code(phase: Phase) -> u8 {
    match phase {
        Phase::Live => 0,
        Phase::Failed | Phase::TeardownBlocked => FAILED,
        Phase::Closed => CLOSED,
        Phase::AwaitingPush | Phase::AwaitingApproval | Phase::RollingOut | Phase::TearingDown => WAITS,
    }
}

/// Says on standard error that the time is over.
pub(crate) fn gave_up(after: Duration) -> ExitCode {
    // Nobody is left to tell if standard error is closed.
    let _ = writeln!(std::io::stderr(), "berth: not done after {after:?} (--timeout); berth goes on with it");
    ExitCode::from(WAITS)
}

/// Logs what ended the worker, with every cause.
pub(crate) fn failed_worker(error: &anyhow::Error) -> ExitCode {
    tracing::error!("The worker ends: {error:#}");
    ExitCode::from(COULD_NOT)
}

/// Says on standard error what went wrong, with every cause.
pub(crate) fn failed(error: &anyhow::Error) -> ExitCode {
    // Nobody is left to tell if standard error is closed.
    let _ = writeln!(std::io::stderr(), "berth: {error:#}");
    ExitCode::from(COULD_NOT)
}
