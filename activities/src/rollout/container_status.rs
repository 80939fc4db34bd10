//! The containers of a pod as its status reports them.

use k8s_openapi::api::core::v1::{Container, ContainerStateTerminated, ContainerStatus, Pod};

/// Returns the pod's containers, init containers first. The flag is true if the container must end before the others
/// start.
pub(crate) fn statuses(pod: &Pod) -> impl Iterator<Item = (&ContainerStatus, bool)> {
    let spec = pod.spec.as_ref();
    let is_sidecar = move |name: &str| {
        let init: &[Container] = spec.and_then(|spec| spec.init_containers.as_deref()).unwrap_or_default();
        init.iter().any(|container| container.name == name && container.restart_policy.as_deref() == Some("Always"))
    };
    let status = pod.status.as_ref();
    let init = status.and_then(|status| status.init_container_statuses.as_deref()).unwrap_or_default();
    let main = status.and_then(|status| status.container_statuses.as_deref()).unwrap_or_default();
    init.iter().map(move |status| (status, !is_sidecar(&status.name))).chain(main.iter().map(|status| (status, false)))
}

/// Returns the last end of the container, if there was one.
pub(crate) fn last_end(status: &ContainerStatus) -> Option<&ContainerStateTerminated> {
    [&status.state, &status.last_state].into_iter().find_map(|state| state.as_ref()?.terminated.as_ref())
}

/// Returns the reason and the kubelet's message if the container waits.
pub(crate) fn waiting(status: &ContainerStatus) -> Option<(&str, &str)> {
    let waiting = status.state.as_ref()?.waiting.as_ref()?;
    Some((waiting.reason.as_deref().unwrap_or_default(), waiting.message.as_deref().unwrap_or_default()))
}
