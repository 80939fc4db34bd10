//! The images of a full environment: Temporal's, the ingress controller's and the sample app's.
//!
//! Each is an OCI layout in the cache, named by a hash of its inputs. The registry serves it unchanged.

mod base;
mod pack;
mod platform;
mod program;
mod web;

use std::path::PathBuf;

use anyhow::{Result, bail};

pub use program::ProgramRegistry;

use crate::parts::{self, Tools};

/// Packs the missing images, and answers the OCI layouts for the registry.
///
/// The images are `temporal-server`, `temporal-admin-tools`, `temporal-ui`, `traefik`, `full-v1` and `full-v2`. `tools` has
/// [`Part::FULL`] and the Temporal CLI. `yes` is consent to installing the Debian package that is needed.
///
/// [`Part::FULL`]: crate::parts::Part::FULL
pub(crate) fn ensure_full(tools: &Tools, yes: bool) -> Result<Vec<PathBuf>> {
    let packages = parts::packages_for_full_images();
    if !packages.ensure(yes)? {
        bail!("Debian packages are missing; to have them installed pass --yes, or run: {}", packages.command());
    }
    let pack = &parts::ensure(&[parts::Part::Pack])?["pack"];
    let base = base::ensure()?;
    let mut layouts = Vec::new();
    for spec in platform::specs(tools, &base)? {
        layouts.push(pack::ensure(pack, &spec)?);
    }
    layouts.push(pack::ensure(pack, &web::spec(&base)?)?);
    Ok(layouts)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::{
        machine::{children::Children, files::Files},
        parts::{Part, ensure},
        services::registry,
    };

    #[test]
    #[ignore = "builds Temporal's server and Traefik where that has not been done yet"]
    fn registry_serves_every_image_of_a_full_environment_by_digest() {
        let parts: Vec<_> = Part::FULL.into_iter().chain(Part::IMAGES).chain([Part::Temporal]).collect();
        let tools = ensure(&parts).unwrap();
        let layouts = ensure_full(&tools, false).unwrap();
        let data = std::env::temp_dir().join(format!("berth-lab-images-{}", std::process::id()));
        let mut children =
            Children::new("images-test", data.join("logs"), Files::of_lab("images-test").unwrap()).unwrap();
        let address = registry::address(Ipv4Addr::LOCALHOST).unwrap();
        registry::start(&data, address, &tools, &layouts, &mut children).unwrap();
        let images = registry::images(&mut children).unwrap();
        for name in ["temporal-server", "temporal-admin-tools", "temporal-ui", "traefik", "full-v1", "full-v2"] {
            assert!(images[name].contains("@sha256:"), "{name}");
        }
        assert_ne!(images["full-v1"], images["full-v2"]);
        drop(children);
        std::fs::remove_dir_all(data).unwrap();
    }
}
