//! etcd, API server, controller-manager and scheduler: their flags and readiness.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result};

use crate::{
    cluster::certificates::Certificates,
    machine::{children::Children, ports, process, subnet},
    parts::Tools,
};

const AUDIT_POLICY: &str = include_str!("control_plane/audit-policy.yaml");

/// Generous, for busy machines: it only bounds the wait for a broken start.
const READY_WITHIN: Duration = Duration::from_secs(90);

/// A control plane: its addresses, certificates and files.
#[derive(Debug)]
pub(crate) struct ControlPlane {
    pub(crate) kubeconfig: PathBuf,
    pub(crate) audit_log: PathBuf,
    pub(crate) certificates: Certificates,
    api_server: SocketAddr,
}

impl ControlPlane {
    /// Chooses the address and issues certificates, without starting anything.
    ///
    /// `host` and `node` are the two ends of the node's veth pair. Without a node, loopback is served.
    pub(crate) fn prepare(data: &Path, host: Option<Ipv4Addr>, node: Option<Ipv4Addr>) -> Result<Self> {
        let listen = IpAddr::from(host.unwrap_or(Ipv4Addr::LOCALHOST));
        // The address may not exist yet. A port that is free on loopback is free on the lab's own network.
        let api_server = SocketAddr::new(listen, ports::free(Ipv4Addr::LOCALHOST.into())?);
        let mut addresses = vec![IpAddr::from(Ipv4Addr::LOCALHOST)];
        addresses.extend(host.into_iter().chain(node).map(IpAddr::from));
        let certificates =
            Certificates::issue(data.join("certificates"), &format!("https://{api_server}"), &addresses)?;
        Ok(Self {
            kubeconfig: certificates.kubeconfig("admin"),
            audit_log: data.join("audit.log"),
            certificates,
            api_server,
        })
    }

    /// Starts all parts, and waits until the API server is ready. The other parts retry until it is.
    ///
    /// With `restarts`, the API server is restarted when it ends.
    pub(crate) fn start(&self, data: &Path, tools: &Tools, restarts: bool, children: &mut Children) -> Result<()> {
        let etcd = start_etcd(data, tools, children)?;
        let api_server = self.api_server_command(data, tools, children, etcd)?;
        match restarts {
            true => children.start_with_restarts("kube-apiserver", api_server)?,
            false => children.start("kube-apiserver", api_server)?,
        }
        self.start_controllers(data, tools, children)?;
        let kubectl = &tools["kubectl"];
        children.wait_until("kube-apiserver", READY_WITHIN, || {
            process::output(
                Command::new(kubectl).arg("--kubeconfig").arg(&self.kubeconfig).args(["get", "--raw", "/readyz"]),
            )
            .is_ok_and(|answer| answer.trim() == "ok")
        })
    }

    fn api_server_command(&self, data: &Path, tools: &Tools, children: &Children, etcd: SocketAddr) -> Result<Command> {
        let policy = data.join("audit-policy.yaml");
        fs::write(&policy, AUDIT_POLICY)?;
        let file = |name: &str| self.certificates.path(name);
        let listen = self.api_server.ip();
        let advertised = if listen.is_loopback() { Ipv4Addr::new(10, 95, 255, 1).into() } else { listen };
        let flags = [
            format!("--etcd-servers=http://{etcd}"),
            format!("--bind-address={listen}"),
            format!("--secure-port={}", self.api_server.port()),
            // A loopback address is refused here, even where it is never used.
            format!("--advertise-address={advertised}"),
            "--kubelet-preferred-address-types=InternalIP".to_owned(),
            format!("--tls-cert-file={}", file("apiserver.crt")),
            format!("--tls-private-key-file={}", file("apiserver.key")),
            format!("--client-ca-file={}", file("ca.crt")),
            format!("--kubelet-client-certificate={}", file("apiserver-to-kubelet.crt")),
            format!("--kubelet-client-key={}", file("apiserver-to-kubelet.key")),
            format!("--kubelet-certificate-authority={}", file("ca.crt")),
            format!("--service-account-key-file={}", file("service-accounts.pub")),
            format!("--service-account-signing-key-file={}", file("service-accounts.key")),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--service-cluster-ip-range={}", subnet::SERVICES),
            "--authorization-mode=Node,RBAC".to_owned(),
            "--enable-admission-plugins=NodeRestriction".to_owned(),
            "--allow-privileged=true".to_owned(),
            format!("--audit-policy-file={}", policy.display()),
            format!("--audit-log-path={}", self.audit_log.display()),
        ];
        let mut command = children.command("kube-apiserver", &tools["kube-apiserver"])?;
        command.args(flags);
        Ok(command)
    }

