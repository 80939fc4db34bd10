//! The images of a full lab, as its registry has them.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::{life::state::State, machine::http};

const NAMES: [&str; 6] = ["full-v1", "full-v2", "temporal-server", "temporal-admin-tools", "temporal-ui", "traefik"];

/// The size of each image when it is pulled.
pub(super) fn sizes(state: &State) -> Result<String> {
    let registry: SocketAddr = state.registry.parse()?;
    let line = |name: &str| -> Result<String> {
        let image = state.images.get(name).with_context(|| format!("looking for the image {name}"))?;
        Ok(format!("{name}: {:.1} MB compressed", bytes(registry, image)? as f64 / 1e6))
    };
    Ok(NAMES.into_iter().map(line).collect::<Result<Vec<_>>>()?.join("\n"))
}

fn bytes(registry: SocketAddr, image: &str) -> Result<u64> {
    let (repository, digest) = parts(image).with_context(|| format!("reading the image {image}"))?;
    let path = format!("/v2/{repository}/manifests/{digest}");
    let manifest: Value = serde_json::from_str(&http::get(registry, &registry.to_string(), &path)?.body)?;
    let layers = manifest["layers"].as_array().context("reading an image's layers")?;
    Ok(layers.iter().filter_map(|layer| layer["size"].as_u64()).sum())
}

/// The repository and digest of `host:port/repository:tag@digest`.
fn parts(image: &str) -> Option<(&str, &str)> {
    let (name, digest) = image.split_once('@')?;
    let (_, path) = name.split_once('/')?;
    Some((path.rsplit_once(':').map_or(path, |(repository, _)| repository), digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_is_split_into_repository_and_digest() {
        assert_eq!(parts("10.0.0.1:5000/acme/web:full-v1@sha256:00"), Some(("acme/web", "sha256:00")));
        assert_eq!(parts("10.0.0.1:5000/acme/web@sha256:00"), Some(("acme/web", "sha256:00")));
    }
}
