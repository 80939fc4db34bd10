//! The sample apps as a worker reads them: the folder `apps/quick/`, with this lab's registry filled in.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};

use crate::places;

/// A line that only makes sense where pods are real ends in this mark.
const REAL_PODS: &str = "@REAL_PODS@";

pub(crate) fn write(to: &Path, registry: &str, real_pods: bool) -> Result<()> {
    copy(&places::source().join("apps/quick"), to, &|text| fill_in(text, registry, real_pods))
}

fn fill_in(text: &str, registry: &str, real_pods: bool) -> String {
    let mut lines = String::new();
    for line in text.lines() {
        match line.split_once(&format!(" # {REAL_PODS}")) {
            Some((kept, _)) if real_pods => lines.push_str(kept),
            Some((first, _)) if first.trim() == "gates:" => lines.push_str("  gates: []"),
            Some(_) => continue,
            None => lines.push_str(&line.replace("@REGISTRY@", registry)),
        }
        lines.push('\n');
    }
    lines
}

fn copy(from: &Path, to: &Path, change: &dyn Fn(&str) -> String) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("creating {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("reading {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target, change)?;
        } else {
            fs::write(&target, change(&fs::read_to_string(entry.path())?))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str =
        "images: [\"@REGISTRY@/acme/web\"]\npreview:\n  gates: # @REAL_PODS@\n    - name: web # @REAL_PODS@\n";

    #[test]
    fn the_registry_is_filled_in_and_gates_stay_where_pods_are_real() {
        let filled = fill_in(TEMPLATE, "10.0.0.1:5000", true);
        assert_eq!(filled, "images: [\"10.0.0.1:5000/acme/web\"]\npreview:\n  gates:\n    - name: web\n");
    }

    #[test]
    fn there_are_no_gates_where_pods_are_fake() {
        assert!(fill_in(TEMPLATE, "x", false).ends_with("preview:\n  gates: []\n"));
    }
}
