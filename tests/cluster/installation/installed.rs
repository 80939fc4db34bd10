//! berth installed on the lab as the README says, and the means to act as its worker's account.

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

/// What the platform team would write. No pod of the worker: here it runs beside the cluster, with the same account.
const OVERLAY: &str = "resources: [@MANIFESTS@]\nreplicas: [{ name: berth, count: 0 }]\n";

/// The lab with berth installed.
#[derive(Clone)]
pub(crate) struct Installation {
    pub(crate) lab: Lab,
    /// Opens the cluster to the worker's service account.
    account: PathBuf,
}

impl Installation {
    /// Installs it, once for all tests of this process.
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

    /// The administrator's way in, with the account's token in place of the administrator's key.
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

    /// `kubectl` as the cluster's administrator. It must succeed.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> String {
        run(self.command(self.lab.kubeconfig(), arguments), None).unwrap()
    }

    /// The same, with an object.
    pub(crate) fn kubectl_with(&self, arguments: &[&str], object: &Value) -> String {
        run(self.command(self.lab.kubeconfig(), arguments), Some(object)).unwrap()
    }

    /// `kubectl` as the worker's account: what it answered, or the words of the refusal.
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

    /// What the account tried to write in a namespace and was always refused, as `verb resource`. Some steps go on without
    /// a right that they lack, and a fresh namespace refuses for a moment what it allows later.
    pub(crate) fn writes_never_allowed(&self, namespace: &str) -> BTreeSet<String> {
        // Somebody's own cluster keeps its audit log to itself.
        let Ok(log) = std::fs::read_to_string(self.lab.audit_log()) else { return BTreeSet::new() };
        // The API server may be in the middle of the last line.
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
    // One that has answered already does not read its input: its answer is what counts.
    let _ = input.write_all(object.map(Value::to_string).unwrap_or_default().as_bytes());
    drop(input);
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    match status.success() {
        true => Ok(String::from_utf8_lossy(&stdout).into_owned()),
        false => Err(format!("{command:?}: {}", String::from_utf8_lossy(&stderr))),
    }
}
