//! The programs that the lab is made of, their sources, and getting those that are needed.

pub(crate) mod cache;
pub(crate) mod cargo;
mod debian;
mod go;
pub(crate) mod npm;
mod progress;
mod requirements;
mod wheel;

use std::{
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use anyhow::{Result, bail};

pub(crate) use debian::{
    chromium, cni_plugins, packages_for, packages_for_a_full_lab, packages_for_an_image, packages_for_full_images,
    postgres, postgres_bin,
};
pub(crate) use progress::Progress;
pub(crate) use wheel::install as install_wheels;

use self::{go::Module, wheel::Wheel};

/// Program name to path.
pub(crate) type Tools = BTreeMap<String, PathBuf>;

/// A program of the lab.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Etcd,
    ApiServer,
    ControllerManager,
    Scheduler,
    Kubelet,
    KubeProxy,
    Dns,
    Kwok,
    Registry,
    SampleApp,
    Pause,
    Pack,
    Temporal,
    Kubectl,
    DopplerCli,
    GithubCli,
    Act,
    TemporalServer,
    TemporalSqlTool,
    TemporalUi,
    Traefik,
    KubeRouter,
}

/// The source of a part.
#[derive(Debug, Clone, Copy)]
enum Source {
    Go(Module, &'static str),
    Wheel(Wheel),
}

impl Part {
    /// The parts of any cluster.
    pub(crate) const CONTROL_PLANE: [Self; 5] =
        [Self::Etcd, Self::ApiServer, Self::ControllerManager, Self::Scheduler, Self::Kubectl];
    /// The sample app's images and their registry. Images are addressed by digest even where no kubelet pulls them.
    pub(crate) const IMAGES: [Self; 3] = [Self::Registry, Self::SampleApp, Self::Pause];
    /// The parts through which pods find and reach Services.
    pub(crate) const SERVICE_NETWORK: [Self; 2] = [Self::KubeProxy, Self::Dns];

    /// The parts of a full environment and of its cluster.
    pub(crate) const FULL: [Self; 5] =
        [Self::TemporalServer, Self::TemporalSqlTool, Self::TemporalUi, Self::Traefik, Self::KubeRouter];

    pub(crate) fn program(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::ApiServer => "kube-apiserver",
            Self::ControllerManager => "kube-controller-manager",
            Self::Scheduler => "kube-scheduler",
            Self::Kubelet => "kubelet",
            Self::KubeProxy => "kube-proxy",
            Self::Dns => "dns",
            Self::Kwok => "kwok",
            Self::Registry => "registry",
            Self::SampleApp => "web",
            Self::Pause => "pause",
            Self::Temporal => "temporal",
            Self::Kubectl => "kubectl",
            Self::DopplerCli => "doppler",
            Self::GithubCli => "gh",
            Self::Act => "act",
            Self::Pack => "pack",
            Self::TemporalServer => "temporal-server",
            Self::TemporalSqlTool => "temporal-sql-tool",
            Self::TemporalUi => "temporal-ui-server",
            Self::Traefik => "traefik",
            Self::KubeRouter => "kube-router",
        }
    }

    fn source(self) -> Source {
        match self {
            Self::Etcd => Source::Go(Module::Etcd, "go.etcd.io/etcd/server/v3"),
            Self::ApiServer => Source::Go(Module::Kubernetes, "k8s.io/kubernetes/cmd/kube-apiserver"),
            Self::ControllerManager => Source::Go(Module::Kubernetes, "k8s.io/kubernetes/cmd/kube-controller-manager"),
            Self::Scheduler => Source::Go(Module::Kubernetes, "k8s.io/kubernetes/cmd/kube-scheduler"),
            Self::Kubelet => Source::Go(Module::Kubernetes, "k8s.io/kubernetes/cmd/kubelet"),
            Self::KubeProxy => Source::Go(Module::Kubernetes, "k8s.io/kubernetes/cmd/kube-proxy"),
            Self::Dns => Source::Go(Module::Kubernetes, "./cmd/dns"),
            Self::Kwok => Source::Go(Module::Kwok, "sigs.k8s.io/kwok/cmd/kwok"),
            Self::Registry => Source::Go(Module::Images, "./registry"),
            Self::SampleApp => Source::Go(Module::Images, "./web"),
            Self::Pause => Source::Go(Module::Images, "./pause"),
            Self::Temporal => Source::Wheel(Wheel::Temporal),
            Self::Kubectl => Source::Wheel(Wheel::Kubectl),
            Self::DopplerCli => Source::Wheel(Wheel::Doppler),
            Self::GithubCli => Source::Wheel(Wheel::Gh),
            Self::Act => Source::Wheel(Wheel::Act),
            Self::Pack => Source::Go(Module::Images, "./pack"),
            Self::TemporalServer => Source::Go(Module::Temporal, "go.temporal.io/server/cmd/server"),
            Self::TemporalSqlTool => Source::Go(Module::Temporal, "go.temporal.io/server/cmd/tools/sql"),
            Self::TemporalUi => Source::Go(Module::TemporalUi, "github.com/temporalio/ui-server/v2/cmd/server"),
            Self::Traefik => Source::Go(Module::Traefik, "github.com/traefik/traefik/v3/cmd/traefik"),
            Self::KubeRouter => {
                Source::Go(Module::KubeRouter, "github.com/cloudnativelabs/kube-router/v2/cmd/kube-router")
            }
        }
    }
}

