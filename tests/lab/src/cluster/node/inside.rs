//! The first process inside the node's namespaces: it sets them up, starts the node's parts, and reaps processes.

use std::{
    fs,
    os::unix::net::UnixStream,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use rustix::process::{WaitOptions, wait};

use super::{Node, files::CONTAINERD_SOCKET};
use crate::{
    cluster::certificates::NODE,
    machine::{folders, process::run as command},
};

/// Kernel settings that the kubelet would change for the whole machine. It accepts files that already have these values.
const KERNEL_SETTINGS: [(&str, &str); 6] = [
    ("vm/overcommit_memory", "1"),
    ("vm/panic_on_oom", "0"),
    ("kernel/panic", "10"),
    ("kernel/panic_on_oops", "1"),
    ("kernel/keys/root_maxkeys", "1000000"),
    ("kernel/keys/root_maxbytes", "25000000"),
];

/// Runs the node. It returns only with an error, and the whole node ends with this process.
pub(crate) fn run(plan: &Path) -> Result<()> {
    let node: Node = serde_json::from_str(&fs::read_to_string(plan)?)?;
    set_up_mounts(&node.data).context("setting up the node's mounts")?;
    set_up_network(&node).context("setting up the node's network")?;
    let containerd = start(
        "containerd",
        &node,
        Command::new(&node.containerd).arg("--config").arg(node.data.join("containerd.toml")),
    )?;
    wait_until("containerd's socket", || UnixStream::connect(CONTAINERD_SOCKET).is_ok())?;
    let mut parts = vec![("containerd", containerd), ("kubelet", start_kubelet(&node)?)];
    if let Some(kube_proxy) = &node.kube_proxy {
        parts.push(("kube-proxy", start_kube_proxy(&node, kube_proxy)?));
    }
    reap_until_one_ends(&parts)
}

/// Mounts the data folder over paths that are fixed in the kubelet and containerd.
fn set_up_mounts(data: &Path) -> Result<()> {
    command("mount -t tmpfs tmpfs /run")?;
    let bind = |from: &Path, to: &str| command(&format!("mount --bind {} {to}", from.display())).map(drop);
    for (folder, fixed) in [("kubelet", "/var/lib/kubelet"), ("logs", "/var/log")] {
        fs::create_dir_all(fixed)?;
        bind(&folders::make(data.join(folder))?, fixed)?;
    }
    for (setting, value) in KERNEL_SETTINGS {
        let file = data.join(setting.replace('/', "."));
        fs::write(&file, format!("{value}\n"))?;
        bind(&file, &format!("/proc/sys/{setting}"))?;
    }
    Ok(())
}

fn set_up_network(node: &Node) -> Result<()> {
    command("ip link set lo up")?;
    // The outside adds the veth pair once this process exists.
    wait_until("the veth pair", || command("ip link show eth0").is_ok())?;
    command(&format!("ip address add {}/30 dev eth0", node.subnet.node()))?;
    command("ip link set eth0 up")?;
    command(&format!("ip route add default via {}", node.subnet.host()))?;
    Ok(fs::write("/proc/sys/net/ipv4/ip_forward", "1")?)
}

fn start_kubelet(node: &Node) -> Result<Child> {
    let mut kubelet = Command::new(&node.kubelet);
    kubelet.args([
        format!("--config={}", node.data.join("kubelet.json").display()),
        format!("--kubeconfig={}", node.kubelet_kubeconfig.display()),
        format!("--node-ip={}", node.subnet.node()),
        format!("--hostname-override={NODE}"),
    ]);
    start("kubelet", node, &mut kubelet)
}

/// Starts kube-proxy.
///
/// `--masquerade-all`: without `br_netfilter`, an answer between two pods of one bridge would not be translated back.
fn start_kube_proxy(node: &Node, kube_proxy: &Path) -> Result<Child> {
    let mut command = Command::new(kube_proxy);
    command.args([
        format!("--kubeconfig={}", node.proxy_kubeconfig.display()),
        format!("--hostname-override={NODE}"),
        format!("--cluster-cidr={}", node.subnet.pods()),
        "--proxy-mode=iptables".to_owned(),
        // The default makes a Service refuse connections for up to a second after its first pod is ready.
        "--iptables-min-sync-period=0s".to_owned(),
        "--masquerade-all".to_owned(),
        "--conntrack-max-per-core=0".to_owned(),
        "--conntrack-tcp-timeout-established=0s".to_owned(),
        "--conntrack-tcp-timeout-close-wait=0s".to_owned(),
    ]);
    start("kube-proxy", node, &mut command)
}

fn start(name: &str, node: &Node, command: &mut Command) -> Result<Child> {
    let log = fs::File::create(node.data.join(format!("{name}.log")))?;
    let command = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    command.spawn().with_context(|| format!("starting {name}"))
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(30);
    while !done() {
        if Instant::now() > end {
            bail!("{what} did not appear within 30 s");
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Waits for children, among them orphans that would stay as zombies, until one of the node's parts ends.
fn reap_until_one_ends(parts: &[(&str, Child)]) -> Result<()> {
    loop {
        let Some((pid, status)) = wait(WaitOptions::empty())? else { continue };
        let ended = parts.iter().find(|(_, child)| child.id().cast_signed() == pid.as_raw_nonzero().get());
        if let Some((name, _)) = ended {
            bail!("{name} ended: {status:?}");
        }
    }
}
