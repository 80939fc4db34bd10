//! The end of a command that holds a lab: waiting for Ctrl-C, and checking that nothing is left.

use std::{fs, sync::atomic::Ordering, thread, time::Duration};

use anyhow::{Result, bail};

use crate::{
    life::{clean, session, state::State, supervisor},
    machine::files::{self, Files},
};

/// Waits for Ctrl-C. Fails if the lab ends before.
pub(crate) fn wait_for_ctrl_c(state: &State) -> Result<()> {
    let stop = supervisor::stop_on_signal()?;
    while !stop.load(Ordering::Relaxed) {
        if !state.supervisor.is_alive() {
            let failure = fs::read_to_string(Files::of_lab(&state.name)?.failure()).unwrap_or_default();
            bail!("the lab has ended: {failure}");
        }
        thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// Ends a lab, and fails if it leaves something behind. The check is skipped while other labs run.
pub(crate) fn end_and_check(lab: &str) -> Result<()> {
    session::end(lab)?;
    for name in files::all_names()? {
        if Files::of_lab(&name)?.is_alive()? {
            return Ok(());
        }
    }
    clean::check_clean()
}
