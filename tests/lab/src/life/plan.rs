//! Planning a lab: the kind that this machine can have, and the parts for it.

use std::{env, io::Write as _, path::PathBuf};

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use crate::{
    cluster::{existing, node},
    images,
    machine::files::Files,
    parts::{self, Part, Tools},
};

/// The plan of a lab: written by the process that starts it, read by its supervisor.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) name: String,
    pub(crate) real_node: bool,
    pub(crate) fake_nodes: u32,
    pub(crate) tools: Tools,
    pub(crate) kwok_stages: Option<PathBuf>,
    /// The kubeconfig of an existing cluster, which is neither started nor stopped.
    pub(crate) existing_kubeconfig: Option<PathBuf>,
    /// The `berth` program for a worker in the lab, if there is to be one.
    pub(crate) worker: Option<PathBuf>,
    /// Whether it runs until it is stopped. Otherwise it ends `linger_seconds` after its last user.
    pub(crate) detached: bool,
    pub(crate) linger_seconds: u64,
    /// Whether Temporal, the API server and the worker are restarted when they end, without loss of data.
    pub(crate) restarts: bool,
    /// Whether whole environments run in it: with a database server, an ingress controller, enforced network policies.
    pub(crate) full: bool,
    /// The OCI layouts of a full lab's images, from [`crate::images::ensure_full`].
    pub(crate) layouts: Vec<PathBuf>,
    /// Whether it waits for another lab to release the one real node, instead of failing.
    pub(crate) waits_for_node: bool,
}

/// A request for a lab.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) name: &'static str,
    /// Consent to installing Debian packages.
    pub(crate) yes: bool,
    /// Fake nodes instead of a real one.
    pub(crate) fake_nodes: Option<u32>,
    /// DNS and Services inside the cluster.
    pub(crate) service_network: bool,
    pub(crate) use_cluster: bool,
    pub(crate) worker: Option<PathBuf>,
    pub(crate) detached: bool,
    pub(crate) linger_seconds: u64,
    /// See [`Plan::restarts`].
    pub(crate) restarts: bool,
    /// See [`Plan::full`]. It needs a real node with Services.
    pub(crate) full: bool,
    /// See [`Plan::waits_for_node`].
    pub(crate) waits_for_node: bool,
}

impl Request {
    /// A minimal lab that ends with its last user.
    pub(crate) fn named(name: &'static str) -> Self {
        Self {
            name,
            yes: false,
            fake_nodes: None,
            service_network: false,
            use_cluster: false,
            worker: None,
            detached: false,
            linger_seconds: 0,
            restarts: false,
            full: false,
            waits_for_node: false,
        }
    }

    /// A lab that successive test binaries share, and in which they may kill a part.
    pub(crate) fn for_tests(name: &'static str) -> Self {
        Self { linger_seconds: LINGER_SECONDS, restarts: true, waits_for_node: true, ..Self::named(name) }
    }
}

/// Test binaries that follow one another within this time share a lab.
const LINGER_SECONDS: u64 = 5;
/// The number of fake nodes where there can be no real one.
const DEFAULT_FAKE_NODES: u32 = 3;

/// Decides on the kind of lab, and gets its parts.
pub(crate) fn make(request: Request) -> Result<Plan> {
    let request = Request { service_network: request.service_network || request.full, ..request };
    if request.full {
        check_full_possible(&request)?;
    }
    let real_node = !request.use_cluster && request.fake_nodes.is_none() && real_node_possible(&request)?;
    let fake_nodes = match (request.use_cluster, real_node) {
        (true, _) => 0,
        (_, true) => request.fake_nodes.unwrap_or(0),
        (_, false) => request.fake_nodes.unwrap_or(DEFAULT_FAKE_NODES),
    };
    let tools = parts::ensure(&needed(&request, real_node, fake_nodes))?;
    let layouts = if request.full { images::ensure_full(&tools, request.yes)? } else { Vec::new() };
    let existing_kubeconfig = match request.use_cluster {
        true => {
            let file = Files::of_lab(request.name)?.existing_kubeconfig();
            existing::write_kubeconfig(&tools["kubectl"], &file)?;
            Some(file)
        }
        false => None,
    };
    Ok(Plan {
        name: request.name.to_owned(),
        real_node,
        fake_nodes,
        kwok_stages: (fake_nodes > 0).then(parts::kwok_stages).transpose()?,
        tools,
        existing_kubeconfig,
        worker: request.worker,
        detached: request.detached,
        linger_seconds: request.linger_seconds,
        restarts: request.restarts,
        full: request.full,
        layouts,
        waits_for_node: request.waits_for_node,
    })
}

