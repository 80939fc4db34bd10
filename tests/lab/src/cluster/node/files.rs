//! The node's configuration files: containerd's, the kubelet's, the CNI network's.

use std::{fs, net::SocketAddr};

use anyhow::Result;
use serde_json::json;

use super::{Node, cgroups};
use crate::{
    cluster::certificates::Certificates,
    machine::{folders, subnet},
};

/// Inside the node /run is a file system of its own, so these paths clash with none outside.
pub(super) const CONTAINERD_STATE: &str = "/run/containerd";
pub(super) const CONTAINERD_SOCKET: &str = "/run/containerd/containerd.sock";

pub(super) fn write(node: &Node, registry: SocketAddr, certificates: &Certificates) -> Result<()> {
    let data = &node.data;
    fs::write(data.join("containerd.toml"), containerd(node, registry))?;
    fs::write(data.join("kubelet.json"), kubelet(node, certificates).to_string())?;
    let networks = folders::make(data.join("cni"))?;
    fs::write(networks.join("10-lab.conflist"), network(node).to_string())?;
    // For pods that use the node's DNS instead of the cluster's. The node's /etc is the machine's.
    fs::write(data.join("resolv.conf"), format!("nameserver {}\n", node.subnet.host()))?;
    let hosts = folders::make(data.join("registries").join(registry.to_string()))?;
    let plain_http = format!(
        "server = \"http://{registry}\"\n[host.\"http://{registry}\"]\ncapabilities = [\"pull\", \"resolve\"]\n"
    );
    Ok(fs::write(hosts.join("hosts.toml"), plain_http)?)
}

/// containerd's configuration.
///
/// `restrict_oom_score_adj`: without `CAP_SYS_RESOURCE` root may not lower it, and no container would start.
fn containerd(node: &Node, registry: SocketAddr) -> String {
    let data = node.data.display();
    let cri = "plugins.\"io.containerd.grpc.v1.cri\"";
    format!(
        r#"version = 2
root = "{data}/containerd"
state = "{CONTAINERD_STATE}"
[grpc]
address = "{CONTAINERD_SOCKET}"
[{cri}]
sandbox_image = "{registry}/lab/pause:1"
restrict_oom_score_adj = true
[{cri}.cni]
bin_dir = "{plugins}"
conf_dir = "{data}/cni"
[{cri}.registry]
config_path = "{data}/registries"
[{cri}.containerd]
discard_unpacked_layers = true
snapshotter = "{snapshotter}"
[{cri}.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
"#,
        plugins = node.cni_plugins.display(),
        snapshotter = node.snapshotter,
    )
}

/// The kubelet's configuration. Nothing is evicted, collected or reserved: the lab is short-lived.
fn kubelet(node: &Node, certificates: &Certificates) -> serde_json::Value {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "x509": {"clientCAFile": certificates.path("ca.crt")},
            "webhook": {"enabled": true},
            "anonymous": {"enabled": false},
        },
        "authorization": {"mode": "Webhook"},
        "address": node.subnet.node().to_string(),
        "tlsCertFile": certificates.path("node.crt"),
        "tlsPrivateKeyFile": certificates.path("node.key"),
        "containerRuntimeEndpoint": format!("unix://{CONTAINERD_SOCKET}"),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": format!("/{}", cgroups::NAME),
        "failCgroupV1": false,
        "failSwapOn": false,
        "enforceNodeAllocatable": [],
        "evictionHard": {"memory.available": "0%", "nodefs.available": "0%", "imagefs.available": "0%"},
        "imageGCHighThresholdPercent": 100,
        "oomScoreAdj": 0,
        "makeIPTablesUtilChains": false,
        "clusterDomain": "cluster.local",
        "clusterDNS": [subnet::DNS_SERVICE.to_string()],
        "resolvConf": node.data.join("resolv.conf"),
        "serializeImagePulls": false,
        "registryPullQPS": 0,
        "eventRecordQPS": 0,
        "kubeAPIQPS": 500,
        "kubeAPIBurst": 1000,
        "maxPods": 250,
    })
}

fn network(node: &Node) -> serde_json::Value {
    json!({
        "cniVersion": "0.4.0",
        "name": "lab",
        "plugins": [{
            "type": "bridge",
            "bridge": "pods",
            "isGateway": true,
            "hairpinMode": true,
            "ipam": {
                "type": "host-local",
                "dataDir": node.data.join("addresses"),
                "ranges": [[{"subnet": node.subnet.pods()}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        }],
    })
}
