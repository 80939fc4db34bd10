//! A pull request on a lab: a worker that serves it, and the commands that a person would type.

use std::{ffi::OsStr, process::Command};

use berth_lab::Lab;
use serde_json::Value;

use crate::{Answer, Begun, Commands, Worker, commit};

/// A pull request of an app, and a worker of its own.
pub struct Berth {
    pub lab: Lab,
    pub worker: Worker,
    pub commands: Commands,
    app: String,
    pr: u64,
    namespace: String,
}

impl Berth {
    /// A pull request of the sample app on the shared lab, served by the binary `berth`. Tests with different numbers can
    /// run at once.
    pub fn start(berth: impl AsRef<OsStr>, pr: u64) -> Self {
        Self::start_with(berth, pr, |_| {})
    }

    /// The same, with a worker that `configure` changes.
    pub fn start_with(berth: impl AsRef<OsStr>, pr: u64, configure: impl FnOnce(&mut Command)) -> Self {
        let lab = Lab::shared().unwrap();
        Self::on(lab, berth, ("web", pr), configure)
    }

    /// A pull request of an app on that lab. Its namespace is `pr-<pr>` for the sample app, and `<app>-pr-<pr>` for another.
    pub fn on(
        lab: Lab,
        berth: impl AsRef<OsStr>,
        (app, pr): (&str, u64),
        configure: impl FnOnce(&mut Command),
    ) -> Self {
        let commands = Commands {
            berth: berth.as_ref().to_owned(),
            temporal_address: lab.temporal_address().to_owned(),
            task_queue: format!("berth-{app}-{pr}"),
        };
        let worker = Worker::start(&lab, berth, &commands.task_queue, configure);
        let namespace = if app == "web" { format!("pr-{pr}") } else { format!("{app}-pr-{pr}") };
        Self { lab, worker, commands, app: app.to_owned(), pr, namespace }
    }

    /// Replaces the worker by another, as after a crash.
    pub fn restart_worker(&mut self, configure: impl FnOnce(&mut Command)) {
        self.worker.kill();
        self.worker = Worker::start(&self.lab, &self.commands.berth, &self.commands.task_queue, configure);
    }

    /// Pushes the commit of that digit, and waits for the answer.
    pub fn push(&self, digit: char, image: &str, more: &[&str]) -> Answer {
        self.begin_push(digit, image, more).wait()
    }

    /// Pushes the commit of that digit.
    pub fn begin_push(&self, digit: char, image: &str, more: &[&str]) -> Begun {
        let commit = commit(digit).to_string();
        let arguments = [&["--commit", &commit, "--image", image], more].concat();
        self.begin("push", &arguments)
    }

    /// `berth preview <verb>` for this pull request, beside the test.
    pub fn begin(&self, verb: &str, more: &[&str]) -> Begun {
        self.commands.begin(verb, (&self.app, self.pr), more)
    }

    /// `berth preview <verb>` for this pull request.
    pub fn preview(&self, verb: &str, more: &[&str]) -> Answer {
        self.commands.preview(verb, (&self.app, self.pr), more)
    }

    /// The environment's status, null where there is none.
    pub fn status(&self) -> Value {
        self.preview("status", &[]).data
    }

    /// `kubectl`, which must succeed.
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        self.lab.kubectl(arguments).unwrap()
    }

    /// The `temporal` CLI, which must succeed.
    pub fn temporal(&self, arguments: &[&str]) -> String {
        self.lab.temporal(arguments).unwrap()
    }

    /// An object of the environment, if it is there.
    pub fn object(&self, kind: &str, name: &str) -> Option<Value> {
        let found = self.kubectl(&["get", kind, name, "-n", &self.namespace, "--ignore-not-found", "-o", "json"]);
        (!found.trim().is_empty()).then(|| serde_json::from_str(&found).unwrap())
    }

    /// The page as it is served, through the API server.
    pub fn page(&self) -> String {
        let Self { app, pr, namespace, .. } = self;
        let service = format!("/api/v1/namespaces/{namespace}/services/http:{app}-pr-{pr}:80/proxy/");
        self.kubectl(&["get", "--raw", &service])
    }

    /// The id of the environment's `ApplySet`.
    pub fn applyset(&self) -> String {
        let parent = self.object("secret", "berth-applyset").unwrap();
        parent["metadata"]["labels"]["applyset.kubernetes.io/id"].as_str().unwrap().to_owned()
    }

    /// A value of the environment's own Secret.
    pub fn secret_value(&self, key: &str) -> String {
        let template =
            format!("go-template={{{{range .items}}}}{{{{index .data \"{key}\" | base64decode}}}}{{{{end}}}}");
        self.kubectl(&["get", "secrets", "-n", &self.namespace, "-l", "berth.dev/content=secrets", "-o", &template])
    }
}
