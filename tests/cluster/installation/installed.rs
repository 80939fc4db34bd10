//! An installation on the lab as documented, and commands with the worker's account.

use std::{
    collections::BTreeSet,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::OnceLock,
};

use berth_lab::{Lab, worker_manifests};
use berth_test_support::until;
use serde_json::{Value, json};

const ACCOUNT: &str = "system:serviceaccount:berth-system:berth";

/// A platform team's overlay, without a pod of the worker: here it runs beside the cluster, with the same account.
const OVERLAY: &str = "resources: [@MANIFESTS@]\nreplicas: [{ name: berth, count: 0 }]\n";

/// The lab with an installation.
#[derive(Clone)]
pub(crate) struct Installation {
    pub(crate) lab: Lab,
    /// Opens the cluster to the worker's service account.
    account: PathBuf,
}

impl Installation {
    /// Installs once for all tests of this process.
    pub(crate) fn on_the_lab() -> Self {
        static INSTALLED: OnceLock<Installation> = OnceLock::new();
        INSTALLED.get_or_init(Self::install).clone()
    }

    fn install() -> Self {
        let lab = Lab::shared().unwrap();
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("installation-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let manifests = worker_manifests(&folder).unwrap().display().to_string();
        std::fs::write(folder.join("kustomization.yaml"), OVERLAY.replace("@MANIFESTS@", &manifests)).unwrap();
        let installed = Self { account: folder.join("account.kubeconfig"), lab };
        installed.kubectl(&["apply", "-k", &folder.display().to_string()]);
        installed.write_account();
        installed.wait_for_the_policy();
        installed
    }

    /// Writes the administrator's kubeconfig with the account's token in place of the key.
    fn write_account(&self) {
        let mut config: Value =
            serde_json::from_str(&self.kubectl(&["config", "view", "--raw", "--flatten", "-o", "json"])).unwrap();
        let token = self.kubectl(&["create", "token", "berth", "-n", "berth-system", "--duration", "1h"]);
        config["users"][0]["user"] = json!({"token": token.trim()});
        std::fs::write(&self.account, config.to_string()).unwrap();
    }

    fn wait_for_the_policy(&self) {
        let probe = ["create", "namespace", "berth-400-probe", "--dry-run=server"];
        let refused = || self.as_worker(&probe, None).is_err_and(|said| said.contains("ValidatingAdmissionPolicy"));
        until("the policy is in force", refused);
    }

    /// `kubectl` as the cluster's administrator, which must succeed.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> String {
        run(self.command(self.lab.kubeconfig(), arguments), None).unwrap()
    }

    /// The same, with an object as input.
    pub(crate) fn kubectl_with(&self, arguments: &[&str], object: &Value) -> String {
        run(self.command(self.lab.kubeconfig(), arguments), Some(object)).unwrap()
    }

    /// `kubectl` as the worker's account: its output, or the refusal.
    pub(crate) fn as_worker(&self, arguments: &[&str], object: Option<&Value>) -> Result<String, String> {
        run(self.command(&self.account, arguments), object)
    }

    fn command(&self, kubeconfig: &Path, arguments: &[&str]) -> Command {
        let mut kubectl = Command::new(self.lab.tool("kubectl"));
        kubectl.arg("--kubeconfig").arg(kubeconfig).args(arguments);
        kubectl
    }

    /// Opens the cluster to the worker's service account.
    pub(crate) fn account(&self) -> &Path {
        &self.account
    }

    /// Writes in a namespace that were refused each time, as `verb resource`. A refusal alone is no fault: a fresh namespace
    /// allows for a moment less than later.
    pub(crate) fn writes_never_allowed(&self, namespace: &str) -> BTreeSet<String> {
        // A cluster that the lab did not start has no audit log here.
        let Ok(log) = std::fs::read_to_string(self.lab.audit_log()) else { return BTreeSet::new() };
        // The API server may be writing the last line.
        let lines = log.split_inclusive('\n').filter(|line| line.ends_with('\n') && line.contains(ACCOUNT));
        let events = lines.map(|line| serde_json::from_str(line).unwrap());
        let (mut refused, mut allowed) = (BTreeSet::new(), BTreeSet::new());
        for event in events.filter(|event: &Value| {
            event["user"]["username"] == ACCOUNT && event["objectRef"]["namespace"] == namespace
        }) {
            let write = format!("{} {}", event["verb"], event["objectRef"]["resource"]).replace('"', "");
            let is_refused = event["responseStatus"]["code"] == 403;
            if is_refused {
                refused.insert(write)
            } else {
                allowed.insert(write)
            };
        }
        assert!(!allowed.is_empty(), "the audit log has nothing of what the worker did");
        refused.difference(&allowed).cloned().collect()
    }
}

fn run(mut command: Command, object: Option<&Value>) -> Result<String, String> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    // A command that has answered already does not read its input.
    let _ = input.write_all(object.map(Value::to_string).unwrap_or_default().as_bytes());
    drop(input);
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    match status.success() {
        true => Ok(String::from_utf8_lossy(&stdout).into_owned()),
        false => Err(format!("{command:?}: {}", String::from_utf8_lossy(&stderr))),
    }
}
