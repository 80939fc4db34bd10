//! Jobs whose attempts fail. A Job with the default `backoffLimit` takes eleven minutes to give up.

use berth_workflows::contract::{apply::Workload, verdict::FailureType};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};

use super::{Cause, Due};
use crate::{
    kubernetes::log_tail::Log,
    rollout::{
        container_status::{last_end, statuses},
        snapshot::{Snapshot, unix_ms},
    },
};

/// Kubernetes' own default.
const BACKOFF_LIMIT: i32 = 6;

/// Returns the cause of a Job that has failed for good, with its controller's message.
pub(crate) fn failed(snapshot: &Snapshot, workload: &Workload, message: String) -> Cause {
    let cause = Cause::new(FailureType::JobFailed, workload, message, Due::At(0));
    let Some(attempt) = last_failed(snapshot, workload) else { return cause };
    let message = format!("{}; the last attempt exited with code {}", cause.message, attempt.exit_code);
    attempt.attach(Cause { message, ..cause })
}

/// Returns the cause of a Job whose attempts have failed so far. Its controller still tries.
pub(super) fn attempts(snapshot: &Snapshot, workload: &Workload) -> Option<Cause> {
    let job = snapshot.jobs.get(&workload.name).filter(|_| workload.kind == "Job")?;
    let attempt = last_failed(snapshot, workload)?;
    let limit = job.spec.as_ref().and_then(|spec| spec.backoff_limit).unwrap_or(BACKOFF_LIMIT);
    let (failed, code) = (attempt.failed, attempt.exit_code);
    let attempts =
        if failed == 1 { "1 attempt has failed".to_owned() } else { format!("{failed} attempts have failed") };
    let brief = format!("{attempts}, the last with exit code {code} (backoffLimit {limit})");
    let message = format!("{attempts} so far, the last exited with code {code}; its backoffLimit is {limit}");
    let cause = Cause::new(FailureType::JobFailed, workload, message, Due::Deadline).briefly(brief);
    Some(attempt.attach(cause).advise(
        "The Job still tries. Its last log lines say why an attempt fails. A lower backoffLimit gives the verdict sooner: the pause \
         between attempts doubles each time, from 10 s on.",
    ))
}

/// The newest attempt of a Job that has failed.
struct Attempt<'a> {
    pod: &'a Pod,
    container: &'a str,
    exit_code: i32,
    log: Log,
    /// How many attempts have failed.
    failed: i32,
}

impl Attempt<'_> {
    fn attach(self, cause: Cause) -> Cause {
        Cause { exit_code: Some(self.exit_code), log: self.log, ..cause.of_pod(self.pod).in_container(self.container) }
    }
}

fn last_failed<'a>(snapshot: &'a Snapshot, workload: &Workload) -> Option<Attempt<'a>> {
    let mut pods = snapshot.new_pods(workload);
    pods.sort_by_key(|pod| pod.metadata.creation_timestamp.as_ref().map(unix_ms));
    let failed = |pod: &'a Pod| statuses(pod).find_map(|(status, _)| Some((status, failed_end(status)?)));
    let all: Vec<_> = pods.into_iter().filter_map(|pod| Some((pod, failed(pod)?))).collect();
    let restarts: i32 = all.iter().map(|(_, (status, _))| status.restart_count).sum();
    let ended = all.iter().filter(|(_, (status, _))| is_over(status)).count();
    let (pod, (status, exit_code)) = all.last()?;
    Some(Attempt {
        pod,
        container: &status.name,
        exit_code: *exit_code,
        log: if is_over(status) { Log::Current } else { Log::Previous },
        failed: restarts + i32::try_from(ended).unwrap_or(i32::MAX),
    })
}

/// Whether the container's present instance has ended.
fn is_over(status: &ContainerStatus) -> bool {
    status.state.as_ref().is_some_and(|state| state.terminated.is_some())
}

fn failed_end(status: &ContainerStatus) -> Option<i32> {
    Some(last_end(status)?.exit_code).filter(|code| *code != 0)
}
