//! The sample apps as a worker reads them: a copy of each, with this lab's registry, hosts and images.

use std::{collections::BTreeMap, fs, net::SocketAddr, path::Path};

use anyhow::{Context as _, Result, ensure};

use crate::machine::folders;

/// The registry and domain in the sample apps, which a copy replaces with the lab's own.
const REGISTRY: &str = "registry.example.com";
const DOMAIN: &str = ".example.com";
const LAB_DOMAIN: &str = ".localhost";

/// The scripts of the quick sample app, and those of the program that stands for it in a lab.
const SCRIPTS: &str = "prefix: \"npm run run:\", allow: [send-appointment-reminder]";
const LAB_SCRIPTS: &str = "prefix: \"/app run:\", allow: [say-greeting, fail, wait, missing]";

/// The begin of an image's placeholder.
const IMAGE: &str = "@IMAGE:";

/// A sample app.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sample {
    /// A small program, with manifests of its own: `manifests/example`.
    Quick,
    /// A whole environment, from berth's manifests.
    Full,
}

/// Facts that are known only once a lab starts.
#[derive(Debug)]
pub(crate) struct Values<'a> {
    pub(crate) registry: SocketAddr,
    pub(crate) real_pods: bool,
    pub(crate) images: &'a BTreeMap<String, String>,
}

pub(crate) fn write(to: &Path, sample: Sample, values: &Values<'_>) -> Result<()> {
    match sample {
        Sample::Quick => {
            let example = folders::workspace().join("manifests/example");
            copy(&example, to, &|text| Ok(localized(text, values)))?;
            use_lab_scripts(&to.join("web.yaml"))
        }
        Sample::Full => copy(&folders::source().join("apps/full"), to, &|text| with_images(text, values)),
    }
}

/// The text with the lab's registry and domain, and without gates where no container runs to pass them.
fn localized(text: &str, values: &Values<'_>) -> String {
    let text = text.replace(REGISTRY, &values.registry.to_string()).replace(DOMAIN, LAB_DOMAIN);
    if values.real_pods { text } else { without_gates(&text) }
}

fn use_lab_scripts(app: &Path) -> Result<()> {
    let text = fs::read_to_string(app).with_context(|| format!("reading {}", app.display()))?;
    ensure!(text.contains(SCRIPTS), "{} lacks the scripts that the lab replaces: {SCRIPTS}", app.display());
    fs::write(app, text.replace(SCRIPTS, LAB_SCRIPTS)).with_context(|| format!("writing {}", app.display()))
}

/// Leaves out each `gates:` and the lines below it that are indented further.
fn without_gates(text: &str) -> String {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut kept = String::new();
    let mut gates: Option<usize> = None;
    for line in text.lines() {
        gates = gates.filter(|gates| indent(line) > *gates);
        if line.trim() == "gates:" {
            gates = Some(indent(line));
        }
        if gates.is_none() {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

fn with_images(text: &str, values: &Values<'_>) -> Result<String> {
    let lines: Result<Vec<_>> = text.lines().map(|line| with_image(line, values.images)).collect();
    Ok(localized(&lines?.join("\n"), values) + "\n")
}

/// Replaces a placeholder such as `@IMAGE:temporal-ui@` with that image, addressed by digest.
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

    const APP: &str = "\
images: [registry.example.com/acme/web]
preview:
  host: pr-{pr}.example.com
  gates:
    - name: web
      http: { port: 8080 }
  scripts: {}
";

    fn values(real_pods: bool, images: &BTreeMap<String, String>) -> Values<'_> {
        Values { registry: "10.0.0.1:5000".parse().unwrap(), real_pods, images }
    }

    #[test]
    fn a_copy_has_the_lab_registry_and_domain() {
        let text = localized(APP, &values(true, &BTreeMap::new()));
        assert!(text.starts_with("images: [10.0.0.1:5000/acme/web]\npreview:\n  host: pr-{pr}.localhost\n"), "{text}");
        assert!(text.contains("  gates:\n    - name: web\n"), "{text}");
    }

    #[test]
    fn gates_are_left_out_where_pods_are_fake() {
        let text = localized(APP, &values(false, &BTreeMap::new()));
        assert!(text.ends_with("  host: pr-{pr}.localhost\n  scripts: {}\n"), "{text}");
    }

    #[test]
    fn the_quick_app_has_no_example_name_left() {
        let folder = std::env::temp_dir().join(format!("berth-lab-apps-{}", std::process::id()));
        for real_pods in [true, false] {
            write(&folder, Sample::Quick, &values(real_pods, &BTreeMap::new())).unwrap();
            let app = fs::read_to_string(folder.join("web.yaml")).unwrap();
            assert!(!app.contains("example.com") && app.contains(LAB_SCRIPTS), "{app}");
            assert_eq!(app.contains("gates:"), real_pods, "{app}");
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn an_image_is_filled_in_by_its_name() {
        let images = BTreeMap::from([("ui".to_owned(), "10.0.0.1:5000/ui:1@sha256:00".to_owned())]);
        let filled = |text: &str| with_images(text, &values(true, &images));
        assert_eq!(filled("UI: \"@IMAGE:ui@\"\n").unwrap(), "UI: \"10.0.0.1:5000/ui:1@sha256:00\"\n");
        assert!(filled("UI: \"@IMAGE:nope@\"").is_err(), "an image that the lab lacks");
    }
}
