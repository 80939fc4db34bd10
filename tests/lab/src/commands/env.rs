//! `cargo lab env`: shell exports that point a person's tools at the lab.

use std::{env, io::Write as _, path::Path};

use anyhow::{Context as _, Result};

use super::up::UP;
use crate::{
    life::state::State,
    machine::files::{self, Files},
};

pub(crate) fn run() -> Result<()> {
    let state = running_lab()?;
    let mut out = std::io::stdout();
    let exports = [
        ("KUBECONFIG", state.kubeconfig.display().to_string()),
        ("TEMPORAL_ADDRESS", state.temporal_address.clone()),
        ("DOPPLER_API_HOST", state.doppler_url.clone()),
        ("BERTH_APPS", state.apps_dir.display().to_string()),
        ("PATH", path_with_tools(&state)?),
    ];
    for (name, value) in exports {
        writeln!(out, "export {name}={}", quoted(&value))?;
    }
    for (variant, image) in &state.images {
        let name = variant.to_uppercase().replace('-', "_");
        writeln!(out, "export BERTH_LAB_IMAGE_{name}={}", quoted(image))?;
    }
    Ok(())
}

/// A PATH with the lab's kubectl and temporal first, and the workspace's built binaries.
fn path_with_tools(state: &State) -> Result<String> {
    let ours = ["kubectl", "temporal"].iter().filter_map(|tool| state.tools.get(*tool)?.parent().map(Path::to_owned));
    let own = env::current_exe()?;
    let built = own.parent().context("finding the build folder")?.to_owned();
    let rest = env::var_os("PATH").unwrap_or_default();
    let joined = env::join_paths(ours.chain([built]).chain(env::split_paths(&rest)))?;
    Ok(joined.to_string_lossy().into_owned())
}

/// Quotes a value for a POSIX shell.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

fn running_lab() -> Result<State> {
    let mut names = files::all_names()?;
    names.sort_by_key(|name| name != UP);
    let running = names.iter().filter_map(|name| {
        let files = Files::of_lab(name).ok()?;
        files.is_alive().ok()?.then(|| State::read(&files))?
    });
    running.into_iter().next().context("no lab runs: start one with `cargo lab up --detach`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_value_is_one_word_for_a_shell() {
        assert_eq!(quoted("/home/o'neil/a b"), r"'/home/o'\''neil/a b'");
    }
}
