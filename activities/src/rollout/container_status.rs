//! The containers of a pod as its status reports them.

use k8s_openapi::api::core::v1::{Container, ContainerStateTerminated, ContainerStatus, Pod};

/// Returns the pod's containers, init containers first. The flag is true if the container must end before the others
/// start.
pub(crate) fn statuses(pod: &Pod) -> impl Iterator<Item = (&ContainerStatus, bool)> {
    let status = pod.status.as_ref();
    let init = status.and_then(|status| status.init_container_statuses.as_deref()).unwrap_or_default();
    let main = status.and_then(|status| status.container_statuses.as_deref()).unwrap_or_default();
    init.iter()
        .map(move |status| (status, !is_sidecar(pod, &status.name)))
        .chain(main.iter().map(|status| (status, false)))
}

/// Returns whether it is a sidecar: an init container that runs beside the others.
pub(crate) fn is_sidecar(pod: &Pod, container: &str) -> bool {
    let init = pod.spec.as_ref().and_then(|spec| spec.init_containers.as_deref()).unwrap_or_default();
    init.iter().any(|other| other.name == container && other.restart_policy.as_deref() == Some("Always"))
}

/// Returns what the pod's template says of the container.
pub(crate) fn spec_of<'a>(pod: &'a Pod, container: &str) -> Option<&'a Container> {
    let spec = pod.spec.as_ref()?;
    let containers = spec.init_containers.iter().flatten().chain(&spec.containers);
    containers.into_iter().find(|other| other.name == container)
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
