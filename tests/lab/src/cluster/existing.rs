//! An existing cluster: used on request only, and only if its owner has labelled it for labs.

use std::{io::Write as _, path::Path, process::Command};

use anyhow::{Result, bail};

use crate::machine::{files, process};

/// Writes kubectl's current context, and nothing else of the kubeconfig, to a file of the lab's own.
///
/// # Errors
/// The cluster is not labelled for labs.
pub(crate) fn write_kubeconfig(kubectl: &Path, to: &Path) -> Result<()> {
    let context = process::output(Command::new(kubectl).args(["config", "current-context"]))?;
    let mut terminal = std::io::stderr();
    writeln!(terminal, "lab: using the cluster of the current context, {}", context.trim())?;
    let label = "jsonpath={.metadata.labels.berth\\.dev/lab}";
    let consent = process::output(Command::new(kubectl).args(["get", "namespace", "kube-system", "--output", label]))?;
    if consent != "yes" {
        bail!(
            "the cluster of context {} is not labelled for labs, so it is left alone. If it may be used: \
             kubectl label namespace kube-system berth.dev/lab=yes",
            context.trim()
        );
    }
    let config = process::output(Command::new(kubectl).args(["config", "view", "--minify", "--flatten", "--raw"]))?;
    files::write_private(to, &config)
}