/// Builds or fetches the parts that are missing, and answers the path of each.
pub(crate) fn ensure(parts: &[Part]) -> Result<Tools> {
    let mut tools = Tools::new();
    let mut wanted: BTreeMap<Module, Programs> = BTreeMap::new();
    for part in parts {
        if let Some(path) = in_kubebuilder_assets(part.program()) {
            tools.insert(part.program().to_owned(), path);
            continue;
        }
        match part.source() {
            Source::Wheel(wheel) => {
                tools.insert(part.program().to_owned(), wheel::ensure(wheel, part.program())?);
            }
            Source::Go(module, package) => wanted.entry(module).or_default().push((part.program(), package)),
        }
    }
    tools.extend(ensure_modules(&wanted.into_iter().collect::<Vec<_>>())?);
    Ok(tools)
}

type Programs = Vec<(&'static str, &'static str)>;

/// Builds module after module, and meanwhile downloads the sources of the later ones: a build waits for processors, a
/// download for the network.
fn ensure_modules(modules: &[(Module, Programs)]) -> Result<Tools> {
    let done = Arc::new(AtomicBool::new(false));
    let _downloads = thread::spawn({
        let (later, done) = (modules.iter().skip(1).cloned().collect::<Vec<_>>(), Arc::clone(&done));
        move || {
            for (module, programs) in later.iter().filter(|_| !done.load(Ordering::Relaxed)) {
                // The module's build downloads what is missing, and reports the error.
                let _ = go::fetch_sources(*module, programs);
            }
        }
    });
    let built = modules.iter().map(|(module, programs)| go::ensure(*module, programs)).collect::<Result<Vec<_>>>();
    done.store(true, Ordering::Relaxed);
    Ok(built?.into_iter().flatten().collect())
}

/// The folder of KWOK's stage files, which define how its nodes and pods behave. It comes with KWOK's module.
pub(crate) fn kwok_stages() -> Result<PathBuf> {
    go::kwok_stages()
}

/// The folder of temporal-ui's configuration files. It comes with temporal-ui's module.
pub(crate) fn temporal_ui_config() -> Result<PathBuf> {
    go::temporal_ui_config()
}

/// The version that a part built from a Go module carries.
pub(crate) fn version(part: Part) -> Result<String> {
    match part.source() {
        Source::Go(module, _) => module.version(),
        Source::Wheel(_) => bail!("{} is not built from a Go module", part.program()),
    }
}

/// The folder with Node's `bin` and `lib`.
pub(crate) fn node() -> Result<PathBuf> {
    wheel::node()
}

/// The folder of a newer PostgreSQL, and where its programs are in it.
pub(crate) fn newer_postgres() -> Result<(PathBuf, &'static str)> {
    Ok((wheel::postgres()?, wheel::POSTGRES_BIN))
}

/// Looks in `KUBEBUILDER_ASSETS`: the customary variable for a folder with etcd, kube-apiserver and kubectl.
fn in_kubebuilder_assets(program: &str) -> Option<PathBuf> {
    if !matches!(program, "etcd" | "kube-apiserver" | "kubectl") {
        return None;
    }
    let path = PathBuf::from(env::var_os("KUBEBUILDER_ASSETS")?).join(program);
    path.is_file().then_some(path)
}

/// Looks for a program on PATH and in the sbin folders, which a user's PATH often lacks.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}
