//! The image registry, with the sample app's images in it.

use std::{
    collections::BTreeMap,
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result};

use crate::{
    machine::{children::Children, folders, ports},
    parts::Tools,
};

/// The address that it will listen on.
pub(crate) fn address(host: Ipv4Addr) -> Result<SocketAddr> {
    Ok(SocketAddr::new(host.into(), ports::free(Ipv4Addr::LOCALHOST.into())?))
}

/// Starts the registry, without waiting for its images.
///
/// `layouts` are those of [`images::ensure_full`], served beside the quick sample app's images.
///
/// [`images::ensure_full`]: crate::images::ensure_full
pub(crate) fn start(
    data: &Path,
    address: SocketAddr,
    tools: &Tools,
    layouts: &[PathBuf],
    children: &mut Children,
) -> Result<()> {
    let blobs = folders::make(data.join("registry"))?;
    let mut command = children.command("registry", &tools["registry"])?;
    add_arguments(&mut command, &blobs, address, tools, layouts);
    children.start("registry", command)
}

/// Adds the arguments of the program: `blobs` is the folder for the images' blobs.
pub(crate) fn add_arguments(
    command: &mut Command,
    blobs: &Path,
    address: SocketAddr,
    tools: &Tools,
    layouts: &[PathBuf],
) {
    command.arg("--listen").arg(address.to_string()).arg("--root").arg(blobs);
    command.arg("--web").arg(&tools["web"]).arg("--pause").arg(&tools["pause"]);
    for layout in layouts {
        command.arg("--layout").arg(layout);
    }
}

/// Waits until images can be pulled, and answers them: variant to `repository:tag@digest`.
pub(crate) fn images(children: &mut Children) -> Result<BTreeMap<String, String>> {
    let log = children.log("registry");
    children.wait_until("registry", Duration::from_secs(30), || printed(&log).is_some())?;
    printed(&log).context("reading the registry's list of images")
}

/// The images that a registry has printed into its log, on one line, once they can be pulled.
pub(crate) fn printed(log: &Path) -> Option<BTreeMap<String, String>> {
    fs::read_to_string(log).ok()?.lines().find_map(|line| serde_json::from_str(line).ok())
}
