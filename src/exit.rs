//! Exit codes: CI decides by them. One table for the code, every `--help` and the page of commands.

use std::process::ExitCode;

use Exit::{Absent, Done, Error, Failed, Interrupted, Skipped, Superseded, Usage, Waiting};
use berth_workflows::contract::{phase::Phase, signals::DeployOutcome};

/// An exit code of `berth`, but for `berth preview run`, which passes the script's own on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    Done = 0,
    Failed = 1,
    Usage = 2,
    Superseded = 3,
    Absent = 4,
    Waiting = 5,
    Skipped = 6,
    Error = 10,
    Interrupted = 130,
}

/// The whole table, shown by `berth --help`.
pub(crate) const ALL: &[Exit] = &[Done, Failed, Usage, Superseded, Absent, Waiting, Skipped, Error, Interrupted];
/// The rows of commands that roll a commit out, or wait for one.
pub(crate) const PUSH: &[Exit] = &[Done, Failed, Usage, Superseded, Absent, Waiting, Skipped, Error];
/// The rows of a wait for a release.
pub(crate) const WAIT: &[Exit] = &[Done, Failed, Usage, Superseded, Absent, Waiting, Error];
pub(crate) const CLOSE: &[Exit] = &[Done, Usage, Waiting, Skipped, Error];
pub(crate) const STATUS: &[Exit] = &[Done, Failed, Usage, Absent, Waiting, Error];
pub(crate) const SCRIPT: &[Exit] = &[Usage, Absent, Error, Interrupted];
/// The rows of messages to production: those that wait for a rollout, and those that are answered at once.
pub(crate) const RELEASE: &[Exit] = &[Done, Failed, Usage, Superseded, Waiting, Error];
pub(crate) const ANSWER: &[Exit] = &[Done, Usage, Superseded, Waiting, Error];
pub(crate) const PLAN: &[Exit] = &[Done, Usage, Absent, Waiting, Error];
pub(crate) const HISTORY: &[Exit] = &[Done, Usage, Absent, Error];
pub(crate) const RESTORE: &[Exit] = &[Done, Failed, Usage, Waiting, Error];
pub(crate) const CHECK: &[Exit] = &[Done, Failed, Usage];
/// The rows of commands that do one thing at once.
pub(crate) const PLAIN: &[Exit] = &[Done, Usage, Error];

/// The end of `berth preview run --help`.
pub(crate) fn script_help() -> String {
    format!(
        "Exits with the script's own code. If the script has none:\n{}\n\n\
         If your kubeconfig may read the pod's log, the output is shown unchanged while the script runs. If not, its last \
         lines are shown at the end, without secret values. With --output json standard output has the answer alone.",
        rows(SCRIPT)
    )
}

/// The end of `berth ci --help`.
pub(crate) fn ci_help() -> String {
    format!(
        "{}\n\n\
         Without --require live a step that ends with 3, 4, 5 or 6 exits with 0 and a notice: nobody of the pull request has to \
         act. After --timeout it exits with 5 in any case.",
        help(PUSH)
    )
}

/// The end of a command's `--help`: the exit codes that it can have.
pub(crate) fn help(exits: &[Exit]) -> String {
    format!("Exit codes:\n{}", rows(exits))
}

fn rows(exits: &[Exit]) -> String {
    let row = |exit: &Exit| format!("  {:<3} {}", exit.code(), exit.meaning());
    exits.iter().map(row).collect::<Vec<_>>().join("\n")
}

impl Exit {
    pub(crate) fn code(self) -> u8 {
        self as u8
    }

    fn meaning(self) -> &'static str {
        match self {
            Done => "live, or done",
            Failed => "the release failed or was rejected, and the verdict says why; or a check found an error",
            Usage => "the command line is wrong, there is no such folder, or the digits of a commit mean several",
            Superseded => "superseded by a newer push or release",
            Absent => "closed, or there is none: no such environment, release or plan",
            Waiting => "waiting for a rollout, an approval, an unfreeze or a teardown; or --timeout is over",
            Skipped => "skipped: it waits for the end of a draft or for a label, or is older than what was seen",
            Error => "an error: Temporal or the worker did not answer, or refused",
            Interrupted => "Ctrl-C: what was asked for goes on, and the message says how to stop it",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

impl From<Exit> for u8 {
    fn from(exit: Exit) -> Self {
        exit.code()
    }
}

impl From<DeployOutcome> for Exit {
    fn from(outcome: DeployOutcome) -> Self {
        match outcome {
            DeployOutcome::Live => Done,
            DeployOutcome::Failed | DeployOutcome::RolledBack => Failed,
            DeployOutcome::Superseded => Superseded,
            DeployOutcome::Closed => Absent,
            // An outcome of a newer worker is neither success nor failure.
            DeployOutcome::AwaitingApproval | DeployOutcome::Queued | DeployOutcome::Unknown => Waiting,
            DeployOutcome::Skipped => Skipped,
        }
    }
}

impl From<Phase> for Exit {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Live => Done,
            Phase::Failed | Phase::TeardownBlocked | Phase::RolledBack | Phase::RollbackFailed => Failed,
            Phase::Closed => Absent,
            Phase::AwaitingPush
            | Phase::AwaitingApproval
            | Phase::RollingOut
            | Phase::TearingDown
            | Phase::AwaitingRelease
            | Phase::Planning
            | Phase::Frozen
            | Phase::RollingBack
            | Phase::NotObserved
            | Phase::Unknown => Waiting,
        }
    }
}

/// The exit code of a script.
pub(crate) fn script_code(code: i32) -> u8 {
    // A container's exit code is one byte. Any other number is no success.
    u8::try_from(code).unwrap_or(u8::MAX)
}

/// A mistake on the command line that only the command itself finds.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UsageError(pub(crate) String);

/// Logs the error that ended the worker, with every cause.
pub(crate) fn worker_error(error: &anyhow::Error) -> ExitCode {
    tracing::error!("The worker ends: {error:#}");
    Error.into()
}
