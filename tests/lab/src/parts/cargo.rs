//! Binaries of this workspace, built by cargo when needed: a library's test does not build the library's binary.

use std::{
    env,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

use crate::machine::folders;

/// The `lab` program: the one that this process runs, or else a built one.
pub(crate) fn lab() -> Result<PathBuf> {
    let own = env::current_exe()?;
    match own.file_name().is_some_and(|name| name == "lab") {
        true => Ok(own),
        false => build("berth-lab", "lab"),
    }
}

pub(crate) fn berth() -> Result<PathBuf> {
    build("berth", "berth")
}

/// Builds a binary and answers its path, which cargo prints on stdout. Cargo's progress goes to stderr.
fn build(package: &str, binary: &str) -> Result<PathBuf> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // Variables that cargo set for this process would make build scripts run again, and half of the dependencies rebuild.
    env::vars_os().filter(|(name, _)| is_set_by_cargo(&name.to_string_lossy())).for_each(|(name, _)| {
        cargo.env_remove(name);
    });
    let output = cargo
        .args(["build", "--locked", "--package", package, "--bin", binary, "--message-format=json-render-diagnostics"])
        .current_dir(folders::workspace())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("running cargo")?;
    if !output.status.success() {
        bail!("building {binary} failed: cargo's messages are above");
    }
    executable(&String::from_utf8_lossy(&output.stdout), binary)
        .with_context(|| format!("looking for {binary} in what cargo built"))
}

fn is_set_by_cargo(variable: &str) -> bool {
    ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"]
        .iter()
        .any(|prefix| variable.starts_with(prefix))
}

fn executable(messages: &str, binary: &str) -> Option<PathBuf> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let built = messages.filter(|message| message["target"]["name"] == binary);
    built.filter_map(|message| Some(PathBuf::from(message["executable"].as_str()?))).next_back()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executable_is_read_from_cargo_messages() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"lab"},"executable":null}
{"reason":"compiler-artifact","target":{"name":"lab"},"executable":"/t/debug/lab"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(executable(messages, "lab"), Some(PathBuf::from("/t/debug/lab")));
        assert_eq!(executable(messages, "berth"), None);
    }
}
