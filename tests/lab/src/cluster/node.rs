//! The real node: a kubelet on a containerd, in namespaces of their own.
//!
//! The node has its own process, mount and network namespace, connected to the machine by one veth pair. So the kernel
//! cleans up: when the node's first process dies, all processes, mounts, network namespaces, bridges and packet filter
//! rules of its pods go with it. Only its cgroups remain to be removed.

mod cgroups;
mod files;
mod inside;
mod policies;

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

pub(crate) use cgroups::{left_over as cgroups_left_over, remove as remove_cgroups};
pub(crate) use inside::run as run_inside;
pub(crate) use policies::{enforce as enforce_policies, rights as rights_to_policies};

use crate::{
    cluster::certificates::{Certificates, NODE},
    machine::{
        children::Children,
        process::{self, run},
        subnet::Subnet,
    },
    parts::{self, Tools},
};

/// The machine's end of the veth pair. The other end is `eth0` inside the node.
pub(crate) const VETH: &str = "berth-lab";

/// The settings of the node, for its first process.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Node {
    subnet: Subnet,
    /// Images, containers, volumes and logs; the same path inside and outside.
    data: PathBuf,
    containerd: PathBuf,
    cni_plugins: PathBuf,
    snapshotter: String,
    kubelet: PathBuf,
    kube_proxy: Option<PathBuf>,
    kubelet_kubeconfig: PathBuf,
    proxy_kubeconfig: PathBuf,
}

/// The reason why this machine cannot have a real node, if there is one.
pub(crate) fn obstacle() -> Option<String> {
    if !cfg!(target_os = "linux") {
        return Some("a kubelet needs Linux".to_owned());
    }
    if !crate::machine::folders::is_root() {
        return Some("a kubelet needs root".to_owned());
    }
    let probe = run("unshare --net --mount --pid --fork --mount-proc true");
    probe.err().map(|error| format!("this root may not make namespaces: {error}"))
}

/// Starts the node, and adds the machine's end of the veth pair. After that the API server can listen there.
pub(crate) fn start(
    data: &Path,
    subnet: Subnet,
    registry: SocketAddr,
    certificates: &Certificates,
    tools: &Tools,
    children: &mut Children,
) -> Result<()> {
    let data = crate::machine::folders::make(data.join("node"))?;
    let node = Node {
        subnet,
        containerd: parts::on_path("containerd").context("looking for containerd")?,
        cni_plugins: parts::cni_plugins().context("looking for the CNI plugins")?,
        snapshotter: snapshotter(&data)?.to_owned(),
        kubelet: tools["kubelet"].clone(),
        kube_proxy: tools.get("kube-proxy").cloned(),
        kubelet_kubeconfig: certificates.kubeconfig("kubelet"),
        proxy_kubeconfig: certificates.kubeconfig("kube-proxy"),
        data,
    };
    cgroups::make()?;
    files::write(&node, registry, certificates)?;
    let plan = node.data.join("node.json");
    fs::write(&plan, serde_json::to_string(&node)?)?;

    let mut command = children.command("node", "unshare")?;
    command.args(["--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child=KILL"]);
    command.arg(std::env::current_exe()?).arg("node").arg(&plan);
    children.start("node", command)?;
    let outer = children.child("node")?.id();
    let mut inner = None;
    children.wait_until("node", Duration::from_secs(10), || {
        inner = only_child(outer);
        inner.is_some()
    })?;
    connect(subnet, inner.context("finding the node's first process")?)
}

fn connect(subnet: Subnet, inner: u32) -> Result<()> {
    run(&format!("ip link add {VETH} type veth peer name eth0 netns {inner}"))?;
    run(&format!("ip address add {}/30 dev {VETH}", subnet.host()))?;
    run(&format!("ip link set {VETH} up"))?;
    run(&format!("ip route add {} via {}", subnet.pods(), subnet.node()))?;
    Ok(())
}

/// Waits until the node is Ready. The node's parts and the API server run already.
pub(crate) fn wait_until_ready(kubectl: &Path, kubeconfig: &Path, children: &mut Children) -> Result<()> {
    children.wait_until("node", Duration::from_secs(120), || {
        let path = "{.status.conditions[?(@.type==\"Ready\")].status}";
        let mut command = Command::new(kubectl);
        command.arg("--kubeconfig").arg(kubeconfig).args([
            "get",
            "node",
            NODE,
            "--output",
            &format!("jsonpath={path}"),
        ]);
        process::output(&mut command).is_ok_and(|status| status == "True")
    })
}

pub(crate) fn address(subnet: Subnet) -> Ipv4Addr {
    subnet.node()
}

/// The one child of `unshare`: the first process of the namespaces.
fn only_child(parent: u32) -> Option<u32> {
    let is_child = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let after_name = stat.rfind(')').and_then(|end| stat.get(end + 2..)).unwrap_or_default();
        after_name.split(' ').nth(1) == Some(&parent.to_string())
    };
    let processes = fs::read_dir("/proc").ok()?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    processes.into_iter().find(is_child)
}

/// Tries overlayfs in the data folder: it does not work on every file system, for example not on another overlayfs.
fn snapshotter(data: &Path) -> Result<&'static str> {
    let probe = crate::machine::folders::make(data.join("overlay-probe"))?;
    for folder in ["lower", "upper", "work", "merged"] {
        crate::machine::folders::make(probe.join(folder))?;
    }
    let script = "mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work merged && touch merged/x";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script]).current_dir(&probe);
    let works = process::output(&mut command).is_ok();
    fs::remove_dir_all(&probe)?;
    Ok(if works { "overlayfs" } else { "native" })
}
