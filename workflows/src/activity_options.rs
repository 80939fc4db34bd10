//! Every time-out and retry policy, each with its reason.
//!
//! All activities heartbeat, so a worker that dies is noticed after `HEARTBEAT_TIMEOUT`; the other bounds are for
//! what is alive and does not get on, and for how long a rollout waits while no worker is there at all.

use std::time::Duration;

use temporalio_workflow::{
    ActivityCancellationType, ActivityCloseTimeouts, ActivityOptions, RetryPolicy, WorkflowCancellationToken,
};

use crate::contract::timings::Timings;

/// Long enough for two heartbeats of 0.8 s, short enough that a killed worker's work is taken up within 5 s.
const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(2);

/// One look at a folder on the worker's own disk: at once, but on a worker with much to do.
pub fn load_app(token: &WorkflowCancellationToken, summary: impl Into<String>) -> ActivityOptions {
    options(token, summary, Duration::from_secs(30), Duration::from_secs(120))
}

/// A dozen small objects: seconds, and minutes only while the control plane is away.
pub fn ensure_namespace(token: &WorkflowCancellationToken, summary: impl Into<String>) -> ActivityOptions {
    options(token, summary, Duration::from_secs(60), Duration::from_secs(300))
}

/// Kubernetes needs some five seconds when all is well. One attempt lasts a minute at most; how often it is tried is the
/// workflow's bound ([`NAMESPACE_GONE_SECONDS`]).
pub fn await_namespace_gone(token: &WorkflowCancellationToken, summary: impl Into<String>) -> ActivityOptions {
    options(token, summary, Duration::from_secs(90), Duration::from_secs(180))
}

/// How long a rollout waits for a namespace that somebody is deleting: under load Kubernetes takes minutes, and a
/// finalizer that nobody serves takes for ever.
pub const NAMESPACE_GONE_SECONDS: u64 = 300;

/// A handful of statements; making a database copies some megabytes. Being unavailable is an answer: how often it is asked
/// again is the workflow's bound.
pub fn ensure_database(token: &WorkflowCancellationToken, summary: impl Into<String>) -> ActivityOptions {
    options(token, summary, Duration::from_secs(60), Duration::from_secs(180))
}

/// Pods may take two minutes to end before that; dropping is a checkpoint of each database. That the server is away is an
/// answer: the workflow tries again for ever.
pub fn drop_database(token: &WorkflowCancellationToken, summary: impl Into<String>) -> ActivityOptions {
    options(token, summary, Duration::from_secs(240), Duration::from_secs(480))
}

/// Doppler's rate limit counts by the minute, so three minutes outlast one full window and an outage's start.
pub fn sync_secrets(token: &WorkflowCancellationToken, summary: impl Into<String>) -> ActivityOptions {
    options(token, summary, Duration::from_secs(60), Duration::from_secs(180))
}

/// Long enough to outlast a control plane's restart, short enough that a person hears of it while they remember.
pub fn apply_manifests(token: &WorkflowCancellationToken, summary: impl Into<String>) -> ActivityOptions {
    options(token, summary, Duration::from_secs(60), Duration::from_secs(300))
}

/// Ends by itself at its deadline, with a verdict; time without a node is added to that. These bounds are a minute later,
/// for a worker that hangs.
pub fn await_rollout(
    token: &WorkflowCancellationToken,
    summary: impl Into<String>,
    timings: &Timings,
) -> ActivityOptions {
    let deadline = Duration::from_secs(timings.rollout_seconds + timings.capacity_seconds + 60);
    options(token, summary, deadline, deadline + Duration::from_secs(60))
}

/// Each gate has its own deadline; ten minutes is beyond any sensible one, and the stability window is added.
pub fn check_gates(
    token: &WorkflowCancellationToken,
    summary: impl Into<String>,
    timings: &Timings,
) -> ActivityOptions {
    let bound = Duration::from_secs(600 + timings.stability_seconds);
    options(token, summary, bound, bound + Duration::from_secs(60))
}

/// A few deletes. The release is live by now: failing here must not take long, and loses nothing.
pub fn prune(token: &WorkflowCancellationToken, summary: impl Into<String>) -> ActivityOptions {
    options(token, summary, Duration::from_secs(30), Duration::from_secs(120))
}

/// One attempt watches for `teardown_seconds` and then reports what is still there; the workflow tries again for ever.
/// Pods may take two minutes to end before that.
pub fn delete_environment(
    token: &WorkflowCancellationToken,
    summary: impl Into<String>,
    timings: &Timings,
) -> ActivityOptions {
    let watch = Duration::from_secs(timings.teardown_seconds + 180);
    options(token, summary, watch, watch * 2)
}

/// How long a script may run, its wait for a node included: a cron script that needs longer is none to run by hand while
/// somebody waits. The Job has it as its own deadline, so it holds without berth too.
pub const SCRIPT_SECONDS: u64 = 900;

/// Reading what serves and making two objects: seconds, and minutes only while the control plane is away.
pub fn start_script(token: &WorkflowCancellationToken, summary: impl Into<String>) -> ActivityOptions {
    options(token, summary, Duration::from_secs(30), Duration::from_secs(120))
}

/// Ends by itself soon after the Job's own deadline; this bound is two minutes later, for a worker that hangs.
pub fn await_script(token: &WorkflowCancellationToken, summary: impl Into<String>) -> ActivityOptions {
    let bound = Duration::from_secs(SCRIPT_SECONDS + 120);
    options(token, summary, bound, bound + Duration::from_secs(60))
}

/// The pod has ten seconds to end, and the kubelet some more to say so. A teardown waits for it, and removes what is left.
pub fn remove_script(token: &WorkflowCancellationToken, summary: impl Into<String>) -> ActivityOptions {
    options(token, summary, Duration::from_secs(60), Duration::from_secs(180))
}

fn options(
    token: &WorkflowCancellationToken,
    summary: impl Into<String>,
    start_to_close: Duration,
    schedule_to_close: Duration,
) -> ActivityOptions {
    ActivityOptions::with_close_timeouts(ActivityCloseTimeouts::ScheduleAndStartToClose {
        start_to_close,
        schedule_to_close,
    })
    .heartbeat_timeout(HEARTBEAT_TIMEOUT)
    // The next writer of the environment may begin only when this one has stopped.
    .cancellation_type(ActivityCancellationType::WaitCancellationCompleted)
    .cancellation_token(token.clone())
    // The first retry soon, since most transient errors are a conflict or a lag; then no more than one in 10 s.
    .retry_policy(
        RetryPolicy::builder()
            .initial_interval(Duration::from_millis(200))
            .backoff_coefficient(2.0)
            .maximum_interval(Duration::from_secs(10))
            .build(),
    )
    .summary(summary)
    .build()
}
