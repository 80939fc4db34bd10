//! `kubectl`, and what it does as the cluster's administrator.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::{
    machine::process,
    parts::{self, Part},
};

/// The path of the kubectl that the lab uses, fetched once.
pub fn kubectl() -> Result<PathBuf> {
    parts::ensure(&[Part::Kubectl])?.remove(Part::Kubectl.program()).context("looking for kubectl")
}

/// Applies a list of objects, server-side.
pub(crate) fn apply(kubectl: &Path, kubeconfig: &Path, objects: &Value) -> Result<()> {
    let mut command = Command::new(kubectl);
    command.arg("--kubeconfig").arg(kubeconfig).args(["apply", "--server-side", "--filename", "-"]);
    process::output_with_input(&mut command, &objects.to_string())?;
    Ok(())
}
