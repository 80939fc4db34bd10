//! A worker with a folder of apps that a test may edit, and objects of others in its way.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use berth_lab::Lab;
use berth_test_support::{Berth, commit, until};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::BERTH;

/// A priority class for each rollout, as in manifests that were made for `envsubst`.
pub(crate) const PRIORITY_CLASS: &str = "apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata:
  name: $KUBE_APP-$KUBE_DEPLOY_ID-priority
value: $KUBE_DEPLOY_ID
preemptionPolicy: Never
description: rises with every rollout
";

/// A pull request, and a worker that reads a copy of the sample apps.
pub(crate) struct OwnApps {
    pub(crate) berth: Berth,
    folder: TempDir,
}

impl OwnApps {
    pub(crate) fn start(pr: u64) -> Self {
        Self::start_with(pr, |_, _| {})
    }

    /// The same, with a worker that `configure` changes. It gets the folder, too.
    pub(crate) fn start_with(pr: u64, configure: impl FnOnce(&Path, &mut Command)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy(Lab::shared().unwrap().apps_dir(), folder.path());
        let berth = Berth::start_with(BERTH, pr, |worker| {
            worker.env("BERTH_APPS", folder.path());
            configure(folder.path(), worker);
        });
        Self { berth, folder }
    }

    /// Kills the worker, and starts another that `configure` changes.
    pub(crate) fn restart_worker_with(&mut self, configure: impl FnOnce(&mut Command)) {
        let apps = self.folder.path();
        self.berth.restart_worker(|worker| {
            worker.env("BERTH_APPS", apps);
            configure(worker);
        });
    }

    /// The folder that the worker reads.
    pub(crate) fn apps(&self) -> &Path {
        self.folder.path()
    }

    /// Kills the worker, and starts another.
    pub(crate) fn restart_worker(&mut self) {
        let apps = self.folder.path();
        self.berth.restart_worker(|worker| {
            worker.env("BERTH_APPS", apps);
        });
    }

    /// Kills the worker, and starts another with the rights of another account.
    pub(crate) fn restart_worker_as(&mut self, kubeconfig: &Path) {
        let apps = self.folder.path();
        self.berth.restart_worker(|worker| {
            worker.env("BERTH_APPS", apps).env("KUBECONFIG", kubeconfig);
        });
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        fs::write(self.apps().join(file), text).unwrap();
    }

    pub(crate) fn remove(&self, file: &str) {
        fs::remove_file(self.apps().join(file)).unwrap();
    }

    /// Replaces a text that must be there.
    pub(crate) fn edit(&self, file: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.apps().join(file)).unwrap();
        assert!(text.contains(from), "{file} has no {from:?}");
        self.write(file, &text.replace(from, to));
    }

    /// Gives each rollout's pods a priority class of their own.
    pub(crate) fn add_priority_class(&self) {
        self.edit("web.yaml", "manifests: ./web\n", "manifests: ./web\ncluster_kinds: [PriorityClass]\n");
        self.write("web/core/priority.yaml", PRIORITY_CLASS);
        let spec = "      enableServiceLinks: false\n";
        let class = "      priorityClassName: $KUBE_APP-$KUBE_DEPLOY_ID-priority\n";
        self.edit("web/core/web.yaml", spec, &format!("{spec}{class}"));
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Starts an environment with a teardown that soon reports what blocks it, and waits until it is live.
pub(crate) fn push_with_short_teardown(berth: &Berth, pr: u64) {
    let timings = json!({"teardown_seconds": 20, "teardown_retry_seconds": 2});
    let input = json!({"app": "web", "pr": pr, "timings": timings}).to_string();
    let push = json!({"commit": commit('1'), "image": berth.lab.image("v1")}).to_string();
    let id = format!("preview-web-{pr}");
    let start = ["workflow", "signal-with-start", "--type", "PreviewEnvironment", "--workflow-id", &id];
    let with = [
        "--task-queue",
        &berth.commands.task_queue,
        "--input",
        &input,
        "--signal-name",
        "push",
        "--signal-input",
        &push,
    ];
    berth.temporal(&[start.as_slice(), with.as_slice()].concat());
    until("live", || berth.status()["phase"] == "Live");
}

/// Runs a command as a person would after copying it from `status`.
pub(crate) fn paste(lab: &Lab, command: &str) -> Output {
    let kubectl = lab.tool("kubectl");
    let path = format!("{}:{}", kubectl.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let kubeconfig = lab.kubeconfig();
    Command::new("sh").args(["-c", command]).env("PATH", path).env("KUBECONFIG", kubeconfig).output().unwrap()
}

/// Applies an object on the client's side, with `kubectl apply -f`.
pub(crate) fn apply_by_hand(berth: &Berth, name: &str, object: &Value) {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.json"));
    fs::write(&file, object.to_string()).unwrap();
    berth.kubectl(&["apply", "-f", &file.display().to_string()]);
}

/// The names of a pull request's priority classes.
pub(crate) fn priority_classes(berth: &Berth, pr: u64) -> Vec<String> {
    let selector = format!("berth.dev/workflow=preview-web-{pr}");
    let listed = berth.kubectl(&["get", "priorityclasses", "-l", &selector, "-o", "name"]);
    listed.lines().map(|line| line.rsplit('/').next().unwrap().to_owned()).collect()
}

/// Makes an object with a finalizer that nobody serves, without berth's labels.
pub(crate) fn hold(berth: &Berth, namespace: &str) {
    apply_by_hand(
        berth,
        &format!("held-{namespace}"),
        &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {
            "name": "held", "namespace": namespace, "finalizers": ["example.com/hold"],
        }}),
    );
}

/// The entry of an object in the report of what remains.
pub(crate) fn remaining<'a>(status: &'a Value, object: &str) -> Option<&'a Value> {
    status["teardown"]["remaining"].as_array()?.iter().find(|remaining| remaining["object"] == object)
}
