//! Starting the parts of a lab in order, and filling the cluster with its first objects.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::{
    cluster::{control_plane::ControlPlane, dns, fake_nodes, kubectl, node},
    life::{full, plan::Plan, state::State, worker},
    machine::{children::Children, process::ProcessId, relay, subnet::Subnet},
    services::{
        apps::{self, Sample, Values},
        doppler, registry,
        temporal::{self, TEMPORAL},
    },
};

/// The servers beside the cluster.
struct Servers {
    temporal: temporal::Addresses,
    temporal_for_pods: SocketAddr,
    doppler_url: String,
    registry: SocketAddr,
}

/// Starts all parts of a lab, and waits until all are ready.
pub(crate) fn start_all(plan: &Plan, data: &Path, children: &mut Children) -> Result<State> {
    let subnet = plan.real_node.then(Subnet::free).transpose()?;
    let registry = registry::address(reachable_by_pods(subnet))?;
    let control_plane = match &plan.existing_kubeconfig {
        Some(_) => None,
        None => Some(ControlPlane::prepare(data, subnet.map(Subnet::host), subnet.map(node::address))?),
    };
    if let (Some(subnet), Some(control_plane)) = (subnet, &control_plane) {
        // First of all: it brings the address that servers listen on.
        node::start(data, subnet, registry, &control_plane.certificates, &plan.tools, children)?;
    }
    let servers = start_servers(plan, data, subnet, registry, children)?;
    let kubeconfig = start_cluster(plan, data, control_plane.as_ref(), children)?;
    furnish(plan, data, subnet, &kubeconfig, children)?;
    let images = registry::images(children)?;
    let full = match (plan.full, subnet.zip(control_plane.as_ref())) {
        (true, Some((subnet, control_plane))) => {
            let traefik = images.get("traefik").context("looking for the ingress controller's image")?;
            let node = (subnet, &control_plane.certificates);
            Some(full::start(plan, data, node, (&kubeconfig, traefik), children)?)
        }
        (true, None) => bail!("a full lab needs a real node"),
        (false, _) => None,
    };
    let apps_dir = data.join("apps");
    let sample = if plan.full { Sample::Full } else { Sample::Quick };
    apps::write(&apps_dir, sample, &Values { registry, real_pods: plan.real_node, images: &images })?;
    wait_for_temporal(plan, &servers.temporal, children)?;
    let mut state = State { images, full, ..state(plan, data, &servers, control_plane, kubeconfig) };
    worker::start(plan, &mut state, children)?;
    Ok(state)
}

/// The machine's end of the veth pair. Without a node, loopback is enough.
fn reachable_by_pods(subnet: Option<Subnet>) -> Ipv4Addr {
    subnet.map_or(Ipv4Addr::LOCALHOST, Subnet::host)
}

fn start_servers(
    plan: &Plan,
    data: &Path,
    subnet: Option<Subnet>,
    registry: SocketAddr,
    children: &mut Children,
) -> Result<Servers> {
    let reachable = reachable_by_pods(subnet);
    let temporal = start_temporal(plan, data, children)?;
    let temporal_for_pods = SocketAddr::new(reachable.into(), temporal.frontend.port());
    if subnet.is_some() {
        relay::start(temporal_for_pods, temporal.frontend)?;
    }
    let doppler_url = format!("http://{}", doppler::start(reachable)?);
    registry::start(data, registry, &plan.tools, &plan.layouts, children)?;
    Ok(Servers { temporal, temporal_for_pods, doppler_url, registry })
}

/// Starts the cluster, if it is the lab's own, and answers the administrator's kubeconfig.
fn start_cluster(
    plan: &Plan,
    data: &Path,
    control_plane: Option<&ControlPlane>,
    children: &mut Children,
) -> Result<PathBuf> {
    match (control_plane, &plan.existing_kubeconfig) {
        (Some(control_plane), _) => {
            control_plane.start(data, &plan.tools, plan.restarts, children)?;
            Ok(control_plane.kubeconfig.clone())
        }
        (None, Some(existing)) => Ok(existing.clone()),
        (None, None) => bail!("a lab needs a cluster"),
    }
}

/// The state of a lab, without its images, its worker and a full lab's additions.
fn state(
    plan: &Plan,
    data: &Path,
    servers: &Servers,
    control_plane: Option<ControlPlane>,
    kubeconfig: PathBuf,
) -> State {
    State {
        name: plan.name.clone(),
        supervisor: ProcessId::new("supervisor", std::process::id()),
        worker_kubeconfig: match &control_plane {
            Some(control_plane) => control_plane.certificates.kubeconfig("worker"),
            None => kubeconfig.clone(),
        },
        audit_log: control_plane.map_or_else(|| data.join("no-audit.log"), |control_plane| control_plane.audit_log),
        temporal_address: servers.temporal.frontend.to_string(),
        temporal_address_for_pods: servers.temporal_for_pods.to_string(),
        temporal_ui: servers.temporal.ui_url(),
        doppler_url: servers.doppler_url.clone(),
        registry: servers.registry.to_string(),
        apps_dir: data.join("apps"),
        logs: data.join("logs"),
        real_pods: plan.real_node,
        fake_nodes: plan.fake_nodes,
        tools: plan.tools.clone(),
        images: BTreeMap::new(),
        worker: false,
        full: None,
        kubeconfig,
    }
}

fn start_temporal(plan: &Plan, data: &Path, children: &mut Children) -> Result<temporal::Addresses> {
    let addresses = temporal::Addresses::free()?;
    let mut command = children.command(TEMPORAL, &plan.tools["temporal"])?;
    command.args(addresses.arguments());
    if plan.restarts {
        command.arg("--db-filename").arg(data.join("temporal.db"));
        // Data survives a kill of the process, but not a crash of the machine.
        command.args(["--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=off"]);
        children.start_with_restarts(TEMPORAL, command)?;
    } else {
        children.start(TEMPORAL, command)?;
    }
    Ok(addresses)
}

fn wait_for_temporal(plan: &Plan, addresses: &temporal::Addresses, children: &mut Children) -> Result<()> {
    let program = &plan.tools["temporal"];
    children.wait_until(TEMPORAL, Duration::from_secs(60), || temporal::answers(program, addresses))
}

/// Adds nodes, DNS, and the objects that a worker needs.
fn furnish(plan: &Plan, data: &Path, subnet: Option<Subnet>, kubeconfig: &Path, children: &mut Children) -> Result<()> {
    let mut objects = vec![worker::objects()];
    if let (Some(subnet), true) = (subnet, plan.tools.contains_key("dns")) {
        objects.push(proxy_rights());
        objects.push(dns::start(data, subnet.host(), kubeconfig, &plan.tools, children)?);
    }
    if plan.fake_nodes > 0 && plan.existing_kubeconfig.is_none() {
        let stages = plan.kwok_stages.as_deref().context("looking for KWOK")?;
        fake_nodes::copy_stages(stages, &data.join("kwok"))?;
        fake_nodes::start(&data.join("kwok"), kubeconfig, &plan.tools, children)?;
        objects.push(fake_nodes::objects(plan.fake_nodes, plan.real_node));
    }
    let program = &plan.tools["kubectl"];
    for list in objects {
        kubectl::apply(program, kubeconfig, &list)?;
    }
    match subnet {
        Some(_) => node::wait_until_ready(program, kubeconfig, children),
        None => Ok(()),
    }
}

/// Makes the rights of kube-proxy, which has a certificate here instead of a service account.
fn proxy_rights() -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "lab-kube-proxy"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:node-proxier"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "system:kube-proxy"}],
    })
}
