//! The first process inside the node's namespaces: sets them up, starts what belongs there, and reaps.

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

/// What the kubelet would set on the whole machine. It only looks whether the values are these, so it gets files that say so.
const KERNEL_SETTINGS: [(&str, &str); 6] = [
    ("vm/overcommit_memory", "1"),
    ("vm/panic_on_oom", "0"),
    ("kernel/panic", "10"),
    ("kernel/panic_on_oops", "1"),
    ("kernel/keys/root_maxkeys", "1000000"),
    ("kernel/keys/root_maxbytes", "25000000"),
];

/// Returns only with an error: with this process the whole node ends.
pub(crate) fn run(plan: &Path) -> Result<()> {
    let node: Node = serde_json::from_str(&fs::read_to_string(plan)?)?;
    set_up_mounts(&node.data).context("setting up the node's mounts")?;
    set_up_network(&node).context("setting up the node's network")?;
    let containerd = start(
        "containerd",
        &node,
        Command::new(&node.containerd).arg("--config").arg(node.data.join("containerd.toml")),
    )?;
    until("containerd's socket", || UnixStream::connect(CONTAINERD_SOCKET).is_ok())?;
    let mut parts = vec![("containerd", containerd), ("kubelet", start_kubelet(&node)?)];
    if let Some(kube_proxy) = &node.kube_proxy {
        parts.push(("kube-proxy", start_kube_proxy(&node, kube_proxy)?));
    }
    reap_until_one_ends(&parts)
}

/// What these programs write to places that are fixed in them, they write to our data folder.
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
    // The other end of the cable is plugged in from outside, once this process exists.
    until("the cable", || command("ip link show eth0").is_ok())?;
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

/// `--masquerade-all`: without `br_netfilter`, answers between two pods of one bridge would bypass the translation back.
fn start_kube_proxy(node: &Node, kube_proxy: &Path) -> Result<Child> {
    let mut command = Command::new(kube_proxy);
    command.args([
        format!("--kubeconfig={}", node.proxy_kubeconfig.display()),
        format!("--hostname-override={NODE}"),
        format!("--cluster-cidr={}", node.subnet.pods()),
        "--proxy-mode=iptables".to_owned(),
        // At once: by default a Service refuses connections for up to a second after its first pod is ready.
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

fn until(what: &str, mut done: impl FnMut() -> bool) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(30);
    while !done() {
        if Instant::now() > end {
            bail!("{what} did not appear within 30 s");
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Processes whose parents have died become children of the first process: it must wait for them, or they stay as zombies.
fn reap_until_one_ends(parts: &[(&str, Child)]) -> Result<()> {
    loop {
        let Some((pid, status)) = wait(WaitOptions::empty())? else { continue };
        let ended = parts.iter().find(|(_, child)| child.id().cast_signed() == pid.as_raw_nonzero().get());
        if let Some((name, _)) = ended {
            bail!("{name} ended: {status:?}");
        }
    }
}
