//! The sample app's image: Debian's Python, the app's wheels, Node with npm, the page that Vite builds, and the app.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use super::{
    base,
    pack::{Entry, Image, Spec},
};
use crate::{
    machine::{folders, process},
    parts::{
        self, Progress,
        cache::{self, BuildFolder, Key},
        npm::npm,
    },
};

/// The sources of the page.
const PAGE: [&str; 6] = [".npmrc", "index.html", "package.json", "package-lock.json", "vite.config.js", "src"];
/// The files of the app that run in the image.
const APP: [&str; 8] = [
    "events.py",
    "greeting.py",
    "package.json",
    "scripts/change-booking-appointment-status.py",
    "scripts/send-appointment-reminder.py",
    "server.py",
    "settings.py",
    "temporal_server.py",
];
const VERSIONS: [&str; 2] = ["full-v1", "full-v2"];
const NPM: &str = "#!/bin/sh\nexec node /usr/local/lib/node_modules/npm/bin/npm-cli.js \"$@\"\n";

pub(super) fn spec(base: &Path) -> Result<Spec> {
    let node = parts::node()?;
    let page = page(&node)?;
    let sources = sources()?;
    let mut app = base::shell(base);
    app.extend([Entry::link("usr/local/bin/python", "/usr/bin/python3"), Entry::copy(&page.join("dist"), "app/dist")]);
    app.push(Entry::copy(&sources, "app"));
    let layers = vec![
        vec![Entry::copy(base, "")],
        vec![
            Entry::program(&node.join("bin/node"), "usr/local/bin/node"),
            Entry::copy(&node.join("lib/node_modules/npm"), "usr/local/lib/node_modules/npm"),
            Entry::script("usr/local/bin/npm", NPM),
        ],
        vec![Entry::copy(&wheels()?, "opt/site-packages")],
        app,
    ];
    Ok(Spec { name: "web", version: "own".to_owned(), layers, images: VERSIONS.map(image).into() })
}

fn image(version: &str) -> Image {
    let env = [
        "PATH=/usr/local/bin:/usr/bin:/bin",
        "HOME=/tmp",
        "PYTHONPATH=/opt/site-packages",
        "PYTHONUNBUFFERED=1",
        "PYTHONDONTWRITEBYTECODE=1",
        "NPM_CONFIG_UPDATE_NOTIFIER=false",
    ];
    let mut env: Vec<_> = env.map(str::to_owned).into();
    env.push(format!("APP_VERSION={version}"));
    Image {
        name: version.to_owned(),
        reference: format!("acme/web:{version}"),
        entrypoint: Vec::new(),
        cmd: vec!["python", "server.py"],
        env,
        working_dir: "/app",
    }
}

fn folder() -> PathBuf {
    folders::source().join("apps/web")
}

/// Copies the app's files into the cache, under a hash of their content.
fn sources() -> Result<PathBuf> {
    copied("web-sources", &APP)
}

fn copied(name: &str, pieces: &[&str]) -> Result<PathBuf> {
    let place = cache::path_of(name, "own", key_of(pieces)?)?;
    if place.is_dir() {
        return Ok(place);
    }
    let build_folder = BuildFolder::open(name)?;
    if !place.is_dir() {
        let made = folders::make(build_folder.path.join("made"))?;
        copy(pieces, &made)?;
        base::compile(&made)?;
        build_folder.install(&made, &place)?;
    }
    Ok(place)
}

fn key_of(pieces: &[&str]) -> Result<Key> {
    pieces.iter().try_fold(Key::default(), |key, piece| {
        let (key, path) = (key.add(piece), folder().join(piece));
        if path.is_dir() { key.add_folder(&path) } else { key.add_file(&path) }
    })
}

fn copy(pieces: &[&str], to: &Path) -> Result<()> {
    let mut command = Command::new("cp");
    command.args(["--recursive", "--parents"]).args(pieces).arg(to).current_dir(folder());
    process::output(&mut command).map(drop)
}

/// Builds the page with `npm ci` and `vite build`, with the image's Node. npm's cache makes the second time quick.
fn page(node: &Path) -> Result<PathBuf> {
    let key = key_of(&PAGE)?.add(node.as_os_str().as_encoded_bytes());
    let place = cache::path_of("web-page", "own", key)?;
    if place.is_dir() {
        return Ok(place);
    }
    let build_folder = BuildFolder::open("web-page")?;
    if !place.is_dir() {
        let _progress = Progress::begin("building the sample app's page");
        let work = folders::make(build_folder.path.join("work"))?;
        copy(&PAGE, &work)?;
        npm(node, &work, &["ci", "--no-audit", "--no-fund"])?;
        npm(node, &work, &["run", "build"])?;
        let made = folders::make(build_folder.path.join("made"))?;
        fs::rename(work.join("dist"), made.join("dist")).context("looking for the page that was built")?;
        build_folder.install(&made, &place)?;
    }
    Ok(place)
}

/// Fetches the wheels that requirements.txt pins, for the image's version of Python.
fn wheels() -> Result<PathBuf> {
    let pinned = folder().join("requirements.txt");
    let key = Key::default().add_file(&pinned)?.add(base::PYTHON).add(std::env::consts::ARCH);
    let place = cache::path_of("web-wheels", base::PYTHON, key)?;
    if place.is_dir() {
        return Ok(place);
    }
    let build_folder = BuildFolder::open("web-wheels")?;
    if !place.is_dir() {
        let _progress = Progress::begin("fetching the sample app's wheels");
        let made = build_folder.path.join("made");
        parts::install_wheels(&pinned, base::PYTHON, &made)?;
        base::compile(&made)?;
        build_folder.install(&made, &place)?;
    }
    Ok(place)
}
