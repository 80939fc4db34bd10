//! The ends of containers over time.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::ResourceExt;

use crate::rollout::container_status;

/// The number of similar ends of each container. Its status has only the last end, so they are counted over several
/// looks.
#[derive(Debug, Default)]
pub(crate) struct Exits(BTreeMap<(String, String), Exit>);

#[derive(Debug)]
struct Exit {
    code: i32,
    /// The number of restarts before the first end with this code.
    before: i32,
}

impl Exits {
    /// Records the last ends of the containers of these pods.
    pub(crate) fn observe<'a>(&mut self, pods: impl Iterator<Item = &'a Pod>) {
        for pod in pods {
            for (status, _) in container_status::statuses(pod) {
                let Some(end) = container_status::last_end(status) else { continue };
                let before = (status.restart_count - 1).max(0);
                let key = (pod.uid().unwrap_or_default(), status.name.clone());
                // Unobserved restarts are assumed to have the same reason.
                let exit = self.0.entry(key).or_insert(Exit { code: end.exit_code, before: 0 });
                if exit.code != end.exit_code {
                    *exit = Exit { code: end.exit_code, before };
                }
            }
        }
    }

    /// Returns how many of the container's restarts had the same exit code as the last one.
    pub(crate) fn similar_restarts(&self, pod: &Pod, status: &ContainerStatus) -> i32 {
        let key = (pod.uid().unwrap_or_default(), status.name.clone());
        status.restart_count - self.0.get(&key).map_or(0, |exit| exit.before)
    }
}