fn needed(request: &Request, real_node: bool, fake_nodes: u32) -> Vec<Part> {
    let mut needed = vec![Part::Temporal, Part::Kubectl];
    needed.extend(Part::IMAGES);
    if !request.use_cluster {
        needed.extend(Part::CONTROL_PLANE);
    }
    if real_node {
        needed.push(Part::Kubelet);
        if request.service_network {
            needed.extend(Part::SERVICE_NETWORK);
        }
        if request.full {
            needed.extend(Part::FULL);
        }
    }
    if fake_nodes > 0 {
        needed.push(Part::Kwok);
    }
    needed.sort();
    needed.dedup();
    needed
}

/// Whether this machine can have a full lab. If not, the reason is printed on stderr.
pub(crate) fn can_be_full(request: &Request) -> bool {
    let possible = check_full_possible(request);
    if let Err(reason) = &possible {
        let _ = writeln!(std::io::stderr(), "lab: {reason:#}");
    }
    possible.is_ok()
}

/// Checks that this machine can have a full lab. Fake nodes are no substitute.
fn check_full_possible(request: &Request) -> Result<()> {
    if request.use_cluster || request.fake_nodes.is_some() {
        bail!("a full lab needs a real node of its own");
    }
    if let Some(reason) = node::obstacle() {
        bail!("a full lab needs a real node, and there can be none here: {reason}");
    }
    let packages = parts::packages_for_a_full_lab();
    if !packages.ensure(request.yes)? {
        bail!("a full lab needs Debian packages; to have them installed pass --yes, or run: {}", packages.command());
    }
    Ok(())
}

/// Whether this machine can have a real node. If not, the reason and the consequences are printed on stderr.
fn real_node_possible(request: &Request) -> Result<bool> {
    let mut terminal = std::io::stderr();
    let without = "Fake nodes instead: objects, controllers and workflows are real, but no container runs, \
                   so images are not pulled, pages not served and gates not checked.";
    if let Some(reason) = node::obstacle() {
        writeln!(terminal, "lab: no real pods here: {reason}. {without}")?;
        return Ok(false);
    }
    let packages = parts::packages_for(request.service_network);
    if packages.ensure(request.yes)? {
        return Ok(true);
    }
    writeln!(
        terminal,
        "lab: no real pods: Debian packages are missing. {without}\nlab: For real pods, run this or pass --yes:"
    )?;
    writeln!(terminal, "  {}", packages.command())?;
    Ok(false)
}

/// Whether an environment variable is set to 1.
pub(crate) fn is_set(name: &str) -> bool {
    env::var_os(name).is_some_and(|value| value == "1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plan_needs_only_the_parts_that_are_used() {
        let demo = needed(&Request::named("test"), true, 0);
        assert!(demo.contains(&Part::Kubelet));
        assert!(![Part::Kwok, Part::KubeProxy, Part::Dns].iter().any(|part| demo.contains(part)));
        assert!(![Part::KubeRouter, Part::TemporalServer].iter().any(|part| demo.contains(part)));
        let fake = needed(&Request::named("test"), false, 3);
        assert!(fake.contains(&Part::Kwok) && !fake.contains(&Part::Kubelet));
        let existing = needed(&Request { use_cluster: true, ..Request::named("test") }, false, 0);
        assert!(existing.contains(&Part::Kubectl) && !existing.contains(&Part::Etcd));
    }
}
