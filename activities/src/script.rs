//! A script of the app, run by hand in a preview: a Job made after the web pod that runs, its end, and its removal.
//!
//! Decided here: the pod is the web pod's main container with another command. It has the same image, environment, volumes,
//! account and security settings, so it passes what that passed; it has none of its labels, so that no Service sends it
//! traffic; and it is made after the `ReplicaSet` whose pods serve, read at that moment, so that a rollout in flight does
//! not change what is run. No shell reads the command.

mod access;
mod end;
mod job;
mod remove;
mod start;
mod wait;

pub use remove::remove_script;
pub use start::start_script;
pub use wait::await_script;

/// The script's name, as far as a label can have it.
pub(crate) const SCRIPT: &str = "berth.dev/script";
/// Which run of the `ScriptRun` made the Job.
const RUN: &str = "berth.dev/run-id";
/// The workload whose pod it was made after.
const WORKLOAD: &str = "berth.dev/made-after";
/// The Job controller's own label on a pod.
const JOB_NAME: &str = "batch.kubernetes.io/job-name";
