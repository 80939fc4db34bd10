//! Debian packages that real pods need: used where they are, installed only as root and with somebody's consent.

use std::{
    env, fs,
    io::{IsTerminal as _, Write as _, stdin},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

use super::{on_path, progress::Progress};
use crate::machine::folders;

/// What is needed from the machine, and where it was found.
#[derive(Debug, Clone, Default)]
pub(crate) struct Packages {
    missing: Vec<&'static str>,
}

/// Each is looked for by what it brings: Docker's containerd.io brings a containerd and a runc, too.
pub(crate) fn packages_for(service_network: bool) -> Packages {
    let mut missing = Vec::new();
    let mut want = |present: bool, package| {
        if !present {
            missing.push(package);
        }
    };
    want(on_path("containerd").is_some(), "containerd");
    want(on_path("runc").is_some(), "runc");
    want(cni_plugins().is_some(), "containernetworking-plugins");
    want(on_path("ip").is_some(), "iproute2");
    if service_network {
        want(on_path("iptables").is_some(), "iptables");
    }
    Packages { missing }
}

/// Network policies that hold, a database server and images, beyond what a node with Services needs.
pub(crate) fn packages_for_a_full_lab() -> Packages {
    let mut packages = packages_for(true);
    packages.missing.extend(postgres().missing);
    packages.missing.extend(packages_for_full_images().missing);
    if on_path("ipset").is_none() {
        packages.missing.push("ipset");
    }
    packages
}

/// What takes pictures of pages.
pub(crate) fn chromium() -> Packages {
    Packages { missing: if on_path("chromium").is_some() { Vec::new() } else { vec!["chromium"] } }
}

/// A database server.
pub(crate) fn postgres() -> Packages {
    Packages { missing: if postgres_bin().is_some() { Vec::new() } else { vec!["postgresql"] } }
}

/// Debian keeps each version's programs in a folder of its own, off the path; the newest is taken.
pub(crate) fn postgres_bin() -> Option<PathBuf> {
    let versions =
        fs::read_dir("/usr/lib/postgresql").ok()?.filter_map(|version| Some(version.ok()?.path().join("bin")));
    versions.filter(|bin| bin.join("initdb").is_file()).max()
}

/// What builds the worker's image.
pub(crate) fn packages_for_an_image() -> Packages {
    let wanted = [("buildah", "buildah"), ("musl-gcc", "musl-tools")];
    let missing = wanted.into_iter().filter(|(program, _)| on_path(program).is_none());
    Packages { missing: missing.map(|(_, package)| package).collect() }
}

/// What unpacks Debian packages into the images of a full environment.
pub(crate) fn packages_for_full_images() -> Packages {
    Packages { missing: if on_path("mmdebstrap").is_some() { Vec::new() } else { vec!["mmdebstrap"] } }
}

/// Debian's folder for them, then everybody else's.
pub(crate) fn cni_plugins() -> Option<PathBuf> {
    let has = |folder: &Path| ["bridge", "host-local", "loopback"].iter().all(|plugin| folder.join(plugin).is_file());
    ["/usr/lib/cni", "/opt/cni/bin"].map(PathBuf::from).into_iter().find(|folder| has(folder))
}

impl Packages {
    pub(crate) fn are_there(&self) -> bool {
        self.missing.is_empty()
    }

    /// What a person would type.
    pub(crate) fn command(&self) -> String {
        format!("apt-get install --no-install-recommends --no-remove {}", self.missing.join(" "))
    }

    /// `Ok(false)` where they are missing and may not or cannot be installed.
    pub(crate) fn ensure(&self, yes: bool) -> Result<bool> {
        if self.are_there() {
            return Ok(true);
        }
        if !folders::is_root() || on_path("apt-get").is_none() || !(yes || self.consented()?) {
            return Ok(false);
        }
        let _progress = Progress::begin(format!("installing {}", self.missing.join(", ")));
        let _policy = NoAutostart::begin()?;
        if !self.known() {
            apt(&["update"])?;
        }
        let mut arguments = vec!["install", "--yes", "--no-install-recommends", "--no-remove"];
        arguments.extend(&self.missing);
        apt(&arguments)?;
        Ok(true)
    }

    fn consented(&self) -> Result<bool> {
        if env::var_os("BERTH_LAB_YES").is_some_and(|yes| yes == "1")
            || env::var_os("CI").is_some_and(|ci| ci == "true")
        {
            return Ok(true);
        }
        let mut terminal = std::io::stderr();
        if !stdin().is_terminal() || !terminal.is_terminal() {
            return Ok(false);
        }
        write!(terminal, "Real pods need Debian packages that are missing here. Run `{}` now? [y/N] ", self.command())?;
        let mut answer = String::new();
        stdin().read_line(&mut answer)?;
        Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
    }

    /// Whether apt has lists, and each package a version that could be installed.
    fn known(&self) -> bool {
        self.missing.iter().all(|package| {
            let policy = Command::new("apt-cache").args(["policy", package]).output();
            let candidate = |line: &str| line.trim().starts_with("Candidate:") && !line.contains("(none)");
            policy.is_ok_and(|policy| String::from_utf8_lossy(&policy.stdout).lines().any(candidate))
        })
    }
}

fn apt(arguments: &[&str]) -> Result<()> {
    let output = Command::new("apt-get")
        .args(["-o", "DPkg::Lock::Timeout=120", "-o", "Dpkg::Use-Pty=0", "--quiet"])
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .output()
        .context("running apt-get")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("apt-get {} failed ({}):\n{}", arguments.join(" "), output.status, said.trim());
    }
    Ok(())
}

/// While it lives, packages do not start the services they bring: the lab runs a containerd of its own.
struct NoAutostart {
    ours: bool,
}

impl NoAutostart {
    const POLICY: &str = "/usr/sbin/policy-rc.d";

    fn begin() -> Result<Self> {
        // A policy that the machine has already is its owner's.
        if Path::new(Self::POLICY).exists() {
            return Ok(Self { ours: false });
        }
        fs::write(Self::POLICY, "#!/bin/sh\nexit 101\n").context("writing policy-rc.d")?;
        fs::set_permissions(Self::POLICY, fs::Permissions::from_mode(0o755))?;
        Ok(Self { ours: true })
    }
}

impl Drop for NoAutostart {
    fn drop(&mut self) {
        if self.ours
            && let Err(error) = fs::remove_file(Self::POLICY)
        {
            let _ = writeln!(std::io::stderr(), "lab: {} could not be removed: {error}", Self::POLICY);
        }
    }
}
