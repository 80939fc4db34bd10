//! `kubectl`, as the cluster's administrator.

use std::{path::Path, process::Command};

use anyhow::Result;
use serde_json::Value;

use crate::machine::process;

/// Applies a list of objects, server-side.
pub(crate) fn apply(kubectl: &Path, kubeconfig: &Path, objects: &Value) -> Result<()> {
    let mut command = Command::new(kubectl);
    command.arg("--kubeconfig").arg(kubeconfig).args(["apply", "--server-side", "--filename", "-"]);
    process::output_with_input(&mut command, &objects.to_string())?;
    Ok(())
}
