//! The binary of an older commit, built once into the target folder.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::LazyLock,
    time::Instant,
};

/// The older commit, in full.
const OLD_COMMIT: &str = include_str!("old-commit");

/// The packages of the workspace.
const PACKAGES: [&str; 6] =
    ["berth", "berth-activities", "berth-lab", "berth-manifests", "berth-test-support", "berth-workflows"];

/// Variables that cargo sets for a test. They would make build scripts run again, and half of the dependencies rebuild.
const SET_BY_CARGO: [&str; 5] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"];

/// The path of the older binary.
pub(crate) fn berth() -> &'static Path {
    static BERTH: LazyLock<PathBuf> = LazyLock::new(build);
    &BERTH
}

/// The older commit, in short.
pub(crate) fn commit() -> &'static str {
    OLD_COMMIT.get(..8).unwrap()
}

fn build() -> PathBuf {
    // The folder of a test's files is beside the profiles' folders.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let folder = target.join("versions").join(OLD_COMMIT.trim());
    let berth = folder.join("debug/berth");
    if berth.is_file() {
        println!("the berth of {} is built already", commit());
        return berth;
    }
    let since = Instant::now();
    let source = folder.join("source");
    if !source.is_dir() {
        unpack(&source);
    }
    compile(&source, target, &folder);
    println!("the berth of {} was built in {:.0} s", commit(), since.elapsed().as_secs_f64());
    berth
}

/// Writes the sources of the commit into the folder.
fn unpack(source: &Path) {
    let half = source.with_extension(std::process::id().to_string());
    fs::create_dir_all(&half).unwrap();
    let archive = half.join("archive.tar");
    let repository = env!("CARGO_MANIFEST_DIR");
    let git = Command::new("git")
        .args(["-C", repository, "archive", "--output"])
        .arg(&archive)
        .arg(OLD_COMMIT.trim())
        .output()
        .unwrap();
    assert!(
        git.status.success(),
        "this clone lacks the commit {} of tests/versions/old-commit, perhaps since it is a shallow one: \
         `git fetch --unshallow` gets it\n{}",
        OLD_COMMIT.trim(),
        String::from_utf8_lossy(&git.stderr)
    );
    // Times of now (`m`): cargo would take objects of another old commit, which are newer than this commit, for its own.
    let tar = Command::new("tar").arg("-xmf").arg(&archive).arg("-C").arg(&half).status().unwrap();
    assert!(tar.success(), "tar failed: {tar}");
    fs::remove_file(archive).unwrap();
    fs::rename(half, source).unwrap();
}

/// Builds the binary with the third-party crates of the target folder.
///
/// The workspace's crates have the same names in both versions, and would overwrite each other. One setting that changes
/// nothing else gives the older ones other file names. `--examples` adds none, but selects the features of
/// `cargo test --workspace`.
fn compile(source: &Path, target: &Path, folder: &Path) {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let is_set_by_cargo = |name: &str| SET_BY_CARGO.iter().any(|prefix| name.starts_with(prefix));
    for (name, _) in env::vars_os().filter(|(name, _)| is_set_by_cargo(&name.to_string_lossy())) {
        cargo.env_remove(name);
    }
    let apart = PACKAGES.map(|package| format!("--config=profile.dev.package.{package}.codegen-units=255"));
    let built = cargo
        .args(["build", "--locked", "--workspace", "--bin", "berth", "--examples"])
        .args(apart)
        .env("CARGO_BUILD_BUILD_DIR", target)
        .env("CARGO_TARGET_DIR", folder)
        .current_dir(source)
        .stdin(Stdio::null())
        .status()
        .unwrap();
    assert!(built.success(), "building the berth of {} failed: cargo's messages are above", commit());
}
