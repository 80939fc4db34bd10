//! Debian packages that real pods need: used where installed, installed only as root and with consent.

use std::{
    env, fs,
    io::{IsTerminal as _, Write as _, stdin},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

use super::{on_path, progress::Progress};
use crate::machine::{folders, lock};

/// The packages that are needed and not installed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Packages {
    missing: Vec<&'static str>,
}

/// The packages of a node. Each is recognised by its programs: Docker's containerd.io has containerd and runc, too.
pub(crate) fn packages_for(service_network: bool) -> Packages {
    wait_for_installation();
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

/// The packages of a full lab: those of a node with Services, of network policies, of PostgreSQL and of images.
pub(crate) fn packages_for_a_full_lab() -> Packages {
    let mut packages = packages_for(true);
    packages.missing.extend(postgres().missing);
    packages.missing.extend(packages_for_full_images().missing);
    if on_path("ipset").is_none() {
        packages.missing.push("ipset");
    }
    packages
}

/// The packages of the browser that takes screenshots. Comments on GitHub have signs that only a font of emoji has.
pub(crate) fn chromium() -> Packages {
    wait_for_installation();
    let emoji = Path::new("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf");
    let packages = [("chromium", on_path("chromium").is_some()), ("fonts-noto-color-emoji", emoji.exists())];
    Packages { missing: packages.into_iter().filter(|(_, is_there)| !is_there).map(|(name, _)| name).collect() }
}

/// The package of PostgreSQL.
pub(crate) fn postgres() -> Packages {
    wait_for_installation();
    Packages { missing: if postgres_bin().is_some() { Vec::new() } else { vec!["postgresql"] } }
}

/// The folder of PostgreSQL's programs. Debian has one per version, off the PATH; the newest is taken.
pub(crate) fn postgres_bin() -> Option<PathBuf> {
    let versions =
        fs::read_dir("/usr/lib/postgresql").ok()?.filter_map(|version| Some(version.ok()?.path().join("bin")));
    versions.filter(|bin| bin.join("initdb").is_file()).max()
}

/// The packages that build the worker's image.
pub(crate) fn packages_for_an_image() -> Packages {
    wait_for_installation();
    let wanted = [("buildah", "buildah"), ("musl-gcc", "musl-tools")];
    let missing = wanted.into_iter().filter(|(program, _)| on_path(program).is_none());
    Packages { missing: missing.map(|(_, package)| package).collect() }
}

/// The package that unpacks Debian packages into the images of a full environment.
pub(crate) fn packages_for_full_images() -> Packages {
    wait_for_installation();
    Packages { missing: if on_path("mmdebstrap").is_some() { Vec::new() } else { vec!["mmdebstrap"] } }
}

/// The folder of the CNI plugins: Debian's, or else the customary one.
pub(crate) fn cni_plugins() -> Option<PathBuf> {
    let has = |folder: &Path| ["bridge", "host-local", "loopback"].iter().all(|plugin| folder.join(plugin).is_file());
    ["/usr/lib/cni", "/opt/cni/bin"].map(PathBuf::from).into_iter().find(|folder| has(folder))
}

/// Held exclusively by the process that installs packages.
fn installation_lock() -> Result<PathBuf> {
    Ok(folders::runtime()?.join("packages.lock"))
}

/// Waits while another process installs packages, because programs appear before their package is set up.
fn wait_for_installation() {
    if let Ok(path) = installation_lock() {
        // Without the lock, a package may be found too early, which its program then reports.
        let _ = lock::shared(&path);
    }
}

impl Packages {
    pub(crate) fn are_installed(&self) -> bool {
        self.missing.is_empty()
    }

    /// The command that installs them.
    pub(crate) fn command(&self) -> String {
        format!("apt-get install --no-install-recommends --no-remove {}", self.missing.join(" "))
    }

    /// Installs missing packages. Answers `false` where that is not possible or not allowed.
    ///
    /// `yes` is consent. So are `BERTH_LAB_YES=1`, `CI=true`, and a yes on the terminal.
    pub(crate) fn ensure(&self, yes: bool) -> Result<bool> {
        if self.are_installed() {
            return Ok(true);
        }
        if !folders::is_root() || on_path("apt-get").is_none() || !(yes || self.consented()?) {
            return Ok(false);
        }
        let _installation = lock::exclusive(&installation_lock()?)?;
        let _progress = Progress::begin(format!("installing {}", self.missing.join(", ")));
        let _policy = NoAutostart::begin()?;
        if !self.are_available() {
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

    /// Whether apt's lists offer a version of each package.
    fn are_available(&self) -> bool {
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
        let message = String::from_utf8_lossy(&output.stderr);
        bail!("apt-get {} failed ({}):\n{}", arguments.join(" "), output.status, message.trim());
    }
    Ok(())
}

/// Keeps packages from starting their services until it is dropped: the lab runs its own containerd.
struct NoAutostart {
    created: bool,
}

impl NoAutostart {
    const POLICY: &str = "/usr/sbin/policy-rc.d";

    fn begin() -> Result<Self> {
        // An existing policy is left alone.
        if Path::new(Self::POLICY).exists() {
            return Ok(Self { created: false });
        }
        fs::write(Self::POLICY, "#!/bin/sh\nexit 101\n").context("writing policy-rc.d")?;
        fs::set_permissions(Self::POLICY, fs::Permissions::from_mode(0o755))?;
        Ok(Self { created: true })
    }
}

impl Drop for NoAutostart {
    fn drop(&mut self) {
        if self.created
            && let Err(error) = fs::remove_file(Self::POLICY)
        {
            let _ = writeln!(std::io::stderr(), "lab: {} could not be removed: {error}", Self::POLICY);
        }
    }
}
