//! The lab's Go modules: their folders, versions, flags and environment.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context as _, Result};

use crate::machine::folders;

/// No debug information and no symbol table: they take a fifth of the time and of the size.
pub(super) const COMPILER_FLAGS: &str = "all=-dwarf=false";
pub(super) const GO_FLAGS: &str = "-mod=readonly -trimpath -buildvcs=false";

/// A Go module of the lab. One `go build` builds its programs: shared packages once, and linked at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::parts) enum Module {
    Images,
    Etcd,
    Kwok,
    Kubernetes,
    Temporal,
    TemporalUi,
    Traefik,
    KubeRouter,
}

impl Module {
    pub(super) fn folder(self) -> PathBuf {
        folders::source().join("go").join(self.name())
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Images => "images",
            Self::Etcd => "etcd",
            Self::Kwok => "kwok",
            Self::Kubernetes => "kubernetes",
            Self::Temporal => "temporal",
            Self::TemporalUi => "temporal-ui",
            Self::Traefik => "traefik",
            Self::KubeRouter => "kube-router",
        }
    }

    /// The dependency whose version its programs have. The lab's own programs have none.
    fn pinned(self) -> Option<&'static str> {
        match self {
            Self::Images => None,
            Self::Etcd => Some("go.etcd.io/etcd/server/v3"),
            Self::Kwok => Some("sigs.k8s.io/kwok"),
            Self::Kubernetes => Some("k8s.io/kubernetes"),
            Self::Temporal => Some("go.temporal.io/server"),
            Self::TemporalUi => Some("github.com/temporalio/ui-server/v2"),
            Self::Traefik => Some("github.com/traefik/traefik/v3"),
            // k3s' copy of that version is built: go.mod replaces it.
            Self::KubeRouter => Some("github.com/cloudnativelabs/kube-router/v2"),
        }
    }

    pub(in crate::parts) fn version(self) -> Result<String> {
        let Some(pinned) = self.pinned() else { return Ok("own".to_owned()) };
        let go_mod = fs::read_to_string(self.folder().join("go.mod"))?;
        version_in(&go_mod, pinned).with_context(|| format!("looking for {pinned} in {}'s go.mod", self.name()))
    }

    /// Flags that strip the programs, and set the version in those that get it from the linker.
    pub(super) fn linker_flags(self, version: &str) -> String {
        let strip = "-s -w";
        match self {
            Self::Kubernetes => {
                let package = "k8s.io/component-base/version";
                let mut numbers = version.trim_start_matches('v').split('.');
                let (major, minor) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
                format!(
                    "{strip} -X {package}.gitVersion={version} -X {package}.gitMajor={major} \
                     -X {package}.gitMinor={minor} -X {package}.gitTreeState=clean"
                )
            }
            Self::Traefik => format!("{strip} -X github.com/traefik/traefik/v3/pkg/version.Version={version}"),
            Self::KubeRouter => {
                format!("{strip} -X github.com/cloudnativelabs/kube-router/v2/pkg/version.Version={version}")
            }
            _ => strip.to_owned(),
        }
    }

    /// The argument that makes its programs print their version, where an upgrade has failed unnoticed before.
    pub(super) fn version_argument(self) -> Option<&'static str> {
        match self {
            Self::Temporal | Self::TemporalUi | Self::KubeRouter => Some("--version"),
            Self::Traefik => Some("version"),
            _ => None,
        }
    }

    pub(super) fn go(self) -> Command {
        let mut go = Command::new("go");
        // The caller's GOFLAGS and GOWORK would change the programs. Checksums are always verified.
        go.current_dir(self.folder())
            .env("GOFLAGS", GO_FLAGS)
            .env("GOWORK", "off")
            .env("CGO_ENABLED", "0")
            // The compiler is a Go program: less garbage collection saves a quarter of the time, for some memory.
            .env("GOGC", "400")
            .env_remove("GONOSUMDB")
            .env_remove("GONOSUMCHECK")
            .env_remove("GOOS")
            .env_remove("GOARCH");
        go
    }
}

fn version_in(go_mod: &str, module: &str) -> Option<String> {
    go_mod.lines().find_map(|line| {
        let line = line.trim().strip_prefix("require ").unwrap_or_else(|| line.trim());
        let version = line.strip_prefix(module)?.strip_prefix(' ')?;
        version.starts_with('v').then(|| version.split(' ').next().unwrap_or(version).to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_module_pins_a_version() {
        for module in [Module::Images, Module::Etcd, Module::Kwok, Module::Kubernetes] {
            module.version().unwrap();
        }
        for module in [Module::Temporal, Module::TemporalUi, Module::Traefik, Module::KubeRouter] {
            module.version().unwrap();
        }
        assert_eq!(Module::Kubernetes.version().unwrap(), "v1.34.4");
    }
}
