//! Debian's Python and a static busybox, unpacked into a folder without running anything of theirs: images are made of it.

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
        cache::{self, Key, Workshop},
    },
};

const SUITE: &str = "bookworm";
const PACKAGES: &str = "python3,libstdc++6,busybox-static";
/// What nobody reads in an image.
const WITHOUT: [&str; 7] = [
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "usr/share/info",
    "usr/share/perl5",
    "var/lib/apt",
    "var/cache",
];
/// The version of the suite's Python: the app's wheels are for it.
pub(super) const PYTHON: &str = "3.11";

/// Answers the folder.
pub(super) fn ensure() -> Result<PathBuf> {
    let key = Key::default().add(SUITE).add(PACKAGES).add(WITHOUT.join(" ")).add(std::env::consts::ARCH);
    let place = cache::place("image-base", SUITE, key)?;
    if place.is_dir() {
        return Ok(place);
    }
    let workshop = Workshop::open("image-base")?;
    // Another process may have made it while we waited for the lock.
    if !place.is_dir() {
        let _progress = Progress::begin(format!("unpacking Debian {SUITE}'s Python and busybox"));
        let made = workshop.folder.join("made");
        unpack(&made)?;
        for name in WITHOUT {
            remove(&made.join(name))?;
        }
        compile(&made.join(format!("usr/lib/python{PYTHON}")))?;
        workshop.hand_over(&made, &place)?;
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
    // It is a root file system's: closed to everyone else only while it is in the making.
    folders::make(folder.join("tmp")).map(drop)
}

fn remove(folder: &Path) -> Result<()> {
    match folder.exists() {
        true => fs::remove_dir_all(folder).with_context(|| format!("removing {}", folder.display())),
        false => Ok(()),
    }
}

/// Python cannot keep what it compiles on a read-only file system, and times mean nothing in a layer: compiled here, and
/// never compared with the source. With another Python than the image's it is of no use and does no harm.
pub(super) fn compile(folder: &Path) -> Result<()> {
    let mut command = Command::new("python3");
    command.args(["-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "-x", "lib2to3/tests|bad_"]);
    process::output(command.arg(folder)).map(drop)
}

/// A user, names, a place to write, and a shell: what an image needs that has nothing else.
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
