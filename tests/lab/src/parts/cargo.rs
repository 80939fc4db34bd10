//! Binaries of this workspace, built by cargo when needed: a library's test does not build the library's binary.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::SystemTime,
};

use anyhow::{Context as _, Result, bail};

use crate::machine::folders;

/// The `lab` program: the one that this process runs, or else a built one.
pub(crate) fn lab() -> Result<PathBuf> {
    let own = env::current_exe()?;
    match own.file_name().is_some_and(|name| name == "lab") {
        true => Ok(own),
        false => up_to_date(&own, "lab").map_or_else(|| build("berth-lab", "lab", &[]), Ok),
    }
}

/// Finds the binary that `cargo test --workspace` has built beside a test, if none of its sources is newer.
///
/// A build of one package gives shared dependencies other features, and so compiles most of them again.
fn up_to_date(test: &Path, binary: &str) -> Option<PathBuf> {
    let folder = test.parent()?.parent()?;
    let program = folder.join(binary);
    let built = modified(&program)?;
    let sources = sources(&fs::read_to_string(program.with_extension("d")).ok()?);
    let lock = folders::workspace().join("Cargo.lock");
    let is_older = |source: &PathBuf| modified(source).is_some_and(|changed| changed <= built);
    sources.iter().chain([&lock]).all(is_older).then_some(program)
}

fn modified(file: &Path) -> Option<SystemTime> {
    fs::metadata(file).and_then(|metadata| metadata.modified()).ok()
}

/// Reads the sources from a rule that cargo writes for `make`: spaces in paths are escaped.
fn sources(rule: &str) -> Vec<PathBuf> {
    let sources = rule.split_once(": ").map_or("", |(_, sources)| sources).replace("\\ ", "\0");
    sources.split_whitespace().map(|source| source.replace('\0', " ").into()).collect()
}

/// The `berth` program of a debug build.
pub(crate) fn berth() -> Result<PathBuf> {
    build("berth", "berth", &[])
}

/// The `berth` program as users have it, for measurements: a debug build takes several times as long.
pub(crate) fn berth_release() -> Result<PathBuf> {
    build("berth", "berth", &["--release"])
}

/// Builds a binary and answers its path, which cargo prints on stdout. Cargo's progress goes to stderr.
fn build(package: &str, binary: &str, profile: &[&str]) -> Result<PathBuf> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // Variables that cargo set for this process would make build scripts run again, and half of the dependencies rebuild.
    env::vars_os().filter(|(name, _)| is_set_by_cargo(&name.to_string_lossy())).for_each(|(name, _)| {
        cargo.env_remove(name);
    });
    let output = cargo
        .args(["build", "--locked", "--package", package, "--bin", binary, "--message-format=json-render-diagnostics"])
        .args(profile)
        .current_dir(folders::workspace())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("running cargo")?;
    if !output.status.success() {
        bail!("building {binary} failed: cargo's messages are above");
    }
    executable(&String::from_utf8_lossy(&output.stdout), binary)
        .with_context(|| format!("looking for {binary} in what cargo built"))
}

fn is_set_by_cargo(variable: &str) -> bool {
    ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"]
        .iter()
        .any(|prefix| variable.starts_with(prefix))
}

fn executable(messages: &str, binary: &str) -> Option<PathBuf> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let built = messages.filter(|message| message["target"]["name"] == binary);
    built.filter_map(|message| Some(PathBuf::from(message["executable"].as_str()?))).next_back()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_read_from_a_make_rule() {
        let rule = "/t/debug/lab: /w/src/lib.rs /w/my\\ code/main.rs\n";
        assert_eq!(sources(rule), [PathBuf::from("/w/src/lib.rs"), PathBuf::from("/w/my code/main.rs")]);
    }

    #[test]
    fn binary_is_up_to_date_until_a_source_is_newer() {
        let folder = env::temp_dir().join(format!("berth-lab-cargo-{}", std::process::id()));
        fs::create_dir_all(folder.join("deps")).unwrap();
        let (test, program, source) = (folder.join("deps/test"), folder.join("lab"), folder.join("lib.rs"));
        let write = |file: &Path, text: String, time: SystemTime| {
            fs::write(file, text).unwrap();
            fs::File::options().write(true).open(file).unwrap().set_modified(time).unwrap();
        };
        let now = SystemTime::now();
        let second = std::time::Duration::from_secs(1);
        write(&program, String::new(), now);
        write(&folder.join("lab.d"), format!("{}: {}\n", program.display(), source.display()), now);
        write(&source, String::new(), now - second);
        assert_eq!(up_to_date(&test, "lab"), Some(program));
        write(&source, String::new(), now + second);
        assert_eq!(up_to_date(&test, "lab"), None);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn executable_is_read_from_cargo_messages() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"lab"},"executable":null}
{"reason":"compiler-artifact","target":{"name":"lab"},"executable":"/t/debug/lab"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(executable(messages, "lab"), Some(PathBuf::from("/t/debug/lab")));
        assert_eq!(executable(messages, "berth"), None);
    }
}
