//! What a full lab has beyond a cluster: policies that hold, a database server that previews share, an ingress controller.

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::{
    cluster::{certificates::Certificates, ingress, kubectl::apply, node},
    life::state::{Full, Plan, State},
    machine::{children::Children, subnet::Subnet},
    services::database,
};

/// Of a cluster that runs, and holds its images. Answers when all of it does what it is for.
pub(crate) fn start(
    plan: &Plan,
    data: &Path,
    (subnet, certificates): (Subnet, &Certificates),
    (kubeconfig, traefik): (&Path, &str),
    children: &mut Children,
) -> Result<Full> {
    let kubectl = &plan.tools["kubectl"];
    for objects in [node::rights_to_policies(), ingress::objects(traefik)] {
        apply(kubectl, kubeconfig, &objects)?;
    }
    // The ingress controller's image is pulled meanwhile.
    node::enforce_policies(subnet, certificates, &plan.tools, children)?;
    let (postgres, authority) = database::start(&plan.name, subnet.host(), children)?;
    apply(kubectl, kubeconfig, &database::admin(&authority))?;
    let database_servers = database::write_servers(data, postgres)?;
    children
        .wait_until("node", ingress::READY_WITHIN, || ingress::answers(subnet))
        .context("waiting for the ingress controller")?;
    Ok(Full { ingress: ingress::open(subnet)?, postgres, database_servers })
}

/// Of a lab that must be a full one.
pub(crate) fn of(state: &State) -> Result<&Full> {
    state.full.as_ref().with_context(|| format!("the lab `{}` is no full one", state.name))
}
