//! The gate `http` with `through: ingress`: the ingress controller answers a request for the environment's host as expected.
//!
//! The request goes to the controller's own address, with the host in its `Host` header and in TLS's server name, so that
//! public DNS has no part in it. The address is the worker's setting, or else the one that the controller has published in the
//! Ingress's status: a controller that publishes none, or one that the worker cannot reach, is not proved to serve anything.
//!
//! The controller's certificate is not verified. It may be issued minutes after the first rollout, by a CA that only browsers
//! know, or belong to a proxy in front of the controller; and the request has nothing secret. The gate proves the route.

mod tls;

use std::time::Duration;

use berth_manifests::{
    app::{Gate, HttpGate},
    render::{Route, find_route},
};
use k8s_openapi::api::{core::v1::Pod, networking::v1::Ingress};
use kube::{Api, ResourceExt};
use tokio::{
    net::TcpStream,
    time::{Instant, timeout, timeout_at},
};

use super::{HttpAnswer, TRY, expect, get, late};
use crate::{
    gates::{
        attempt::{self, Asked, Miss, PodAndContainer},
        checks::{Checks, NotPassed},
        standing::{EarlierOwners, Standing, standing},
    },
    redaction::message::Message,
    rollout::snapshot::is_ready,
    settings::IngressAddress,
};

/// The time to connect. The controller is in the same cluster, or a network hop away.
const CONNECT: Duration = Duration::from_secs(3);

const NO_ROUTE: &str = "Add a rule for this host and path to an Ingress, or correct the gate's host and path.";
const NO_ADDRESS: &str = "Check the Ingress's class: its controller has not taken it. If the controller publishes no address, give \
    the worker --ingress-address.";
const NOT_AS_EXPECTED: &str = "The ingress controller answers. Check the Ingress's rules and annotations and the controller's log, and \
    whether the app answers a port-forward as it should.";

/// Repeats the request until the answer is as expected or the deadline is over.
pub(super) async fn check(checks: &Checks<'_>, gate: &Gate, http: &HttpGate) -> Result<(), NotPassed> {
    let environment = &checks.check.environment;
    let host = http.host.as_deref().unwrap_or(&environment.host);
    let route = find_route(&checks.release.objects, host, &http.path);
    let by = route.as_ref().map_or_else(String::new, |route| format!(" by Ingress {}", route.ingress));
    let what = format!("GET {}://{host}{} through the ingress controller{by}", environment.scheme, http.path);
    // The Service behind it leads to the workload.
    let asked = Asked { gate, what, workload: "" };
    let request = Request { checks, http, host, route: route.as_ref() };
    attempt::until_passed(checks, &asked, |deadline| request.try_once(deadline)).await
}

/// A request for a host.
struct Request<'a> {
    checks: &'a Checks<'a>,
    http: &'a HttpGate,
    host: &'a str,
    route: Option<&'a Route>,
}

impl Request<'_> {
    async fn try_once(&self, deadline: Instant) -> Result<(), Miss> {
        let Some(route) = self.route else {
            return Err(Miss::new("no Ingress of the release has a rule for it").advise(NO_ROUTE).finally());
        };
        let address = self.address(route).await?;
        let met =
            self.answer(&address, deadline).await.and_then(|answer| expect(self.http, &answer).map_err(Miss::new));
        met.map_err(|miss| {
            let miss = if miss.unobserved { miss } else { miss.advise(NOT_AS_EXPECTED) };
            Miss { pod: self.pod_behind(route), ..miss }
        })
    }

    /// Returns the address of the ingress controller.
    async fn address(&self, route: &Route) -> Result<IngressAddress, Miss> {
        if let Some(address) = self.checks.ingress_address {
            return Ok(address.clone());
        }
        let namespace = &self.checks.check.environment.namespace;
        let ingresses = Api::<Ingress>::namespaced(self.checks.client.clone(), namespace);
        let found = ingresses.get_opt(&route.ingress).await.map_err(|error| {
            let message = format!("Ingress {} could not be read: {error}", route.ingress);
            Miss { unobserved: true, ..Miss::new(message) }
        })?;
        let Some(ingress) = found else { return Err(Miss::new(format!("Ingress {} is not there", route.ingress))) };
        published_address(&ingress).ok_or_else(|| {
            Miss::new(format!("Ingress {} has no address in its status", route.ingress)).advise(NO_ADDRESS)
        })
    }

    async fn answer(&self, address: &IngressAddress, deadline: Instant) -> Result<HttpAnswer, Miss> {
        let scheme = self.checks.check.environment.scheme.as_str();
        let port = address.port(scheme);
        let at = format!("the ingress controller at {} port {port}", address.host());
        let connected = timeout(CONNECT, TcpStream::connect((address.host(), port))).await;
        let connected = connected.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
        // Whoever is to blame, it is not the release.
        let stream = connected.map_err(|error| {
            let message = format!("{at} cannot be reached by the worker: {error}");
            Miss { unobserved: true, ..Miss::new(message) }
        })?;
        let exchange = async {
            if scheme == "https" {
                get(tls::connect(stream, self.host).await?, self.host, &self.http.path).await
            } else {
                get(stream, self.host, &self.http.path).await
            }
        };
        let begun = Instant::now();
        match timeout_at(deadline.min(begun + TRY), exchange).await {
            Ok(answer) => answer.map_err(|error| {
                Miss::new(Message::from(format!("{at} did not answer: ")).foreign(format!("{error:#}"), 300))
            }),
            Err(_) => Err(late(&at, begun)),
        }
    }

    /// Returns a pod of the release behind the Service. Its log may explain the answer.
    fn pod_behind(&self, route: &Route) -> Option<PodAndContainer> {
        let service = self.checks.release.objects.iter().find(|object| {
            object["kind"] == "Service" && object["metadata"]["name"].as_str() == route.service.as_deref()
        })?;
        let selector = service["spec"]["selector"].as_object().filter(|selector| !selector.is_empty())?;
        let is_selected = |pod: &&Pod| {
            selector.iter().all(|(key, value)| pod.labels().get(key).map(String::as_str) == value.as_str())
        };
        let (snapshot, workloads) = (self.checks.current.borrow(), &self.checks.check.workloads);
        let serves = |pod: &&Pod| standing(&snapshot, workloads, &EarlierOwners::default(), pod) == Standing::Serves;
        let pod = snapshot.pods.iter().filter(is_selected).filter(serves).find(|pod| is_ready(pod))?;
        let container = pod.spec.as_ref()?.containers.first()?.name.clone();
        Some((pod.name_any(), Some(container)))
    }
}

/// Returns the address that the controller has published in the Ingress's status.
fn published_address(ingress: &Ingress) -> Option<IngressAddress> {
    let balancer = ingress.status.as_ref()?.load_balancer.as_ref()?;
    let mut addresses = balancer.ingress.iter().flatten();
    addresses.find_map(|address| address.ip.as_ref().or(address.hostname.as_ref())).map(IngressAddress::new)
}

#[cfg(test)]
mod tests;