    /// Starts controllers with high limits: with the defaults they, not the worker under test, would limit a burst.
    fn start_controllers(&self, data: &Path, tools: &Tools, children: &mut Children) -> Result<()> {
        let file = |name: &str| self.certificates.path(name);
        let loopback = IpAddr::from(Ipv4Addr::LOCALHOST);
        let mut command = children.command("kube-controller-manager", &tools["kube-controller-manager"])?;
        command.args([
            format!("--kubeconfig={}", self.certificates.kubeconfig("controller-manager").display()),
            "--use-service-account-credentials".to_owned(),
            format!("--service-account-private-key-file={}", file("service-accounts.key")),
            format!("--root-ca-file={}", file("ca.crt")),
            format!("--cluster-signing-cert-file={}", file("ca.crt")),
            format!("--cluster-signing-key-file={}", file("ca.key")),
            "--leader-elect=false".to_owned(),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--secure-port={}", ports::free(loopback)?),
            "--kube-api-qps=1000".to_owned(),
            "--kube-api-burst=2000".to_owned(),
            "--concurrent-deployment-syncs=20".to_owned(),
            "--concurrent-replicaset-syncs=20".to_owned(),
            "--concurrent-namespace-syncs=30".to_owned(),
        ]);
        children.start("kube-controller-manager", command)?;

        let config = data.join("scheduler.yaml");
        let kubeconfig = self.certificates.kubeconfig("scheduler");
        fs::write(
            &config,
            format!(
                "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n\
                 leaderElection: {{leaderElect: false}}\n\
                 clientConnection: {{kubeconfig: {}, qps: 1000, burst: 2000}}\n",
                kubeconfig.display()
            ),
        )?;
        let mut command = children.command("kube-scheduler", &tools["kube-scheduler"])?;
        command.args([
            format!("--config={}", config.display()),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--secure-port={}", ports::free(loopback)?),
        ]);
        children.start("kube-scheduler", command)
    }
}

fn start_etcd(data: &Path, tools: &Tools, children: &mut Children) -> Result<SocketAddr> {
    let loopback = IpAddr::from(Ipv4Addr::LOCALHOST);
    let clients = SocketAddr::new(loopback, ports::free(loopback)?);
    let peers = SocketAddr::new(loopback, ports::free(loopback)?);
    let mut command = children.command("etcd", &tools["etcd"])?;
    command.args([
        format!("--data-dir={}", data.join("etcd").display()),
        format!("--listen-client-urls=http://{clients}"),
        format!("--advertise-client-urls=http://{clients}"),
        format!("--listen-peer-urls=http://{peers}"),
        format!("--initial-advertise-peer-urls=http://{peers}"),
        format!("--initial-cluster=default=http://{peers}"),
        // A lab's data ends with the lab, so a power cut may lose it.
        "--unsafe-no-fsync".to_owned(),
        "--quota-backend-bytes=4294967296".to_owned(),
    ]);
    children.start("etcd", command)?;
    children.wait_until("etcd", READY_WITHIN, || process::accepts_connections(clients)).context("starting etcd")?;
    Ok(clients)
}
