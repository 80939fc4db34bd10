//! The ingress controller, as a pod: the environments' network policies apply to its traffic.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use anyhow::Result;
use serde_json::{Value, json};

use crate::machine::{http, ports, process, relay, subnet::Subnet};

/// Its namespace, which the worker needs for network policies.
pub(crate) const NAMESPACE: &str = "ingress";
const CLASS: &str = "traefik";
const NODE_PORT: u16 = 30080;
const WEB: u16 = 8000;
const OWN: u16 = 8080;

/// Generous: the image is pulled and unpacked within it.
pub(crate) const READY_WITHIN: Duration = Duration::from_secs(120);

/// Whether it answers. A 404 for an unknown host is an answer.
pub(crate) fn answers(subnet: Subnet) -> bool {
    let node = SocketAddr::new(subnet.node().into(), NODE_PORT);
    process::accepts_connections(node)
        && http::get(node, "unknown.localhost", "/").is_ok_and(|answer| answer.status == 404)
}

/// Opens the ingress controller to this machine, on port 80 if that is free, and to pods under the same host names.
pub(crate) fn open(subnet: Subnet) -> Result<SocketAddr> {
    let node = SocketAddr::new(subnet.node().into(), NODE_PORT);
    let loopback = Ipv4Addr::LOCALHOST;
    let mut address = SocketAddr::new(loopback.into(), 80);
    if relay::start(address, node).is_err() {
        address.set_port(ports::free(loopback.into())?);
        relay::start(address, node)?;
    }
    relay::start(SocketAddr::new(subnet.host().into(), address.port()), node)?;
    Ok(address)
}

/// The URL of a host name behind the ingress controller.
pub(crate) fn url(ingress: SocketAddr, host: &str) -> String {
    match ingress.port() {
        80 => format!("http://{host}"),
        port => format!("http://{host}:{port}"),
    }
}

pub(crate) fn objects(image: &str, subnet: Subnet) -> Value {
    let namespaced = json!({"name": CLASS, "namespace": NAMESPACE});
    let read = ["get", "list", "watch"];
    let rbac = "rbac.authorization.k8s.io";
    json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {
            "name": NAMESPACE,
            "labels": {"pod-security.kubernetes.io/enforce": "restricted"},
        }},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": namespaced},
        {
            "apiVersion": format!("{rbac}/v1"),
            "kind": "ClusterRole",
            "metadata": {"name": "lab-traefik"},
            "rules": [
                {"apiGroups": [""], "resources": ["services", "secrets", "nodes", "namespaces"], "verbs": read},
                {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": read},
                {"apiGroups": ["networking.k8s.io"], "resources": ["ingresses", "ingressclasses"], "verbs": read},
                {"apiGroups": ["networking.k8s.io"], "resources": ["ingresses/status"], "verbs": ["update"]},
            ],
        },
        {
            "apiVersion": format!("{rbac}/v1"),
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "lab-traefik"},
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "lab-traefik"},
            "subjects": [{"kind": "ServiceAccount", "name": CLASS, "namespace": NAMESPACE}],
        },
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "IngressClass",
            "metadata": {"name": CLASS, "annotations": {"ingressclass.kubernetes.io/is-default-class": "true"}},
            "spec": {"controller": "traefik.io/ingress-controller"},
        },
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": namespaced, "spec": {
            "selector": {"matchLabels": {"app": CLASS}},
            "template": {"metadata": {"labels": {"app": CLASS}}, "spec": pod(image, subnet)},
        }},
        {"apiVersion": "v1", "kind": "Service", "metadata": namespaced, "spec": {
            "type": "NodePort",
            "selector": {"app": CLASS},
            // The address of the environments' hosts. Requests of pods go straight to the controller, as they do where a load
            // balancer's address is one of the Service.
            "externalIPs": [subnet.host().to_string()],
            "ports": [{"port": 80, "targetPort": WEB, "nodePort": NODE_PORT}],
        }},
    ]})
}

fn pod(image: &str, subnet: Subnet) -> Value {
    json!({
        "serviceAccountName": CLASS,
        "enableServiceLinks": false,
        "terminationGracePeriodSeconds": 1,
        "securityContext": {
            "runAsNonRoot": true,
            "runAsUser": 10001,
            "runAsGroup": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [{
            "name": CLASS,
            "image": image,
            "args": [
                format!("--entrypoints.web.address=:{WEB}"),
                format!("--entrypoints.traefik.address=:{OWN}"),
                "--ping=true",
                "--providers.kubernetesingress=true",
                // Its address on this machine, in the status of each Ingress. It is right if port 80 was free.
                format!("--providers.kubernetesingress.ingressendpoint.ip={}", subnet.host()),
                // Tests request a page as soon as its preview is live.
                "--providers.kubernetesingress.throttleduration=50ms",
                "--providers.providersthrottleduration=50ms",
                "--global.checknewversion=false",
                "--global.sendanonymoususage=false",
                "--accesslog=true",
            ],
            "ports": [{"containerPort": WEB}],
            "readinessProbe": {"httpGet": {"path": "/ping", "port": OWN}, "periodSeconds": 1},
            "securityContext": {
                "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true,
                "capabilities": {"drop": ["ALL"]},
            },
        }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_has_a_port_only_if_it_is_not_80() {
        let on = |port| url(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port), "pr-1.localhost");
        assert_eq!((on(80).as_str(), on(8080).as_str()), ("http://pr-1.localhost", "http://pr-1.localhost:8080"));
    }
}
