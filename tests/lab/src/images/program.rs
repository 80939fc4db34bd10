//! An image with one program, in a registry of its own, for a test that needs no cluster.

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::Child,
    time::Duration,
};

use anyhow::{Context as _, Result};

use super::pack::{self, Entry, Image, Spec};
use crate::{
    machine::{
        folders,
        process::{self, bound_to_parent, spawn_from_lasting_thread},
    },
    parts::{self, Part},
    services::registry,
};

/// The name of its process.
const REGISTRY: &str = "registry";

/// A registry that serves an image with one program, and images without it. It ends when this is dropped, and when this process
/// ends.
#[derive(Debug)]
pub struct ProgramRegistry {
    /// The image: `host:port/repository:tag@digest`.
    pub image: String,
    /// An image that does not have the program.
    pub other_image: String,
    child: Child,
    folder: PathBuf,
}

impl ProgramRegistry {
    /// Packs the program as `to`, an absolute path in the image, and serves it on a free port.
    pub fn start(program: &Path, to: &str) -> Result<Self> {
        let tools = parts::ensure(&[Part::Pack, Part::Registry, Part::SampleApp, Part::Pause])?;
        let name = format!("{}-{}", std::process::id(), program.file_name().unwrap_or_default().display());
        let folder = folders::make(folders::cache()?.join("program-registries").join(name))?;
        let layout = folders::make(folder.join("layout"))?;
        pack::write(&tools["pack"], &spec(program, to), &layout)?;
        let log = folder.join("registry.log");
        let address = registry::address(Ipv4Addr::LOCALHOST)?;
        let mut command = bound_to_parent("program-registry", &tools[REGISTRY], &log)?;
        let blobs = folders::make(folder.join("blobs"))?;
        registry::add_arguments(&mut command, &blobs, address, &tools, &[layout]);
        let child = spawn_from_lasting_thread(command).context("starting the registry")?;
        let mut registry = Self { image: String::new(), other_image: String::new(), child, folder };
        let mut images = None;
        process::wait_until(REGISTRY, &mut registry.child, &log, Duration::from_secs(60), || {
            images = registry::printed(&log);
            images.is_some()
        })?;
        let mut take = |name| images.as_mut().and_then(|images| images.remove(name)).context("an image was not served");
        (registry.image, registry.other_image) = (take("program")?, take("v1")?);
        Ok(registry)
    }
}

impl Drop for ProgramRegistry {
    fn drop(&mut self) {
        process::kill(&mut self.child);
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn spec(program: &Path, to: &str) -> Spec {
    let image = Image { name: "program".to_owned(), reference: "platform/program:v1".to_owned(), ..Image::default() };
    let layers = vec![vec![Entry::text("etc/motd", "")], vec![Entry::program(program, to.trim_start_matches('/'))]];
    Spec { name: "program", version: "own".to_owned(), layers, images: vec![image] }
}
