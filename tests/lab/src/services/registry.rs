//! The image registry, with the sample app's images in it.

use std::{
    collections::BTreeMap,
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
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
    command.arg("--listen").arg(address.to_string()).arg("--root").arg(blobs);
    command.arg("--web").arg(&tools["web"]).arg("--pause").arg(&tools["pause"]);
    for layout in layouts {
        command.arg("--layout").arg(layout);
    }
    children.start("registry", command)
}

/// Waits until images can be pulled, and answers them: variant to `repository:tag@digest`.
pub(crate) fn images(children: &mut Children) -> Result<BTreeMap<String, String>> {
    // The registry prints its images on one line.
    let log = children.log("registry");
    let images = || fs::read_to_string(&log).ok()?.lines().find_map(|line| serde_json::from_str(line).ok());
    children.wait_until("registry", Duration::from_secs(30), || images().is_some())?;
    images().context("reading the registry's list of images")
}
