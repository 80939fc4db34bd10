//! `cargo lab parts`: builds and fetches the parts of a lab, without starting one.

use std::io::Write as _;

use anyhow::Result;
use clap::Args;

use crate::{
    life::plan::{self, Request},
    machine::folders,
};

const PARTS: &str = "parts";

#[derive(Debug, Args)]
pub(crate) struct Parts {
    /// Install missing Debian packages without asking; CI=true means the same
    #[arg(long, env = "BERTH_LAB_YES", value_parser = clap::builder::FalseyValueParser::new())]
    yes: bool,
    /// Leave out what only whole environments need: Temporal's server, an ingress controller, their images
    #[arg(long)]
    quick: bool,
}

/// Gets the parts of every lab that this machine can have.
pub(crate) fn run(parts: &Parts) -> Result<()> {
    let request = Request { yes: parts.yes, service_network: true, ..Request::named(PARTS) };
    plan::make(Request { full: !parts.quick && plan::can_be_full(&request), ..request })?;
    writeln!(std::io::stdout(), "all parts are in {}", folders::cache()?.join("parts").display())?;
    Ok(())
}
