//! `cargo lab down`: ends labs, and cleans up dead ones.

use std::io::Write as _;

use anyhow::Result;

use super::up::UP;
use crate::{
    life::{clean, session},
    machine::files,
};

pub(crate) fn run(all: bool) -> Result<()> {
    let names = if all { files::all_names()? } else { vec![UP.to_owned()] };
    let mut ended = 0;
    for name in names {
        ended += usize::from(session::end(&name)?);
    }
    clean::sweep_dead()?;
    if ended == 0 {
        writeln!(std::io::stderr(), "lab: none was running")?;
    }
    if all { clean::check_clean() } else { Ok(()) }
}
