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
        cache::{self, Key, Workshop},
    },
};

/// What the page is built from.
const PAGE: [&str; 6] = [".npmrc", "index.html", "package.json", "package-lock.json", "vite.config.js", "src"];
/// What runs in the image.
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

/// The app's files as they are now, in the cache under a name that says what is in them.
fn sources() -> Result<PathBuf> {
    copied("web-sources", &APP)
}

fn copied(name: &str, pieces: &[&str]) -> Result<PathBuf> {
    let place = cache::place(name, "own", key_of(pieces)?)?;
    if place.is_dir() {
        return Ok(place);
    }
    let workshop = Workshop::open(name)?;
    if !place.is_dir() {
        let made = folders::make(workshop.folder.join("made"))?;
        copy(pieces, &made)?;
        base::compile(&made)?;
        workshop.hand_over(&made, &place)?;
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

/// `npm ci` and `vite build`, with the Node that the image has. npm's own cache makes the second time quick.
fn page(node: &Path) -> Result<PathBuf> {
    let key = key_of(&PAGE)?.add(node.as_os_str().as_encoded_bytes());
    let place = cache::place("web-page", "own", key)?;
    if place.is_dir() {
        return Ok(place);
    }
    let workshop = Workshop::open("web-page")?;
    if !place.is_dir() {
        let _progress = Progress::begin("building the sample app's page");
        let work = folders::make(workshop.folder.join("work"))?;
        copy(&PAGE, &work)?;
        npm(node, &work, &["ci", "--no-audit", "--no-fund"])?;
        npm(node, &work, &["run", "build"])?;
        let made = folders::make(workshop.folder.join("made"))?;
        fs::rename(work.join("dist"), made.join("dist")).context("looking for the page that was built")?;
        workshop.hand_over(&made, &place)?;
    }
    Ok(place)
}

fn npm(node: &Path, folder: &Path, arguments: &[&str]) -> Result<()> {
    let own = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([node.join("bin")].into_iter().chain(std::env::split_paths(&own)))?;
    let mut command = Command::new(node.join("bin/node"));
    command.arg(node.join("lib/node_modules/npm/bin/npm-cli.js")).args(arguments).current_dir(folder).env("PATH", path);
    process::output(&mut command).map(drop)
}

/// The very files that requirements.txt pins, for the image's Python, whichever Python this machine has.
fn wheels() -> Result<PathBuf> {
    let pinned = folder().join("requirements.txt");
    let key = Key::default().add_file(&pinned)?.add(base::PYTHON).add(std::env::consts::ARCH);
    let place = cache::place("web-wheels", base::PYTHON, key)?;
    if place.is_dir() {
        return Ok(place);
    }
    let workshop = Workshop::open("web-wheels")?;
    if !place.is_dir() {
        let _progress = Progress::begin("fetching the sample app's wheels");
        let made = workshop.folder.join("made");
        parts::install_wheels(&pinned, base::PYTHON, &made)?;
        base::compile(&made)?;
        workshop.hand_over(&made, &place)?;
    }
    Ok(place)
}
