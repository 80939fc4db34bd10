//! The gate `endpoints`: every port of a Service behind an Ingress has a ready endpoint that is a pod of the release.

mod behind;

use std::time::Duration;

use berth_workflows::contract::apply::Workload;
use k8s_openapi::api::{
    core::v1::Pod,
    discovery::v1::{Endpoint, EndpointSlice},
};
use kube::{ResourceExt, runtime::watcher::Config};
use tokio::time::{Instant, timeout_at};

use behind::{BackendPort, ServicePort};
pub(super) use behind::{BehindIngress, services_behind_ingresses};

use crate::{
    gates::{
        checks::{Checks, NotPassed, Unmet},
        standing::{EarlierOwners, Standing, standing},
    },
    rollout::{
        snapshot::{Snapshot, is_ready},
        watch::Watches,
    },
};

pub(super) const NAME: &str = "endpoints";
/// The time that controllers get to list ready pods in `EndpointSlice`s. Normally they have before the rollout is done.
pub(super) const DEADLINE: Duration = Duration::from_secs(60);

const NO_SUCH_PORT: &str =
    "Give a container's port the name that the Service's targetPort has, or write the port's number there.";
const NO_SERVICE_PORT: &str = "Correct the port in the Ingress, or add it to the Service.";

/// A Service's port without an endpoint of the release.
#[derive(Debug, PartialEq, Eq)]
struct Missing {
    message: String,
    /// Advice, if no wait will help.
    is_final: Option<&'static str>,
}

/// The state of the release that the gate compares endpoints with.
struct Look<'a> {
    workloads: &'a [Workload],
    services: &'a [BehindIngress],
    earlier: EarlierOwners,
}

/// Opens the watch that the gate needs.
pub(super) fn watch(watches: &mut Watches) {
    watches.open::<EndpointSlice>("endpoint slices", Config::default(), |snapshot| &mut snapshot.endpoint_slices);
}

/// Waits until each of the ports has such an endpoint. The first lists must have arrived.
pub(super) async fn check(checks: &Checks<'_>, services: &[BehindIngress]) -> Result<(), NotPassed> {
    let patience = checks.patience(DEADLINE);
    let deadline = Instant::now() + patience;
    let known = checks.current.borrow().clone();
    let earlier = EarlierOwners::find(checks.client, &checks.check.environment.namespace, &known).await;
    let look = Look { workloads: &checks.check.workloads, services, earlier };
    let mut current = checks.current.clone();
    loop {
        let missing = look.missing(&current.borrow_and_update());
        let Some(missing) = missing else { return Ok(()) };
        let is_over =
            missing.is_final.is_some() || !matches!(timeout_at(deadline, current.changed()).await, Ok(Ok(())));
        if !is_over {
            continue;
        }
        checks.observer.refreshed().await;
        let missing = look.missing(&checks.current.borrow());
        return match missing {
            None => Ok(()),
            Some(Missing { message, is_final: None }) => {
                Err(Unmet::new(NAME, format!("{message} for {} s", patience.as_secs())).into())
            }
            Some(Missing { message, is_final: Some(advice) }) => {
                Err(Unmet { advice: Some(advice.to_owned()), ..Unmet::new(NAME, message) }.into())
            }
        };
    }
}

