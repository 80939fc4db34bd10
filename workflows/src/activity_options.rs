//! Timeouts and retry policy of every activity, each with its reason.
//!
//! All activities heartbeat, so a worker that dies is noticed after `HEARTBEAT_TIMEOUT`. Start-to-close bounds an
//! attempt that is alive and makes no progress. Schedule-to-close bounds the wait while there is no worker at all.

use std::time::Duration;

use temporalio_workflow::{
    ActivityCancellationType, ActivityCloseTimeouts, ActivityOptions, LocalActivityOptions, RetryPolicy,
    WorkflowCancellationToken,
};

use crate::contract::script::SCRIPT_SECONDS;

/// Long enough for two heartbeats of 0.8 s, short enough that a killed worker's work is resumed within 5 s.
const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(2);

/// Reading a folder on the worker's own disk is immediate, except on a busy worker.
pub fn load_app(token: &WorkflowCancellationToken, summary: impl Into<String>) -> ActivityOptions {
    options(token, summary, Duration::from_secs(30), Duration::from_secs(120))
}

/// Creating a dozen small objects takes seconds, and minutes only while the control plane is unavailable.
pub fn ensure_namespace(token: &WorkflowCancellationToken, summary: impl Into<String>) -> ActivityOptions {
    options(token, summary, Duration::from_secs(60), Duration::from_secs(300))
}

/// Kubernetes normally needs about five seconds. An attempt lasts a minute at most; [`NAMESPACE_GONE_SECONDS`] is the
/// workflow's bound on the whole wait.
pub fn await_namespace_gone(token: &WorkflowCancellationToken, summary: impl Into<String>) -> ActivityOptions {
    options(token, summary, Duration::from_secs(90), Duration::from_secs(180))
}

/// Time that a rollout waits for a namespace under deletion. Under load Kubernetes takes minutes; a finalizer without a
/// controller takes for ever.
pub const NAMESPACE_GONE_SECONDS: u64 = 300;

/// A few statements; creating a database copies some megabytes. An unavailable server is a result and not an error: the
/// workflow bounds the retries.
pub fn ensure_database(token: &WorkflowCancellationToken, summary: impl Into<String>) -> ActivityOptions {
    options(token, summary, Duration::from_secs(60), Duration::from_secs(180))
}

/// Pods may first take two minutes to end; dropping is a checkpoint of each database. An unreachable server is a result
/// and not an error: the workflow retries for ever.
pub fn drop_database(token: &WorkflowCancellationToken, summary: impl Into<String>) -> ActivityOptions {
    options(token, summary, Duration::from_secs(240), Duration::from_secs(480))
}

/// Doppler's rate limit counts per minute, so three minutes outlast a full window and the start of an outage.
pub fn sync_secrets(token: &WorkflowCancellationToken, summary: impl Into<String>) -> ActivityOptions {
    options(token, summary, Duration::from_secs(60), Duration::from_secs(180))
}

/// Long enough to outlast a control plane's restart, short enough that the author hears of a failure while they
/// remember the push.
pub fn apply_manifests(token: &WorkflowCancellationToken, summary: impl Into<String>) -> ActivityOptions {
    options(token, summary, Duration::from_secs(60), Duration::from_secs(300))
}

/// Time that an apply waits for objects under deletion. As for a namespace: a finalizer's controller under load takes
/// minutes, and one that is gone takes for ever.
pub const OBJECTS_GONE_SECONDS: u64 = 300;

/// As [`apply_manifests`]. It also renders, and tries every object that differs in a dry run.
pub fn plan_release(token: &WorkflowCancellationToken, summary: impl Into<String>) -> ActivityOptions {
    options(token, summary, Duration::from_secs(60), Duration::from_secs(300))
}

/// A read or a write of a small object. Production waits for it without end: the workflow starts it again.
pub fn record(token: &WorkflowCancellationToken, summary: impl Into<String>) -> ActivityOptions {
    options(token, summary, Duration::from_secs(30), Duration::from_secs(300))
}

/// The activity ends by itself, with a verdict, at `longest` from now at the latest. These bounds are a minute later, for a
/// worker that hangs.
pub fn await_rollout(
    token: &WorkflowCancellationToken,
    summary: impl Into<String>,
    longest: Duration,
) -> ActivityOptions {
    let bound = longest + Duration::from_secs(60);
    options(token, summary, bound, bound + Duration::from_secs(60))
}

/// Each gate has its own deadline. Ten minutes exceed any sensible one. `besides` is added, in seconds: the stability
/// window, and the time for which nothing may be seen.
pub fn check_gates(token: &WorkflowCancellationToken, summary: impl Into<String>, besides: u64) -> ActivityOptions {
    let bound = Duration::from_secs(600 + besides);
    options(token, summary, bound, bound + Duration::from_secs(60))
}

/// A few deletes. The release is already live: a failure loses nothing, and must not take long.
pub fn prune(token: &WorkflowCancellationToken, summary: impl Into<String>) -> ActivityOptions {
    options(token, summary, Duration::from_secs(30), Duration::from_secs(120))
}

/// Pods may first take two minutes to end. An attempt then watches for so many seconds and reports the objects that are
/// still there. The workflow retries for ever.
pub fn delete_environment(
    token: &WorkflowCancellationToken,
    summary: impl Into<String>,
    seconds: u64,
) -> ActivityOptions {
    let watch = Duration::from_secs(seconds + 180);
    options(token, summary, watch, watch * 2)
}

