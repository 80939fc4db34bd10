//! `cargo lab up`: a lab for trying berth.

use std::io::Write as _;

use anyhow::{Result, bail};
use clap::Args;

use super::{ending, options::ClusterOptions, status};
use crate::{
    life::{
        plan::{self, Request},
        session,
    },
    machine::files::Files,
    parts::cargo,
};

/// The name of the lab that `up` starts.
pub(super) const UP: &str = "up";

#[derive(Debug, Args)]
pub(crate) struct Up {
    #[command(flatten)]
    options: ClusterOptions,
    /// Return when the lab is ready; `cargo lab down` ends it
    #[arg(long)]
    detach: bool,
    /// Start no berth worker
    #[arg(long)]
    no_worker: bool,
    /// Add what whole environments need: a database server, an ingress controller, enforced network policies
    #[arg(long, conflicts_with_all = ["fake_nodes", "use_cluster"])]
    full: bool,
}

pub(crate) fn run(up: &Up) -> Result<()> {
    if Files::of_lab(UP)?.is_alive()? {
        bail!("a lab is up already: `cargo lab status` says where, `cargo lab down` ends it");
    }
    let session = session::join_or_start(UP, || {
        plan::make(Request {
            yes: up.options.yes,
            fake_nodes: up.options.fake_nodes,
            service_network: true,
            use_cluster: up.options.use_cluster,
            full: up.full,
            worker: if up.no_worker { None } else { Some(cargo::berth()?) },
            detached: up.detach,
            ..Request::named(UP)
        })
    })?;
    write!(std::io::stdout(), "{}", status::describe(&session.state))?;
    if up.detach {
        writeln!(std::io::stderr(), "lab: up. `eval \"$(cargo lab env)\"` to use it, `cargo lab down` to end it")?;
        return Ok(());
    }
    writeln!(std::io::stderr(), "lab: up, until Ctrl-C. `eval \"$(cargo lab env)\"` in another shell to use it")?;
    ending::wait_for_ctrl_c(&session.state)?;
    drop(session);
    ending::end_and_check(UP)
}
