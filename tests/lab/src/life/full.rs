//! The additions of a full lab: enforced network policies, a database server for previews, an ingress controller.

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::{
    cluster::{certificates::Certificates, ingress, kubectl::apply, node},
    life::{
        plan::Plan,
        state::{Full, State},
    },
    machine::{children::Children, subnet::Subnet},
    services::database,
};

/// Starts the additions on a running cluster whose registry has the images, and waits until all of them work.
pub(crate) fn start(
    plan: &Plan,
    data: &Path,
    (subnet, certificates): (Subnet, &Certificates),
    (kubeconfig, traefik): (&Path, &str),
    children: &mut Children,
) -> Result<Full> {
    let kubectl = &plan.tools["kubectl"];
    for objects in [node::rights_to_policies(), ingress::objects(traefik, subnet)] {
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
    Ok(Full { ingress: ingress::open(subnet)?, postgres, dns: subnet.host(), database_servers })
}

/// The additions of a lab that must be a full one.
pub(crate) fn additions_of(state: &State) -> Result<&Full> {
    state.full.as_ref().with_context(|| format!("the lab `{}` is not a full one", state.name))
}