impl Look<'_> {
    /// Describes the first port without such an endpoint.
    fn missing(&self, snapshot: &Snapshot) -> Option<Missing> {
        self.services.iter().find_map(|behind| self.missing_of(snapshot, behind))
    }

    fn missing_of(&self, snapshot: &Snapshot, behind: &BehindIngress) -> Option<Missing> {
        let BehindIngress { service, ingress, port } = behind;
        let port = match port {
            BackendPort::Missing(port) => {
                let message =
                    format!("Ingress {ingress} leads to port {port} of Service {service}, which has no such port");
                return Some(Missing { message, is_final: Some(NO_SERVICE_PORT) });
            }
            BackendPort::Known(port) => Some(port),
            BackendPort::Any => None,
        };
        let mut serving = self.serving_slices(snapshot, service).peekable();
        let has_endpoint = serving.peek().is_some();
        if serving.any(|slice| port.is_none_or(|port| has_port(slice, port))) {
            return None;
        }
        if let Some(missing) = port.and_then(|port| self.unnamed_target(snapshot, behind, port)) {
            return Some(missing);
        }
        let of_port = match port {
            Some(port) if has_endpoint => format!(" with port {}", port.number),
            _ => String::new(),
        };
        let message =
            format!("Service {service} of Ingress {ingress} had no ready endpoint of the new revision{of_port}");
        Some(Missing { message, is_final: None })
    }

    /// Returns the Service's slices with a ready endpoint of the release.
    fn serving_slices<'s>(&self, snapshot: &'s Snapshot, service: &str) -> impl Iterator<Item = &'s EndpointSlice> {
        let slices = snapshot.endpoint_slices.iter();
        let slices =
            slices.filter(move |slice| slice.labels().get("kubernetes.io/service-name").is_some_and(|n| n == service));
        slices.filter(move |slice| slice.endpoints.iter().any(|endpoint| self.is_of_the_release(snapshot, endpoint)))
    }

    /// Returns whether the endpoint shows that the release serves. One without a pod (a Service without a selector) counts,
    /// and so does a pod of somebody else: they have no new revision.
    fn is_of_the_release(&self, snapshot: &Snapshot, endpoint: &Endpoint) -> bool {
        // A missing condition counts as ready, as in the API's definition.
        let ready = endpoint.conditions.as_ref().and_then(|conditions| conditions.ready).unwrap_or(true);
        let target = endpoint.target_ref.as_ref().filter(|target| target.kind.as_deref() == Some("Pod"));
        let Some(name) = target.and_then(|target| target.name.as_deref()) else { return ready };
        // The pod is not listed yet, or gone already.
        let Some(pod) = snapshot.pods.get(name) else { return false };
        ready && matches!(self.standing(snapshot, pod), Standing::Serves | Standing::Outside)
    }

    fn standing(&self, snapshot: &Snapshot, pod: &Pod) -> Standing {
        standing(snapshot, self.workloads, &self.earlier, pod)
    }

    /// Describes a named `targetPort` that no ready pod behind the Service has. Pods keep their ports: no wait will help.
    fn unnamed_target(&self, snapshot: &Snapshot, behind: &BehindIngress, port: &ServicePort) -> Option<Missing> {
        let target = port.named_target.as_deref()?;
        let is_selected = |pod: &&Pod| {
            !port.selector.is_empty() && port.selector.iter().all(|(key, value)| pod.labels().get(key) == Some(value))
        };
        let pods = snapshot.pods.iter().filter(is_selected).filter(|pod| is_ready(pod));
        let mut pods = pods.filter(|pod| self.standing(snapshot, pod) == Standing::Serves).peekable();
        pods.peek()?;
        if pods.any(|pod| has_named_port(pod, target, &port.protocol)) {
            return None;
        }
        let BehindIngress { service, ingress, .. } = behind;
        let message = format!(
            "port {} of Service {service}, to which Ingress {ingress} leads, has the targetPort {target}, and no container of the \
             pods that it selects has a port with that name",
            port.number
        );
        Some(Missing { message, is_final: Some(NO_SUCH_PORT) })
    }
}

/// Returns whether the slice has an address for the port. Without one the Service leads nowhere, though it has endpoints.
fn has_port(slice: &EndpointSlice, wanted: &ServicePort) -> bool {
    let mut ports = slice.ports.iter().flatten();
    ports.any(|port| port.name.as_deref().unwrap_or_default() == wanted.name && port.port.is_some())
}

/// Returns whether a container or sidecar of the pod has the port.
fn has_named_port(pod: &Pod, name: &str, protocol: &str) -> bool {
    let Some(spec) = &pod.spec else { return false };
    let sidecars = spec.init_containers.iter().flatten();
    let sidecars = sidecars.filter(|container| container.restart_policy.as_deref() == Some("Always"));
    spec.containers
        .iter()
        .chain(sidecars)
        .flat_map(|container| container.ports.iter().flatten())
        .any(|port| port.name.as_deref() == Some(name) && port.protocol.as_deref().unwrap_or("TCP") == protocol)
}

#[cfg(test)]
mod tests;
