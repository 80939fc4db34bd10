//! The cause of a Job that failed.

use berth_workflows::contract::{apply::Workload, verdict::FailureType};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::ResourceExt;

use crate::{
    kubernetes::log_tail::Log,
    rollout::{
        classify::{Cause, Due},
        container_status,
        snapshot::{Snapshot, unix_ms},
    },
};

pub(super) fn job_failed(snapshot: &Snapshot, workload: &Workload, message: String) -> Cause {
    let ended = |pod: &&Pod| container_status::statuses(pod).find_map(|(status, _)| failed_container(status));
    let mut pods = snapshot.new_pods(workload);
    pods.sort_by_key(|pod| pod.metadata.creation_timestamp.as_ref().map(unix_ms));
    let mut cause = Cause::new(FailureType::JobFailed, workload, message, Due::At(0));
    if let Some((pod, (container, exit_code))) = pods.iter().rev().find_map(|pod| ended(pod).map(|end| (pod, end))) {
        cause.message = format!("{}; the last attempt exited with code {exit_code}", cause.message);
        cause.pod = Some(pod.name_any());
        cause.container = Some(container);
        cause.exit_code = Some(exit_code);
        cause.log = Log::Current;
    }
    cause
}

fn failed_container(status: &ContainerStatus) -> Option<(String, i32)> {
    let end = container_status::last_end(status).filter(|end| end.exit_code != 0)?;
    Some((status.name.clone(), end.exit_code))
}
