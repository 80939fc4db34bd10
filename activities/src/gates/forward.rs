//! Port-forwards through the API server. They work inside and outside the cluster and need no open network.

use std::time::Duration;

use futures::{FutureExt, future::BoxFuture};
use k8s_openapi::api::core::v1::{Container, Pod};
use kube::{Api, ResourceExt, api::Portforwarder, client::UpgradeConnectionError};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, timeout, timeout_at},
};

use super::attempt::{Miss, PodAndContainer};
use crate::{
    gates::{checks::Checks, serving_pods::preferred_pods},
    rollout::snapshot::{Snapshot, is_ready},
};

/// The time until a port-forward is open. The API server and the pod's node need a moment for it.
const OPEN: Duration = Duration::from_secs(5);
/// A part of the API server's message if it cannot reach the kubelet.
const NODE_IS_AWAY: &str = "error dialing backend";
/// The time to wait for a ready pod.
const PATIENCE: Duration = Duration::from_secs(5);

/// A connection to a pod's port. Dropping it closes the connection.
pub(super) struct Forward {
    // The task must be aborted: kube's own end would wait for the pod to close the connection.
    forwarder: Portforwarder,
    /// Resolves to the reason if the connection fails.
    error: BoxFuture<'static, Option<String>>,
    pod: String,
}

impl Drop for Forward {
    fn drop(&mut self) {
        self.forwarder.abort();
    }
}

impl Forward {
    /// Connects to a port of the pod.
    ///
    /// # Errors
    /// The API server refuses or does not answer.
    pub(super) async fn open(
        checks: &Checks<'_>,
        pod: &str,
        port: u16,
    ) -> Result<(Self, impl AsyncRead + AsyncWrite + Unpin + Send + use<>), Miss> {
        let pods = Api::<Pod>::namespaced(checks.client.clone(), &checks.check.environment.namespace);
        let mut forwarder = match timeout(OPEN, pods.portforward(pod, &[port])).await {
            Ok(opened) => opened.map_err(|error| {
                let unobserved = says_nothing_about_the_pod(&error);
                Miss { unobserved, ..Miss::new(format!("the port-forward to pod {pod} failed: {error}")) }
            })?,
            Err(_) => {
                let message = format!("the port-forward to pod {pod} was not open after {} s", OPEN.as_secs());
                return Err(Miss { unobserved: true, ..Miss::new(message) });
            }
        };
        let (stream, error) = (forwarder.take_stream(port), forwarder.take_error(port));
        let (Some(stream), Some(error)) = (stream, error) else {
            return Err(Miss::new(format!("the port-forward to pod {pod} has no such port")));
        };
        Ok((Self { forwarder, error: error.boxed(), pod: pod.to_owned() }, stream))
    }

    /// Waits for an exchange over the connection, or for the connection's error.
    pub(super) async fn or_error<T>(&mut self, exchange: impl Future<Output = Result<T, Miss>>) -> Result<T, Miss> {
        tokio::select! {
            biased;
            Some(error) = &mut self.error => Err(Miss::new(format!("pod {} cannot be reached: {}", self.pod, error.trim()))),
            answer = exchange => answer,
        }
    }
}

/// Returns whether the API server is at fault, the pod's node, or berth's rights.
fn says_nothing_about_the_pod(error: &kube::Error) -> bool {
    let is_of_others = |code: u16| matches!(code, 401 | 403 | 429 | 502..=504);
    match error {
        kube::Error::Api(status) => is_of_others(status.code) || status.message.contains(NODE_IS_AWAY),
        kube::Error::UpgradeConnection(UpgradeConnectionError::ProtocolSwitch(status)) => is_of_others(status.as_u16()),
        // There was no answer.
        _ => true,
    }
}

/// Returns a ready pod that the workload serves with, and its container with the port. Waits some seconds for one.
///
/// # Errors
/// No pod is ready in that time, or before `deadline`.
pub(super) async fn ready_pod(
    checks: &Checks<'_>,
    workload: &str,
    port: u16,
    deadline: Instant,
) -> Result<PodAndContainer, Miss> {
    let deadline = deadline.min(Instant::now() + PATIENCE);
    let mut current = checks.current.clone();
    let find = |snapshot: &Snapshot| {
        let pod = new_pods(snapshot, checks, workload).into_iter().find(|pod| is_ready(pod))?;
        Some((pod.name_any(), container_with(pod, port)))
    };
    let chosen = timeout_at(deadline, current.wait_for(|snapshot| find(snapshot).is_some())).await;
    chosen
        .ok()
        .and_then(|snapshot| find(&*snapshot.ok()?))
        .ok_or_else(|| Miss::new(format!("no pod of the new revision of {workload} is ready")))
}

/// Returns the pods of the workload's new revision, or those that its update strategy keeps. Pods of Jobs are left out, because
/// they end.
pub(super) fn new_pods<'a>(snapshot: &'a Snapshot, checks: &Checks<'_>, workload: &str) -> Vec<&'a Pod> {
    let mut workloads = checks.check.workloads.iter().filter(|known| known.name == workload && known.kind != "Job");
    workloads.next().map_or_else(Vec::new, |workload| preferred_pods(snapshot, workload))
}

/// Returns the container or sidecar with the port, else the first container.
fn container_with(pod: &Pod, port: u16) -> Option<String> {
    let spec = pod.spec.as_ref()?;
    let sidecars = spec.init_containers.iter().flatten();
    let sidecars = sidecars.filter(|container| container.restart_policy.as_deref() == Some("Always"));
    let has_port =
        |container: &&Container| container.ports.iter().flatten().any(|known| known.container_port == i32::from(port));
    let with_port = spec.containers.iter().chain(sidecars).find(has_port);
    with_port.or_else(|| spec.containers.first()).map(|container| container.name.clone())
}
