//! How containers have ended, one look after another.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::ResourceExt;

use crate::rollout::container_status;

/// How often each container has ended in the same way, as far as its restarts were watched: the status itself has
/// only the last end.
#[derive(Debug, Default)]
pub(crate) struct Exits(BTreeMap<(String, String), Exit>);

#[derive(Debug)]
struct Exit {
    code: i32,
    /// The restarts before the first end with this code.
    before: i32,
}

impl Exits {
    /// Notes how the containers of these pods last ended.
    pub(crate) fn observe<'a>(&mut self, pods: impl Iterator<Item = &'a Pod>) {
        for pod in pods {
            for (status, _) in container_status::statuses(pod) {
                let Some(end) = container_status::last_end(status) else { continue };
                let before = (status.restart_count - 1).max(0);
                let key = (pod.uid().unwrap_or_default(), status.name.clone());
                // Restarts that nobody watched are taken to have had the same reason.
                let exit = self.0.entry(key).or_insert(Exit { code: end.exit_code, before: 0 });
                if exit.code != end.exit_code {
                    *exit = Exit { code: end.exit_code, before };
                }
            }
        }
    }

    /// How many of the container's restarts had the same reason as the last one.
    pub(crate) fn like_restarts(&self, pod: &Pod, status: &ContainerStatus) -> i32 {
        let key = (pod.uid().unwrap_or_default(), status.name.clone());
        status.restart_count - self.0.get(&key).map_or(0, |exit| exit.before)
    }
}
