//! Outages: a part of a lab that is stopped on purpose, and starts again with its data.

use std::fs;

use anyhow::{Context as _, Result};
use rustix::process::Signal;

use crate::{
    life::state::State,
    machine::{
        children,
        files::Files,
        process::{self, ProcessId},
    },
};

/// Kills a part that the lab restarts, and keeps it down.
///
/// # Errors
/// It is down already.
pub(crate) fn begin(state: &State, part: &str) -> Result<()> {
    let stopped = Files::of_lab(&state.name)?.stopped(part);
    fs::write(&stopped, "").with_context(|| format!("writing {}", stopped.display()))?;
    let server = process_of(state, part)?;
    server.signal(Signal::KILL);
    process::wait_until_gone(&server)
}

/// Lets the lab start the part again.
///
/// # Errors
/// It was not stopped.
pub(crate) fn end(state: &State, part: &str) -> Result<()> {
    let stopped = Files::of_lab(&state.name)?.stopped(part);
    fs::remove_file(&stopped).with_context(|| format!("{part} was not stopped"))
}

/// The process of a part that runs.
pub(crate) fn process_of(state: &State, part: &str) -> Result<ProcessId> {
    running(state)?.into_iter().find(|process| process.name == part).with_context(|| format!("the lab runs no {part}"))
}

/// The processes of all parts.
pub(crate) fn running(state: &State) -> Result<Vec<ProcessId>> {
    Ok(children::read_record(&Files::of_lab(&state.name)?.processes()))
}
