//! Programs built from Go modules: versions and checksums are pinned in `go/*/go.mod` and `go.sum`.

mod module;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

pub(super) use module::Module;
use module::{COMPILER_FLAGS, GO_FLAGS};

use super::{
    Tools,
    cache::{self, BuildFolder, Key},
    progress::Progress,
    requirements,
};
use crate::machine::{folders, process};

/// Builds the missing ones of a module's `(program, package)` pairs, and answers the path of each program.
pub(super) fn ensure(module: Module, programs: &[(&str, &str)]) -> Result<Tools> {
    let version = module.version()?;
    let tools = paths(module, &version, programs)?;
    if missing(programs, &tools).is_empty() {
        return Ok(tools);
    }
    let build_folder = BuildFolder::open(module.name())?;
    // Another process may have built some while this one waited for the lock.
    let missing = missing(programs, &tools);
    if !missing.is_empty() {
        build(module, &version, &missing, &tools, &build_folder)?;
    }
    Ok(tools)
}

/// Downloads the sources of a module's missing programs, without building anything.
///
/// # Errors
/// Go is missing, or a source cannot be downloaded.
pub(super) fn fetch_sources(module: Module, programs: &[(&str, &str)]) -> Result<()> {
    let tools = paths(module, &module.version()?, programs)?;
    let packages: Vec<_> = missing(programs, &tools).into_iter().map(|(_, package)| package).collect();
    if packages.is_empty() {
        return Ok(());
    }
    process::output(module.go().args(["list", "-deps"]).args(packages)).map(drop)
}

/// The path of each program, whether or not it is there.
fn paths(module: Module, version: &str, programs: &[(&str, &str)]) -> Result<Tools> {
    let path = |(program, package): &(&str, &str)| {
        let place = cache::path_of(program, version, key(module, version, package)?)?;
        Ok(((*program).to_owned(), place.join(program)))
    };
    programs.iter().map(path).collect()
}

fn missing<'a>(programs: &[(&'a str, &'a str)], tools: &Tools) -> Vec<(&'a str, &'a str)> {
    programs.iter().copied().filter(|(program, _)| !tools.get(*program).is_some_and(|path| path.is_file())).collect()
}

fn key(module: Module, version: &str, package: &str) -> Result<Key> {
    let folder = module.folder();
    let key = Key::default()
        .add(std::env::consts::ARCH)
        .add(std::env::consts::OS)
        .add(GO_FLAGS)
        .add(COMPILER_FLAGS)
        .add(module.linker_flags(version))
        .add(package)
        .add_file(&folder.join("go.mod"))?
        .add_file(&folder.join("go.sum"))?;
    match package.strip_prefix("./") {
        Some(own) => key.add_folder(&folder.join(own)),
        None => Ok(key),
    }
}

fn build(
    module: Module,
    version: &str,
    missing: &[(&str, &str)],
    tools: &Tools,
    build_folder: &BuildFolder,
) -> Result<()> {
    requirements::go(&module.folder())?;
    let names: Vec<_> = missing.iter().map(|(program, _)| *program).collect();
    let _progress = Progress::begin(format!("building {} {version} (once)", names.join(", ")));
    let made = folders::make(build_folder.path.join("made"))?;
    let mut go = module.go();
    go.args(["build", "-gcflags", COMPILER_FLAGS, "-ldflags", &module.linker_flags(version), "-o"]);
    go.arg(format!("{}/", made.display())).args(missing.iter().map(|(_, package)| package));
    process::output(&mut go).with_context(|| format!("building the lab's {} module", module.name()))?;
    for (program, package) in missing {
        let built = made.join(program_of(package));
        if let Some(argument) = module.version_argument() {
            assert_version(&built, argument, version)?;
        }
        let finished = folders::make(build_folder.path.join(program))?;
        fs::rename(&built, finished.join(program)).with_context(|| format!("moving {}", built.display()))?;
        let place = tools[*program].parent().context("a part lies in a folder of its own")?;
        build_folder.install(&finished, place)?;
    }
    Ok(())
}

/// Checks the version that a program prints. kube-router prints it on stderr.
fn assert_version(program: &Path, argument: &str, version: &str) -> Result<()> {
    let output =
        Command::new(program).arg(argument).output().with_context(|| format!("asking {}", program.display()))?;
    let printed =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).trim().to_owned()).join("\n");
    if !printed.contains(version.trim_start_matches('v')) {
        bail!("{} was built as {version} and prints: {printed}", program.display());
    }
    Ok(())
}

/// The name that `go build` gives a program: the last element of the package's path that is not a major version.
fn program_of(package: &str) -> &str {
    let is_version =
        |element: &str| element.strip_prefix('v').is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit()));
    package.rsplit('/').find(|element| !is_version(element)).unwrap_or(package)
}

pub(super) fn kwok_stages() -> Result<PathBuf> {
    Ok(sources(Module::Kwok, "sigs.k8s.io/kwok")?.join("kustomize/stage"))
}

pub(super) fn temporal_ui_config() -> Result<PathBuf> {
    Ok(sources(Module::TemporalUi, "github.com/temporalio/ui-server/v2")?.join("config"))
}

/// The folder of a dependency's sources in Go's module cache. Missing ones are fetched.
fn sources(module: Module, needed: &str) -> Result<PathBuf> {
    process::output(module.go().args(["mod", "download", needed]))?;
    let folder = process::output(module.go().args(["list", "-m", "-f", "{{.Dir}}", needed]))?;
    Ok(PathBuf::from(folder.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn program_is_named_as_go_names_it() {
        assert_eq!(program_of("go.etcd.io/etcd/server/v3"), "server");
        assert_eq!(program_of("./cmd/dns"), "dns");
    }

    #[test]
    fn each_program_of_a_module_has_its_own_key() {
        let key = |package| key(Module::Kubernetes, "v1.34.4", package).unwrap().finish();
        assert_ne!(key("./cmd/dns"), key("k8s.io/kubernetes/cmd/kubelet"));
    }
}