/// Reading the serving workload and creating two objects takes seconds, and minutes only while the control plane is
/// unavailable.
pub fn start_script(token: &WorkflowCancellationToken, summary: impl Into<String>) -> ActivityOptions {
    options(token, summary, Duration::from_secs(30), Duration::from_secs(120))
}

/// The activity ends by itself soon after the Job's deadline. This bound is two minutes later, for a worker that hangs.
pub fn await_script(token: &WorkflowCancellationToken, summary: impl Into<String>) -> ActivityOptions {
    let bound = Duration::from_secs(SCRIPT_SECONDS + 120);
    options(token, summary, bound, bound + Duration::from_secs(60))
}

/// The pod has ten seconds to end, and the kubelet needs a few more to report it. A teardown waits for this activity
/// and removes any remains.
pub fn remove_script(token: &WorkflowCancellationToken, summary: impl Into<String>) -> ActivityOptions {
    options(token, summary, Duration::from_secs(60), Duration::from_secs(180))
}

/// A request or two. GitHub's secondary limits last minutes, and its outages an hour: after thirty minutes the workflow
/// looks again at what is to be shown. `task_queue` is the one whose rate is limited.
pub fn report(token: &WorkflowCancellationToken, summary: impl Into<String>, task_queue: String) -> ActivityOptions {
    github(token, summary, task_queue, Duration::from_secs(1800))
}

/// As [`report`], until the time `left` is over.
pub fn final_report(
    token: &WorkflowCancellationToken,
    summary: impl Into<String>,
    task_queue: String,
    left: Duration,
) -> ActivityOptions {
    // A bound of zero is none.
    github(token, summary, task_queue, left.max(Duration::from_secs(1)))
}

/// Two reads. A person waits for the answer, and gives the command again after ten minutes.
pub fn admit_command(
    token: &WorkflowCancellationToken,
    summary: impl Into<String>,
    task_queue: String,
) -> ActivityOptions {
    github(token, summary, task_queue, Duration::from_secs(600))
}

/// A query of two requests. After ten minutes the `Janitor` asks about the same pull request anyway.
pub fn confirm_closed(
    token: &WorkflowCancellationToken,
    summary: impl Into<String>,
    task_queue: String,
) -> ActivityOptions {
    github(token, summary, task_queue, Duration::from_secs(600))
}

/// A list or a few messages. The next look is minutes away, so that a longer outage than these is its matter.
pub fn look(token: &WorkflowCancellationToken, summary: impl Into<String>) -> ActivityOptions {
    options(token, summary, Duration::from_secs(60), Duration::from_secs(120))
}

/// A few reads, while somebody waits for the answer. If the API server is away for longer than this, a rollout follows, which
/// reports that by its own rules.
pub fn look_at_environment(token: &WorkflowCancellationToken, summary: impl Into<String>) -> ActivityOptions {
    options(token, summary, Duration::from_secs(30), Duration::from_secs(120))
}

/// A query of a request or two for each page, once for each look.
pub fn list_pull_requests(
    token: &WorkflowCancellationToken,
    summary: impl Into<String>,
    task_queue: String,
) -> ActivityOptions {
    github(token, summary, task_queue, Duration::from_secs(240))
}

/// A comparison without any request, in the worker that runs the workflow. No message waits longer than this for its proof: it
/// counts as a claim then.
pub fn check_proof(summary: impl Into<String>) -> LocalActivityOptions {
    LocalActivityOptions::builder()
        .schedule_to_close_timeout(Duration::from_secs(5))
        .start_to_close_timeout(Duration::from_secs(2))
        .cancellation_token(WorkflowCancellationToken::new())
        .summary(summary.into())
        .build()
}

/// A read of one event, in the worker that runs the workflow. It is tried twice within a workflow task, which must not last:
/// the workflow calls it again after a pause, on any worker.
pub fn recall_preview(summary: impl Into<String>) -> LocalActivityOptions {
    LocalActivityOptions::builder()
        .schedule_to_close_timeout(Duration::from_secs(8))
        .start_to_close_timeout(Duration::from_secs(4))
        .retry_policy(RetryPolicy::builder().initial_interval(Duration::from_millis(200)).maximum_attempts(2).build())
        .cancellation_token(WorkflowCancellationToken::new())
        .summary(summary.into())
        .build()
}

/// The retries are further apart than those of other activities: each takes its share of the rate that GitHub allows. The
/// activity itself says when, if GitHub has told it.
fn github(
    token: &WorkflowCancellationToken,
    summary: impl Into<String>,
    task_queue: String,
    schedule_to_close: Duration,
) -> ActivityOptions {
    let retry = RetryPolicy::builder()
        .initial_interval(Duration::from_secs(1))
        .backoff_coefficient(2.0)
        .maximum_interval(Duration::from_secs(300))
        .build();
    let start_to_close = Duration::from_secs(60).min(schedule_to_close);
    let mut options = options(token, summary, start_to_close, schedule_to_close);
    options.task_queue = Some(task_queue);
    options.retry_policy = Some(retry);
    options
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
    // The first retry is soon, since most transient errors are a conflict or a lag. Later ones are up to 10 s apart.
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
