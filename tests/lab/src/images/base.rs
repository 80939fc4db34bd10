//! The base of images: Debian's Python and a static busybox, unpacked without running any of their scripts.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use super::pack::Entry;
use crate::{
    machine::{folders, process},
    parts::{
        Progress,
        cache::{self, BuildFolder, Key},
    },
};

const SUITE: &str = "bookworm";
const PACKAGES: &str = "python3,libstdc++6,busybox-static";
/// Folders that an image does not need.
const WITHOUT: [&str; 7] = [
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "usr/share/info",
    "usr/share/perl5",
    "var/lib/apt",
    "var/cache",
];
/// The version of the suite's Python, for which the app's wheels are.
pub(super) const PYTHON: &str = "3.11";

/// Unpacks the base where it is missing, and answers its folder.
pub(super) fn ensure() -> Result<PathBuf> {
    let key = Key::default().add(SUITE).add(PACKAGES).add(WITHOUT.join(" ")).add(std::env::consts::ARCH);
    let place = cache::path_of("image-base", SUITE, key)?;
    if place.is_dir() {
        return Ok(place);
    }
    let build_folder = BuildFolder::open("image-base")?;
    // Another process may have unpacked it while this one waited for the lock.
    if !place.is_dir() {
        let _progress = Progress::begin(format!("unpacking Debian {SUITE}'s Python and busybox"));
        let made = build_folder.path.join("made");
        unpack(&made)?;
        for name in WITHOUT {
            remove(&made.join(name))?;
        }
        compile(&made.join(format!("usr/lib/python{PYTHON}")))?;
        build_folder.install(&made, &place)?;
    }
    Ok(place)
}

fn unpack(folder: &Path) -> Result<()> {
    let mut command = Command::new("mmdebstrap");
    command
        .args(["--quiet", "--variant=extract", "--format=directory"])
        .arg(format!("--include={PACKAGES}"))
        .arg(SUITE);
    process::output(command.arg(folder)).map(drop)?;
    // A root file system has a /tmp.
    folders::make(folder.join("tmp")).map(drop)
}

fn remove(folder: &Path) -> Result<()> {
    match folder.exists() {
        true => fs::remove_dir_all(folder).with_context(|| format!("removing {}", folder.display())),
        false => Ok(()),
    }
}

/// Compiles Python sources ahead of time, because an image's file system is read-only.
///
/// The result is never compared with the sources: times mean nothing in a layer. With another Python version than the
/// image's it is unused.
pub(super) fn compile(folder: &Path) -> Result<()> {
    let mut command = Command::new("python3");
    command.args(["-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "-x", "lib2to3/tests|bad_"]);
    process::output(command.arg(folder)).map(drop)
}

/// A user, host name lookup, /tmp and a shell, for an image that has nothing else.
pub(super) fn shell(base: &Path) -> Vec<Entry> {
    let mut entries = vec![
        Entry::text("etc/passwd", "root:x:0:0:root:/root:/bin/sh\napp:x:10001:10001:app:/tmp:/bin/sh\n"),
        Entry::text("etc/group", "root:x:0:\napp:x:10001:\n"),
        Entry::text("etc/nsswitch.conf", "hosts: files dns\n"),
        Entry::folder_for_all("tmp"),
        Entry::program(&base.join("bin/busybox"), "bin/busybox"),
    ];
    let applets =
        ["sh", "awk", "cat", "env", "grep", "hostname", "id", "ls", "mkdir", "ps", "rm", "sed", "sleep", "test"];
    entries.extend(applets.map(|applet| Entry::link(format!("bin/{applet}"), "busybox")));
    entries
}
