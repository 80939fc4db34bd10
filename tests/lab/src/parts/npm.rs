//! Packages of npm: pinned by a lock file with their hashes, fetched by the lab's own Node.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use super::{
    cache::{self, BuildFolder, Key},
    progress::Progress,
    wheel,
};
use crate::machine::{folders, process};

/// The files that say what is fetched.
const PINNED: [&str; 3] = [".npmrc", "package.json", "package-lock.json"];

/// Fetches the packages of a folder in `npm/`, and answers the folder that holds `node_modules`.
pub(crate) fn packages(name: &str) -> Result<PathBuf> {
    let folder = folders::source().join("npm").join(name);
    let node = wheel::node()?;
    let key = PINNED.iter().try_fold(Key::default(), |key, file| key.add_file(&folder.join(file)))?;
    let place = cache::path_of(&format!("npm-{name}"), "own", key)?;
    if place.is_dir() {
        return Ok(place);
    }
    let build_folder = BuildFolder::open(&format!("npm-{name}"))?;
    if !place.is_dir() {
        let _progress = Progress::begin(format!("fetching the npm packages of {name}"));
        let made = folders::make(build_folder.path.join("made"))?;
        for file in PINNED {
            fs::copy(folder.join(file), made.join(file)).with_context(|| format!("copying {file}"))?;
        }
        // No package may run a script of its own here.
        npm(&node, &made, &["ci", "--ignore-scripts", "--no-audit", "--no-fund"])?;
        build_folder.install(&made, &place)?;
    }
    Ok(place)
}

/// Runs npm in a folder, with a Node that its scripts find too.
pub(crate) fn npm(node: &Path, folder: &Path, arguments: &[&str]) -> Result<()> {
    let own = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([node.join("bin")].into_iter().chain(std::env::split_paths(&own)))?;
    let mut command = Command::new(node.join("bin/node"));
    command.arg(node.join("lib/node_modules/npm/bin/npm-cli.js")).args(arguments).current_dir(folder).env("PATH", path);
    process::output(&mut command).map(drop)
}
