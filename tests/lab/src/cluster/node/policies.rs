//! Enforced network policies: kube-router, as a process in the node's namespaces.
//!
//! Its packet filter rules and address sets belong to the node's network namespace, and go with it.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::only_child;
use crate::{
    cluster::certificates::{Certificates, NODE},
    machine::{
        children::Children,
        http, process,
        subnet::{self, Subnet},
    },
    parts::Tools,
};

const NAME: &str = "kube-router";
const HEALTH: u16 = 20244;

/// Starts kube-router, and waits until existing policies are enforced. The cluster must run already.
pub(crate) fn enforce(
    subnet: Subnet,
    certificates: &Certificates,
    tools: &Tools,
    children: &mut Children,
) -> Result<()> {
    let node = only_child(children.child("node")?.id()).context("finding the node's first process")?;
    // Not in the node's process namespace, so that it is watched and ended like the lab's other processes.
    let mut command = children.command(NAME, "nsenter")?;
    command.args([&format!("--target={node}"), "--net", "--mount", "--"]).arg(&tools[NAME]);
    command.args([
        format!("--kubeconfig={}", certificates.kubeconfig(NAME).display()),
        format!("--hostname-override={NODE}"),
        format!("--service-cluster-ip-range={}", subnet::SERVICES),
        format!("--health-port={HEALTH}"),
        "--run-firewall=true".to_owned(),
        "--run-router=false".to_owned(),
        "--run-service-proxy=false".to_owned(),
        "--run-loadbalancer=false".to_owned(),
    ]);
    children.start(NAME, command)?;
    let health = SocketAddr::new(subnet.node().into(), HEALTH);
    children.wait_until(NAME, Duration::from_secs(60), || {
        process::accepts_connections(health)
            && http::get(health, NODE, "/healthz").is_ok_and(|answer| answer.status == 200)
    })
}

/// Makes the objects that let kube-router read the cluster.
pub(crate) fn rights() -> Value {
    let rbac = "rbac.authorization.k8s.io";
    let read = ["get", "list", "watch"];
    json!({"apiVersion": "v1", "kind": "List", "items": [
        {
            "apiVersion": format!("{rbac}/v1"),
            "kind": "ClusterRole",
            "metadata": {"name": "lab-kube-router"},
            "rules": [
                {"apiGroups": [""], "resources": ["namespaces", "pods", "services", "nodes", "endpoints"], "verbs": read},
                {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": read},
                {"apiGroups": ["networking.k8s.io"], "resources": ["networkpolicies"], "verbs": read},
            ],
        },
        {
            "apiVersion": format!("{rbac}/v1"),
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "lab-kube-router"},
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "lab-kube-router"},
            "subjects": [{"apiGroup": rbac, "kind": "User", "name": "lab-kube-router"}],
        },
    ]})
}
