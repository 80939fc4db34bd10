//! DNS inside the cluster: `CoreDNS` as a process of the machine, behind the Service that pods ask.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
};

use anyhow::Result;
use serde_json::json;

use crate::{
    machine::{children::Children, ports, process, subnet},
    parts::Tools,
};

/// Starts the server, and answers the objects through which pods reach it.
pub(crate) fn start(
    data: &Path,
    host: Ipv4Addr,
    kubeconfig: &Path,
    tools: &Tools,
    children: &mut Children,
) -> Result<serde_json::Value> {
    // Network policies allow port 53, and apply after the Service's port was translated to this one.
    let port = match TcpListener::bind((host, 53)) {
        Ok(_) => 53,
        Err(_) => ports::free(Ipv4Addr::LOCALHOST.into())?,
    };
    let health = ports::free(Ipv4Addr::LOCALHOST.into())?;
    let ready = ports::free(Ipv4Addr::LOCALHOST.into())?;
    let corefile = data.join("Corefile");
    fs::write(&corefile, config(host, port, health, ready, kubeconfig))?;
    let mut command = children.command("dns", &tools["dns"])?;
    command.arg("-conf").arg(corefile);
    children.start("dns", command)?;
    let address = SocketAddr::new(host.into(), port);
    children.wait_until("dns", std::time::Duration::from_secs(30), || process::accepts_connections(address))?;
    Ok(objects(host, port))
}

/// Writes the server's configuration. Names below `localhost`, the previews' hosts, lead to the machine.
fn config(host: Ipv4Addr, port: u16, health: u16, ready: u16, kubeconfig: &Path) -> String {
    format!(
        ".:{port} {{
    bind {host}
    errors
    health {host}:{health}
    ready {host}:{ready}
    cache 5
    loadbalance
    template IN A localhost {{
        answer \"{{{{ .Name }}}} 60 IN A {host}\"
    }}
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        kubeconfig {} lab
        pods insecure
        ttl 5
    }}
}}
",
        kubeconfig.display()
    )
}

/// Makes a Service without a selector, and its endpoints.
fn objects(host: Ipv4Addr, port: u16) -> serde_json::Value {
    let on =
        |protocol: &str| json!({"name": protocol.to_lowercase(), "port": 53, "protocol": protocol, "targetPort": port});
    let at = |protocol: &str| json!({"name": protocol.to_lowercase(), "port": port, "protocol": protocol});
    json!({"apiVersion": "v1", "kind": "List", "items": [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "kube-dns", "namespace": "kube-system", "labels": {"k8s-app": "kube-dns"}},
            "spec": {"clusterIP": subnet::DNS_SERVICE.to_string(), "ports": [on("UDP"), on("TCP")]},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": "kube-dns-lab", "namespace": "kube-system", "labels": {
                "kubernetes.io/service-name": "kube-dns",
                "endpointslice.kubernetes.io/managed-by": "berth-lab",
            }},
            "addressType": "IPv4",
            "ports": [at("UDP"), at("TCP")],
            "endpoints": [{"addresses": [host.to_string()], "conditions": {"ready": true}}],
        },
    ]})
}
