//! The sample apps as a worker reads them: a folder of `apps/`, with this lab's registry and images filled in.

use std::{collections::BTreeMap, fs, net::SocketAddr, path::Path};

use anyhow::{Context as _, Result};

use crate::machine::places;

/// A line that only makes sense where pods are real ends in this mark.
const REAL_PODS: &str = "@REAL_PODS@";

/// The mark of an image's place.
const IMAGE: &str = "@IMAGE:";

/// Which of the sample apps.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sample {
    /// One small program, with manifests of its own.
    Quick,
    /// A whole environment, from berth's own manifests.
    Full,
}

/// What is known only once a lab starts.
#[derive(Debug)]
pub(crate) struct Values<'a> {
    pub(crate) registry: SocketAddr,
    pub(crate) real_pods: bool,
    pub(crate) images: &'a BTreeMap<String, String>,
}

pub(crate) fn write(to: &Path, sample: Sample, values: &Values<'_>) -> Result<()> {
    let from = match sample {
        Sample::Quick => places::workspace().join("manifests/example"),
        Sample::Full => places::source().join("apps/full"),
    };
    copy(&from, to, &|text| fill_in(text, values))
}

fn fill_in(text: &str, values: &Values<'_>) -> Result<String> {
    let mut lines = String::new();
    for line in text.lines() {
        match line.split_once(&format!(" # {REAL_PODS}")) {
            Some((kept, _)) if values.real_pods => lines.push_str(kept),
            Some((first, _)) if first.trim() == "gates:" => lines.push_str("  gates: []"),
            Some(_) => continue,
            None => {
                lines.push_str(&with_image(line, values.images)?.replace("@REGISTRY@", &values.registry.to_string()))
            }
        }
        lines.push('\n');
    }
    Ok(lines)
}

/// `@IMAGE:temporal-ui@` is that image, addressed by digest.
fn with_image(line: &str, images: &BTreeMap<String, String>) -> Result<String> {
    let Some((before, rest)) = line.split_once(IMAGE) else { return Ok(line.to_owned()) };
    let (name, after) = rest.split_once('@').with_context(|| format!("reading the image's name in {line}"))?;
    let image = images.get(name).with_context(|| format!("looking for the image {name}"))?;
    Ok(format!("{before}{image}{after}"))
}

fn copy(from: &Path, to: &Path, change: &dyn Fn(&str) -> Result<String>) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("creating {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("reading {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target, change)?;
        } else {
            fs::write(&target, change(&fs::read_to_string(entry.path())?)?)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str =
        "images: [\"@REGISTRY@/acme/web\"]\npreview:\n  gates: # @REAL_PODS@\n    - name: web # @REAL_PODS@\n";

    fn filled(text: &str, real_pods: bool) -> Result<String> {
        let images = BTreeMap::from([("ui".to_owned(), "10.0.0.1:5000/ui:1@sha256:00".to_owned())]);
        fill_in(text, &Values { registry: "10.0.0.1:5000".parse().unwrap(), real_pods, images: &images })
    }

    #[test]
    fn the_registry_is_filled_in_and_gates_stay_where_pods_are_real() {
        let filled = filled(TEMPLATE, true).unwrap();
        assert_eq!(filled, "images: [\"10.0.0.1:5000/acme/web\"]\npreview:\n  gates:\n    - name: web\n");
    }

    #[test]
    fn there_are_no_gates_where_pods_are_fake() {
        assert!(filled(TEMPLATE, false).unwrap().ends_with("preview:\n  gates: []\n"));
    }

    #[test]
    fn an_image_is_filled_in_by_its_name_and_one_that_the_lab_lacks_is_refused() {
        assert_eq!(filled("UI: \"@IMAGE:ui@\"", true).unwrap(), "UI: \"10.0.0.1:5000/ui:1@sha256:00\"\n");
        assert!(filled("UI: \"@IMAGE:nope@\"", true).is_err());
    }
}
