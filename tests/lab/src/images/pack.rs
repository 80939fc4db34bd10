//! The input of the program `pack`, and the OCI layouts that it makes.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use anyhow::{Context as _, Result};
use serde::Serialize;
use serde_json::Value;

use crate::{
    machine::process,
    parts::{
        Progress,
        cache::{self, BuildFolder, Key},
    },
};

/// Images with the same layers, packed into one layout.
#[derive(Debug, Serialize)]
pub(super) struct Spec {
    /// The layout's name in the cache.
    #[serde(skip)]
    pub(super) name: &'static str,
    #[serde(skip)]
    pub(super) version: String,
    pub(super) layers: Vec<Vec<Entry>>,
    pub(super) images: Vec<Image>,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct Image {
    /// The name for [`Lab::image`](crate::Lab::image).
    pub(super) name: String,
    /// Repository and tag, without the registry.
    pub(super) reference: String,
    pub(super) entrypoint: Vec<&'static str>,
    pub(super) cmd: Vec<&'static str>,
    pub(super) env: Vec<String>,
    pub(super) working_dir: &'static str,
}

/// An entry of a layer.
#[derive(Debug, Default, Serialize)]
pub(super) struct Entry {
    to: String,
    from: String,
    text: String,
    link: String,
    mode: u32,
}

impl Entry {
    /// A file or folder of this machine. Its path in the cache stands for its content, and is part of the key.
    pub(super) fn copy(from: &Path, to: impl Into<String>) -> Self {
        Self { to: to.into(), from: from.display().to_string(), ..Self::default() }
    }

    pub(super) fn program(from: &Path, to: impl Into<String>) -> Self {
        Self { mode: 0o755, ..Self::copy(from, to) }
    }

    pub(super) fn text(to: &str, text: &str) -> Self {
        Self { to: to.to_owned(), text: text.to_owned(), mode: 0o644, ..Self::default() }
    }

    pub(super) fn script(to: &str, text: &str) -> Self {
        Self { mode: 0o755, ..Self::text(to, text) }
    }

    pub(super) fn link(to: impl Into<String>, target: &str) -> Self {
        Self { to: to.into(), link: target.to_owned(), ..Self::default() }
    }

    pub(super) fn folder_for_all(to: &str) -> Self {
        Self { to: format!("{to}/"), mode: 0o1777, ..Self::default() }
    }
}

/// Packs a layout where it is missing, and answers its path. Reports each packed image's size and time on stderr.
pub(super) fn ensure(pack: &Path, spec: &Spec) -> Result<PathBuf> {
    let key = Key::default().add(pack.as_os_str().as_encoded_bytes()).add(serde_json::to_string(spec)?);
    let name = format!("image-{}", spec.name);
    let place = cache::path_of(&name, &spec.version, key)?;
    if place.join("index.json").is_file() {
        return Ok(place);
    }
    let build_folder = BuildFolder::open(&name)?;
    // Another process may have packed it while this one waited for the lock.
    if !place.join("index.json").is_file() {
        let begun = Instant::now();
        let progress = Progress::begin(format!("packing the image {} {}", spec.name, spec.version));
        let made = crate::machine::folders::make(build_folder.path.join("made"))?;
        write(pack, spec, &made)?;
        drop(progress);
        report(&made, begun.elapsed().as_secs_f32())?;
        build_folder.install(&made, &place)?;
    }
    Ok(place)
}

/// Packs a layout into a folder.
pub(super) fn write(pack: &Path, spec: &Spec, folder: &Path) -> Result<()> {
    process::output_with_input(Command::new(pack).arg(folder), &serde_json::to_string(spec)?).map(drop)
}

fn report(layout: &Path, seconds: f32) -> Result<()> {
    let index = read(&layout.join("index.json"))?;
    for manifest in index["manifests"].as_array().into_iter().flatten() {
        let reference = &manifest["annotations"]["org.opencontainers.image.ref.name"];
        let digest = manifest["digest"].as_str().context("an image has no digest")?;
        let image = read(&layout.join("blobs").join(digest.replace(':', "/")))?;
        let bytes = packed_bytes(&image);
        writeln!(
            std::io::stderr(),
            "lab: image {}: {:.1} MB compressed, packed in {seconds:.1} s",
            reference.as_str().unwrap_or_default(),
            bytes as f64 / 1e6
        )?;
    }
    Ok(())
}

fn packed_bytes(manifest: &Value) -> u64 {
    manifest["layers"].as_array().into_iter().flatten().filter_map(|layer| layer["size"].as_u64()).sum()
}

fn read(path: &Path) -> Result<Value> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("understanding {}", path.display()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn image_size_is_the_sum_of_its_layers() {
        assert_eq!(packed_bytes(&json!({"layers": [{"size": 3}, {"size": 4}], "config": {"size": 5}})), 7);
    }
}
