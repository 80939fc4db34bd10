//! buildah, which builds a Dockerfile without a daemon.
//!
//! The Dockerfile's two base images are made here from the machine's files, so that no registry is needed. The compiler is
//! the machine's, mounted into the build.

use std::{
    env::consts::ARCH,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::{
    machine::{
        folders,
        lock::{self, Lock},
        process,
    },
    parts::Progress,
};

const BASE: &str = "localhost/berth-lab/base:1";
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The folders of Debian's C compiler and linker.
const TOOLS: [&str; 5] = ["/usr/bin", "/usr/lib", "/usr/lib64", "/usr/include", "/etc/alternatives"];

/// The lab's own image storage, in its cache folder.
pub(super) struct Buildah {
    folder: PathBuf,
    _lock: Lock,
}

/// The size of an image in bytes.
pub(super) struct Size {
    /// The worker's binary, uncompressed.
    pub(super) unpacked: u64,
    /// The layers above the base, compressed.
    pub(super) packed: u64,
    /// The base, compressed.
    pub(super) base: u64,
}

impl Buildah {
    /// Opens the storage. Waits for another process that uses it.
    pub(super) fn open() -> Result<Self> {
        let folder = folders::make(folders::cache()?.join("images"))?;
        folders::make(folder.join("tmp"))?;
        let lock = lock::exclusive(&folder.join("lock"))?;
        Ok(Self { folder, _lock: lock })
    }

    /// Makes a buildah command. `vfs` and `chroot` need neither overlay mounts nor namespaces.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("buildah");
        command.arg("--root").arg(self.folder.join("storage")).arg("--runroot").arg(self.folder.join("run"));
        command.args(["--storage-driver", "vfs"]).args(arguments).env("TMPDIR", self.folder.join("tmp"));
        command
    }

    fn run(&self, arguments: &[&str]) -> Result<String> {
        Ok(process::output(&mut self.command(arguments))?.trim().to_owned())
    }

    /// Builds the Dockerfile. Unchanged layers are reused.
    pub(super) fn build_berth(&self, tag: &str) -> Result<()> {
        let toolchain = Toolchain::find()?;
        let builder = self.make_builder(&toolchain)?;
        self.make_base()?;
        let _progress = Progress::begin("building the worker's image");
        let bind = |from: &str, to: &str, mode: &str| format!("--volume={from}:{to}{mode}");
        let mut arguments = vec![
            "build".to_owned(),
            "--layers".to_owned(),
            "--isolation=chroot".to_owned(),
            "--pull-never".to_owned(),
            format!("--build-arg=BUILDER={builder}"),
            format!("--build-arg=BASE={BASE}"),
            format!("--tag={tag}"),
            bind(&toolchain.root, "/toolchain", ":ro"),
            bind(&toolchain.cargo_home, "/cargo", ""),
            bind("/etc/ssl", "/etc/ssl", ":ro"),
        ];
        arguments.extend(TOOLS.iter().filter(|tool| Path::new(tool).exists()).map(|tool| bind(tool, tool, ":ro")));
        let mut command = self.command(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        process::output(command.arg(folders::workspace())).map(drop)
    }

    /// Builds an image `FROM` another one, with a folder of apps.
    pub(super) fn build_with_apps(&self, from: &str, apps: &Path, tag: &str) -> Result<()> {
        let dockerfile = self.folder.join("tmp/apps.Dockerfile");
        fs::write(&dockerfile, format!("FROM {from}\nCOPY . /apps\n"))?;
        let (dockerfile, apps) = (dockerfile.display().to_string(), apps.display().to_string());
        self.run(&["build", "--pull-never", "--isolation=chroot", "--tag", tag, "--file", &dockerfile, &apps]).map(drop)
    }

    /// Pushes an image, and answers `repository@digest`.
    pub(super) fn push(&self, tag: &str, repository: &str) -> Result<String> {
        let digest = self.folder.join("tmp/digest");
        let to = format!("docker://{repository}:lab");
        self.run(&["push", "--tls-verify=false", "--digestfile", &digest.display().to_string(), tag, &to])?;
        Ok(format!("{repository}@{}", fs::read_to_string(&digest)?.trim()))
    }

    /// Copies a file out of an image.
    pub(super) fn copy_out(&self, tag: &str, file: &str, to: &Path) -> Result<()> {
        let container = Container { buildah: self, id: self.run(&["from", "--pull-never", tag])? };
        let root = self.run(&["mount", &container.id])?;
        fs::copy(Path::new(&root).join(file.trim_start_matches('/')), to)
            .with_context(|| format!("copying {file} out of {tag}"))
            .map(drop)
    }

    pub(super) fn size(&self, tag: &str) -> Result<Size> {
        let (base, all) = (self.layers(BASE)?, self.layers(tag)?);
        let beyond = all.get(base.len()..).context("counting layers")?;
        let container = Container { buildah: self, id: self.run(&["from", "--pull-never", tag])? };
        let root = self.run(&["mount", &container.id])?;
        let binary = fs::metadata(Path::new(&root).join("usr/local/bin/berth"))?.len();
        Ok(Size { unpacked: binary, packed: beyond.iter().sum(), base: base.iter().sum() })
    }

    /// The compressed size of each layer, as in a registry.
    fn layers(&self, tag: &str) -> Result<Vec<u64>> {
        let layout = self.folder.join("tmp/oci");
        if layout.exists() {
            fs::remove_dir_all(&layout)?;
        }
        self.run(&["push", tag, &format!("oci:{}", layout.display())])?;
        let index = read_json(&layout.join("index.json"))?;
        let digest = index["manifests"][0]["digest"].as_str().context("finding the image's manifest")?;
        let manifest = read_json(&layout.join("blobs").join(digest.replace(':', "/")))?;
        let layers = manifest["layers"].as_array().context("finding the image's layers")?;
        Ok(layers.iter().filter_map(|layer| layer["size"].as_u64()).collect())
    }

    /// Makes an image with mount points for the machine's compiler, and variables that point there.
    ///
    /// Its tag has the compiler's version, so that another compiler causes a new build.
    fn make_builder(&self, toolchain: &Toolchain) -> Result<String> {
        let tag = format!("localhost/berth-lab/builder:{}", toolchain.key);
        let target = format!("{ARCH}-unknown-linux-musl");
        let linker = format!("CC_{}=musl-gcc", target.replace('-', "_"));
        self.make(&tag, |root| {
            for folder in ["usr", "etc", "tmp", "toolchain", "cargo"] {
                folders::make(root.join(folder))?;
            }
            for name in ["bin", "lib", "lib64"] {
                std::os::unix::fs::symlink(format!("usr/{name}"), root.join(name))?;
            }
            Ok(vec![
                "PATH=/toolchain/bin:/usr/bin".to_owned(),
                "CARGO_HOME=/cargo".to_owned(),
                format!("CARGO_BUILD_TARGET={target}"),
                linker,
            ])
        })?;
        Ok(tag)
    }

    /// Makes the base: like distroless' `static`, it has the certificate authorities.
    fn make_base(&self) -> Result<()> {
        self.make(BASE, |root| {
            let to = root.join(AUTHORITIES.trim_start_matches('/'));
            folders::make(to.parent().unwrap_or(root).to_owned())?;
            fs::copy(AUTHORITIES, to).context("copying the machine's certificate authorities")?;
            Ok(Vec::new())
        })
    }

    /// Makes an image from scratch, unless it exists. `fill` answers its environment variables.
    fn make(&self, tag: &str, fill: impl FnOnce(&Path) -> Result<Vec<String>>) -> Result<()> {
        if self.run(&["inspect", "--type", "image", tag]).is_ok() {
            return Ok(());
        }
        let container = Container { buildah: self, id: self.run(&["from", "scratch"])? };
        let root = self.run(&["mount", &container.id])?;
        for variable in fill(Path::new(&root))? {
            self.run(&["config", "--env", &variable, &container.id])?;
        }
        self.run(&["commit", "--quiet", &container.id, tag]).map(drop)
    }
}

/// A working container. It is removed when this is dropped.
struct Container<'a> {
    buildah: &'a Buildah,
    id: String,
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        // A rest stays in the lab's cache folder, where it is harmless.
        let _ = self.buildah.run(&["rm", &self.id]);
    }
}

/// The machine's Rust, with the standard library for static programs.
struct Toolchain {
    root: String,
    cargo_home: String,
    key: String,
}

impl Toolchain {
    fn find() -> Result<Self> {
        let rustc = |arguments: &[&str]| {
            process::output(Command::new("rustc").args(arguments).current_dir(folders::workspace()))
        };
        let target = format!("{ARCH}-unknown-linux-musl");
        let library = rustc(&["--print", "target-libdir", "--target", &target])?;
        if !Path::new(library.trim()).exists() {
            bail!("Rust's standard library for static programs is missing: rustup target add {target}");
        }
        let cargo_home = match std::env::var("CARGO_HOME") {
            Ok(home) => home,
            Err(_) => std::env::home_dir().context("finding HOME")?.join(".cargo").display().to_string(),
        };
        Ok(Self {
            root: rustc(&["--print", "sysroot"])?.trim().to_owned(),
            cargo_home,
            key: Sha256::digest(rustc(&["-vV"])?).iter().take(8).map(|byte| format!("{byte:02x}")).collect(),
        })
    }
}

fn read_json(path: &Path) -> Result<Value> {
    Ok(serde_json::from_str(&fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?)?)
}
