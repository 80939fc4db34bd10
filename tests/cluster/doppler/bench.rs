//! A Doppler, a worker and a folder of apps for one test, on the lab's cluster.

use std::fs;

use berth_lab::{DopplerServer, Lab};
use berth_test_support::{Answer, Begun, Commands, Worker, commit, until};
use serde_json::Value;
use tempfile::TempDir;

use crate::BERTH;

/// A Doppler, and a worker that reads secrets from it.
pub(crate) struct Bench {
    pub(crate) lab: Lab,
    pub(crate) doppler: DopplerServer,
    pub(crate) worker: Worker,
    /// The name of its namespace and task queue.
    pub(crate) name: String,
    commands: Commands,
    apps: TempDir,
}

impl Bench {
    pub(crate) fn start(name: &str, worker_arguments: &[&str]) -> Self {
        let lab = Lab::shared().unwrap();
        let apps = tempfile::tempdir().unwrap();
        let doppler = DopplerServer::start().unwrap();
        lab.kubectl(&["create", "namespace", name]).unwrap();
        let worker = Worker::start(&lab, BERTH, name, |worker| {
            worker.env("BERTH_NAMESPACE", name).env("BERTH_APPS", apps.path());
            worker.env("DOPPLER_API_HOST", doppler.url()).env("BERTH_METRICS_ADDRESS", "127.0.0.1:0");
            // With the libraries' details: no secret may be in them either.
            worker.env("BERTH_LOG", "debug").args(worker_arguments);
        });
        let temporal_address = lab.temporal_address().to_owned();
        let commands = Commands { berth: BERTH.into(), temporal_address, task_queue: name.to_owned() };
        Self { lab, doppler, worker, name: name.to_owned(), commands, apps }
    }

    /// Writes an app: its config of Doppler, more lines of its file (first of `preview`), and its manifests by path.
    pub(crate) fn app(&self, app: &str, config: &str, more: &str, manifests: &[(&str, &str)]) {
        let registry = self.lab.registry();
        let text = format!(
            "app: {app}\nrepository: acme/{app}\nimages: [\"{registry}/acme/web\"]\nmanifests: ./{app}\nsecrets:\n  doppler:\n    \
             preview: {{ project: {app}, config: {config}, token: {{ secret: {app}-token }} }}\npreview:\n  \
             host: {app}-{{pr}}.localhost\n{more}"
        );
        let folder = self.apps.path().join(app);
        let _ = fs::remove_dir_all(&folder);
        for (path, text) in manifests {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        fs::write(self.apps.path().join(format!("{app}.yaml")), text).unwrap();
    }

    /// Makes the Secret with an app's token.
    pub(crate) fn token(&self, app: &str, key: &str, token: &str) {
        let literal = format!("--from-literal={key}={token}");
        self.kubectl(&["create", "secret", "generic", &format!("{app}-token"), "-n", &self.name, &literal]);
    }

    pub(crate) fn push(&self, app: &str, pr: u64, digit: char, image: &str) -> Answer {
        self.begin_push(app, pr, digit, image).wait()
    }

    pub(crate) fn begin_push(&self, app: &str, pr: u64, digit: char, image: &str) -> Begun {
        let commit = commit(digit).to_string();
        self.commands.begin("push", (app, pr), &["--commit", &commit, "--image", image])
    }

    pub(crate) fn close(&self, app: &str, pr: u64) -> Answer {
        self.commands.preview("close", (app, pr), &[])
    }

    pub(crate) fn status(&self, app: &str, pr: u64) -> Value {
        self.commands.preview("status", (app, pr), &[]).data
    }

    /// Redeploys, and waits until that rollout has ended.
    pub(crate) fn redeploy(&self, app: &str, pr: u64) -> Value {
        let before = self.rollouts(app, pr);
        self.temporal(&["workflow", "signal", "--workflow-id", &format!("preview-{app}-{pr}"), "--name", "redeploy"]);
        until("rolled out once more", || self.rollouts(app, pr) > before);
        self.status(app, pr)
    }

    fn rollouts(&self, app: &str, pr: u64) -> usize {
        self.status(app, pr)["rollouts"].as_array().map_or(0, Vec::len)
    }

    pub(crate) fn kubectl(&self, arguments: &[&str]) -> String {
        self.lab.kubectl(arguments).unwrap()
    }

    pub(crate) fn temporal(&self, arguments: &[&str]) -> String {
        self.lab.temporal(arguments).unwrap()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.kubectl(&["delete", "namespace", &self.name, "--wait=false"]);
    }
}
