//! `cargo lab image`: the worker's image, built from the Dockerfile without Docker, and tried as in production.

mod buildah;
mod manifests;
mod start;
mod trial;

use std::io::Write as _;

use anyhow::{Result, bail};
use clap::Args;

use self::buildah::Buildah;
pub use self::manifests::worker_manifests;
use crate::{cluster::node, parts};

/// The image's name in buildah's storage.
const BERTH: &str = "localhost/berth-lab/berth";

#[derive(Debug, Args)]
pub(crate) struct Image {
    /// Install missing Debian packages without asking; CI=true means the same
    #[arg(long, env = "BERTH_LAB_YES", value_parser = clap::builder::FalseyValueParser::new())]
    yes: bool,
    /// Install it on a lab from manifests/worker, and drive a pull request through its pods
    #[arg(long)]
    run: bool,
}

pub(crate) fn run(image: &Image) -> Result<()> {
    if let Some(reason) = node::obstacle() {
        bail!("the image cannot be built here: {reason}; with Docker: docker build --tag berth .");
    }
    let packages = parts::packages_for_an_image();
    if !packages.ensure(image.yes)? {
        bail!("Debian packages are missing; to have them installed pass --yes, or run: {}", packages.command());
    }
    let buildah = Buildah::open()?;
    buildah.build_berth(BERTH)?;
    let size = buildah.size(BERTH)?;
    writeln!(
        std::io::stdout(),
        "built {BERTH}\n  beyond its base  {:.1} MB, compressed {:.1} MB\n  its base         compressed {:.1} MB",
        megabytes(size.unpacked),
        megabytes(size.packed),
        megabytes(size.base),
    )?;
    if image.run { trial::run(&buildah) } else { Ok(()) }
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

#[cfg(test)]
mod tests {
    /// The image is built without most of `tests/`. Cargo refuses a manifest with a target that has no path and no file.
    #[test]
    fn every_target_in_the_manifest_has_a_path() {
        let manifest = std::fs::read_to_string(crate::machine::folders::workspace().join("Cargo.toml")).unwrap();
        // `[[test]]` and similar tables, each until the next one.
        let tables: Vec<_> = manifest.split("\n[").collect();
        let targets: Vec<_> = tables.iter().skip(1).filter(|table| table.starts_with('[')).collect();
        assert!(!targets.is_empty());
        for target in targets {
            assert!(target.contains("\npath = "), "[{target}");
        }
    }
}
