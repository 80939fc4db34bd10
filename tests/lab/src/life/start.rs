//! Starting the parts of a lab in order, and filling the cluster with its first objects.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
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
        doppler, registry, temporal,
    },
};

/// Starts all parts of a lab, and waits until all are ready.
pub(crate) fn start_all(plan: &Plan, data: &Path, children: &mut Children) -> Result<State> {
    let subnet = plan.real_node.then(Subnet::free).transpose()?;
    // Pods reach servers on the machine's end of the veth pair. Without a node, loopback is enough.
    let reachable = subnet.map_or(Ipv4Addr::LOCALHOST, Subnet::host);
    let registry_address = registry::address(reachable)?;

    let cluster = match &plan.existing_kubeconfig {
        Some(_) => None,
        None => {
            let node = subnet.map(node::address);
            Some(ControlPlane::prepare(data, subnet.map(Subnet::host), node)?)
        }
    };
    if let (Some(subnet), Some(cluster)) = (subnet, &cluster) {
        node::start(data, subnet, registry_address, &cluster.certificates, &plan.tools, children)?;
    }
    let (temporal_address, temporal_ui) = start_temporal(plan, data, children)?;
    let temporal_for_pods = SocketAddr::new(reachable.into(), temporal_address.frontend.port());
    if subnet.is_some() {
        relay::start(temporal_for_pods, temporal_address.frontend)?;
    }
    let doppler_url = format!("http://{}", doppler::start(reachable)?);
    let images = registry::start(data, registry_address, &plan.tools, &plan.layouts, children)?;
    let kubeconfig = match (&cluster, &plan.existing_kubeconfig) {
        (Some(cluster), _) => {
            cluster.start(data, &plan.tools, plan.restarts, children)?;
            cluster.kubeconfig.clone()
        }
        (None, Some(existing)) => existing.clone(),
        (None, None) => bail!("a lab needs a cluster"),
    };
    furnish(plan, data, subnet, &kubeconfig, children)?;
    let full = match (plan.full, subnet.zip(cluster.as_ref())) {
        (true, Some((subnet, cluster))) => {
            let traefik = images.get("traefik").context("looking for the ingress controller's image")?;
            let node = (subnet, &cluster.certificates);
            Some(full::start(plan, data, node, (&kubeconfig, traefik), children)?)
        }
        (true, None) => bail!("a full lab needs a real node"),
        (false, _) => None,
    };

    let apps_dir = data.join("apps");
    let sample = if plan.full { Sample::Full } else { Sample::Quick };
    apps::write(&apps_dir, sample, &Values { registry: registry_address, real_pods: plan.real_node, images: &images })?;
    wait_for_temporal(plan, &temporal_address, children)?;
    let mut state = State {
        name: plan.name.clone(),
        supervisor: ProcessId::new("supervisor", std::process::id()),
        worker_kubeconfig: match &cluster {
            Some(cluster) => cluster.certificates.kubeconfig("worker"),
            None => kubeconfig.clone(),
        },
        audit_log: cluster.map_or_else(|| data.join("no-audit.log"), |cluster| cluster.audit_log),
        temporal_address: temporal_address.frontend.to_string(),
        temporal_address_for_pods: temporal_for_pods.to_string(),
        registry: registry_address.to_string(),
        real_pods: plan.real_node,
        fake_nodes: plan.fake_nodes,
        tools: plan.tools.clone(),
        logs: data.join("logs"),
        worker: false,
        kubeconfig,
        temporal_ui,
        doppler_url,
        apps_dir,
        images,
        full,
    };
    worker::start(plan, &mut state, children)?;
    Ok(state)
}

fn start_temporal(plan: &Plan, data: &Path, children: &mut Children) -> Result<(temporal::Addresses, String)> {
    let addresses = temporal::Addresses::free()?;
    let mut command = children.command("temporal", &plan.tools["temporal"])?;
    command.args(addresses.arguments());
    if plan.restarts {
        command.arg("--db-filename").arg(data.join("temporal.db"));
        // Data survives a kill of the process, but not a crash of the machine.
        command.args(["--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=off"]);
        children.start_with_restarts("temporal", command)?;
    } else {
        children.start("temporal", command)?;
    }
    Ok((addresses, addresses.ui_url()))
}

fn wait_for_temporal(plan: &Plan, addresses: &temporal::Addresses, children: &mut Children) -> Result<()> {
    let program = &plan.tools["temporal"];
    children.wait_until("temporal", Duration::from_secs(60), || temporal::answers(program, addresses))
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
