//! Nodes that exist only as objects (KWOK): their pods become Ready at once and run nothing.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
    path::Path,
};

use anyhow::Result;
use serde_json::json;

use crate::{
    machine::{children::Children, ports},
    parts::Tools,
};

/// The stages that make a node Ready, renew its lease, and start and end its pods without delay.
const STAGES: [&str; 5] = [
    "node/fast/node-initialize.yaml",
    "node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
    "pod/fast/pod-ready.yaml",
    "pod/fast/pod-complete.yaml",
    "pod/fast/pod-delete.yaml",
];

pub(crate) fn start(stages: &Path, kubeconfig: &Path, tools: &Tools, children: &mut Children) -> Result<()> {
    let loopback = IpAddr::from(Ipv4Addr::LOCALHOST);
    let mut command = children.command("kwok", &tools["kwok"])?;
    command.args([
        format!("--kubeconfig={}", kubeconfig.display()),
        "--manage-all-nodes=false".to_owned(),
        "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake".to_owned(),
        "--node-lease-duration-seconds=40".to_owned(),
        format!("--server-address=127.0.0.1:{}", ports::free(loopback)?),
    ]);
    command.args(STAGES.map(|stage| format!("--config={}", stages.join(stage).display())));
    children.start("kwok", command)
}

/// Makes the Node objects. Beside a real node they are tainted, so that pods get the real one by default.
pub(crate) fn objects(count: u32, beside_a_real_one: bool) -> serde_json::Value {
    let taints = match beside_a_real_one {
        true => json!([{"key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule"}]),
        false => json!([]),
    };
    let room = json!({"cpu": "64", "memory": "256Gi", "pods": "2000"});
    let node = |number: u32| {
        json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": format!("fake-{number}"),
                "annotations": {"kwok.x-k8s.io/node": "fake"},
                "labels": {"type": "kwok", "kubernetes.io/os": "linux", "kubernetes.io/hostname": format!("fake-{number}")},
            },
            "spec": {"taints": taints},
            "status": {"capacity": room, "allocatable": room},
        })
    };
    json!({"apiVersion": "v1", "kind": "List", "items": (1..=count).map(node).collect::<Vec<_>>()})
}

/// Copies KWOK's stage files out of Go's module cache, which is read-only and may be cleaned.
pub(crate) fn copy_stages(from: &Path, to: &Path) -> Result<()> {
    for stage in STAGES {
        let copy = to.join(stage);
        fs::create_dir_all(copy.parent().unwrap_or(to))?;
        fs::write(copy, fs::read(from.join(stage))?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fake_nodes_are_tainted_only_beside_a_real_one() {
        let tainted = |beside| objects(2, beside)["items"][1]["spec"]["taints"].as_array().unwrap().len();
        assert_eq!((tainted(true), tainted(false)), (1, 0));
    }
}
