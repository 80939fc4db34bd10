//! Deciding what kind of lab this machine can have, and getting the parts for just that.

use std::{env, io::Write as _, path::PathBuf};

use anyhow::{Result, bail};

use crate::{
    cluster::{existing, node},
    images,
    life::state::Plan,
    machine::files::Files,
    parts::{self, Part},
};

/// What somebody asked for.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(crate) name: &'static str,
    /// Consent to installing Debian packages.
    pub(crate) yes: bool,
    /// Fake nodes instead of a real one.
    pub(crate) fake_nodes: Option<u32>,
    /// Names and Services that work inside the cluster.
    pub(crate) service_network: bool,
    pub(crate) use_cluster: bool,
    pub(crate) worker: Option<PathBuf>,
    pub(crate) detached: bool,
    pub(crate) linger_seconds: u64,
    /// See [`Plan::restarts`].
    pub(crate) restarts: bool,
    /// See [`Plan::full`]. It needs a real node, whose Services work.
    pub(crate) full: bool,
    /// See [`Plan::waits_for_node`].
    pub(crate) waits_for_node: bool,
}

impl Wish {
    /// A lab that starts nothing unasked, and ends with its last user.
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

    /// One that test binaries which follow one another share, and in which they may end a part.
    pub(crate) fn of_tests(name: &'static str) -> Self {
        Self { linger_seconds: LINGER_SECONDS, restarts: true, waits_for_node: true, ..Self::named(name) }
    }
}

/// Test binaries that follow one another within this time meet the same lab.
const LINGER_SECONDS: u64 = 5;
/// How many fake nodes stand in for a real one that cannot be had.
const INSTEAD: u32 = 3;

pub(crate) fn plan(wish: Wish) -> Result<Plan> {
    let wish = Wish { service_network: wish.service_network || wish.full, ..wish };
    if wish.full {
        full_possible(&wish)?;
    }
    let real_node = !wish.use_cluster && wish.fake_nodes.is_none() && real_node_possible(&wish)?;
    let fake_nodes = match (wish.use_cluster, real_node) {
        (true, _) => 0,
        (_, true) => wish.fake_nodes.unwrap_or(0),
        (_, false) => wish.fake_nodes.unwrap_or(INSTEAD),
    };
    let tools = parts::ensure(&needed(&wish, real_node, fake_nodes))?;
    let layouts = if wish.full { images::ensure_full(&tools, wish.yes)? } else { Vec::new() };
    let existing_kubeconfig = match wish.use_cluster {
        true => {
            let file = Files::of_lab(wish.name)?.existing_kubeconfig();
            existing::write_kubeconfig(&tools["kubectl"], &file)?;
            Some(file)
        }
        false => None,
    };
    Ok(Plan {
        name: wish.name.to_owned(),
        real_node,
        fake_nodes,
        kwok_stages: (fake_nodes > 0).then(parts::kwok_stages).transpose()?,
        tools,
        existing_kubeconfig,
        worker: wish.worker,
        detached: wish.detached,
        linger_seconds: wish.linger_seconds,
        restarts: wish.restarts,
        full: wish.full,
        layouts,
        waits_for_node: wish.waits_for_node,
    })
}

fn needed(wish: &Wish, real_node: bool, fake_nodes: u32) -> Vec<Part> {
    let mut needed = vec![Part::Temporal, Part::Kubectl];
    needed.extend(Part::IMAGES);
    if !wish.use_cluster {
        needed.extend(Part::CONTROL_PLANE);
    }
    if real_node {
        needed.push(Part::Kubelet);
        if wish.service_network {
            needed.extend(Part::SERVICE_NETWORK);
        }
        if wish.full {
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

/// Nothing stands in for what a full lab has.
pub(crate) fn full_possible(wish: &Wish) -> Result<()> {
    if wish.use_cluster || wish.fake_nodes.is_some() {
        bail!("a full lab needs a real node of its own");
    }
    if let Some(reason) = node::obstacle() {
        bail!("a full lab needs a real node, and there can be none here: {reason}");
    }
    let packages = parts::packages_for_a_full_lab();
    if !packages.ensure(wish.yes)? {
        bail!("a full lab needs Debian packages; to have them installed pass --yes, or run: {}", packages.command());
    }
    Ok(())
}

/// Says why not, and what is left out then.
fn real_node_possible(wish: &Wish) -> Result<bool> {
    let mut terminal = std::io::stderr();
    let without = "Fake nodes instead: objects, controllers and workflows are real, but no container runs, \
                   so images are not pulled, pages not served and gates not checked.";
    if let Some(reason) = node::obstacle() {
        writeln!(terminal, "lab: no real pods here: {reason}. {without}")?;
        return Ok(false);
    }
    let packages = parts::packages_for(wish.service_network);
    if packages.ensure(wish.yes)? {
        return Ok(true);
    }
    writeln!(
        terminal,
        "lab: no real pods: Debian packages are missing. {without}\nlab: For real pods, run this or pass --yes:"
    )?;
    writeln!(terminal, "  {}", packages.command())?;
    Ok(false)
}

/// An environment variable that says yes.
pub(crate) fn told(name: &str) -> bool {
    env::var_os(name).is_some_and(|value| value == "1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_used_is_got() {
        let demo = needed(&Wish::named("test"), true, 0);
        assert!(demo.contains(&Part::Kubelet));
        assert!(![Part::Kwok, Part::KubeProxy, Part::Dns].iter().any(|part| demo.contains(part)));
        assert!(![Part::KubeRouter, Part::TemporalServer].iter().any(|part| demo.contains(part)));
        let fake = needed(&Wish::named("test"), false, 3);
        assert!(fake.contains(&Part::Kwok) && !fake.contains(&Part::Kubelet));
        let brought = needed(&Wish { use_cluster: true, ..Wish::named("test") }, false, 0);
        assert!(brought.contains(&Part::Kubectl) && !brought.contains(&Part::Etcd));
    }
}
