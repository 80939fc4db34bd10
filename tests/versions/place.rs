//! An environment in one direction of the matrix, and the messages that it takes.
//!
//! Messages are signals of the `temporal` CLI: Temporal has them at once, though no worker takes them.

use std::{
    fs,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use berth_lab::Lab;
use berth_test_support::{Begun, Commands, commit, until};
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{NEW, history::History};

/// More time than an environment needs on a busy machine, a wait for its turn included.
const PATIENCE: Duration = Duration::from_secs(180);

/// A pod that starts once a node has the label of its environment and commit.
const WEB: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  strategy: {type: Recreate}
  template:
    metadata: {labels: {app: web}}
    spec:
      affinity:
        nodeAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
            nodeSelectorTerms: [{matchExpressions: [{key: $KUBE_APP-$GITHUB_SHA, operator: Exists}]}]
      containers: [{name: web, image: $KUBE_DEPLOYMENT_IMAGE}]
";

/// The apps of one direction, for its workers.
pub(crate) struct Site {
    pub(crate) lab: Lab,
    pub(crate) task_queue: String,
    pub(crate) apps: TempDir,
    /// The prefix of its apps' names.
    name: &'static str,
}

impl Site {
    pub(crate) fn new(lab: Lab, name: &'static str) -> Self {
        let site = Self { lab, task_queue: format!("versions-{name}"), apps: tempfile::tempdir().unwrap(), name };
        site.write_app(name, &format!("preview:\n  namespace: {name}-pr-{{pr}}\n  host: {name}-pr-{{pr}}.localhost\n"));
        site
    }

    fn write_app(&self, app: &str, environment: &str) {
        let registry = self.lab.registry();
        let file = format!(
            "app: {app}\nrepository: acme/{app}\nimages: [\"{registry}/acme/web\"]\nmanifests: ./web\n{environment}"
        );
        fs::create_dir_all(self.apps.path().join("web/core")).unwrap();
        fs::write(self.apps.path().join("web/core/web.yaml"), WEB).unwrap();
        fs::write(self.apps.path().join(format!("{app}.yaml")), file).unwrap();
    }

    /// A pull request's environment.
    pub(crate) fn preview(&self, pr: usize, timings: &Value) -> Place<'_> {
        let app = self.name;
        self.place(
            "PreviewEnvironment",
            (format!("preview-{app}-{pr}"), format!("{app}-pr-{pr}")),
            vec!["preview".into(), "status".into(), app.into(), pr.to_string()],
            json!({"app": app, "pr": pr, "timings": timings}),
        )
    }

    /// Production of an app of its own, with these lines in its file. A person has made its namespace.
    pub(crate) fn production(&self, number: usize, settings: &str, timings: &Value) -> Place<'_> {
        let app = format!("{}-p{number}", self.name);
        let workflow_id = format!("production-{app}");
        self.write_app(&app, &format!("production:\n  namespace: {app}\n  host: {app}.localhost\n{settings}"));
        self.lab.kubectl(&["create", "namespace", &app]).unwrap();
        let workflow = format!("berth.dev/workflow={workflow_id}");
        let labels = ["app.kubernetes.io/managed-by=berth", "berth.dev/installation=berth", &workflow];
        self.lab.kubectl(&[&["label", "namespace", &app], &labels[..]].concat()).unwrap();
        self.place(
            "ProductionEnvironment",
            (workflow_id, app.clone()),
            vec!["production".into(), "status".into(), app.clone()],
            json!({"app": app, "timings": timings}),
        )
    }

    fn place(
        &self,
        workflow_type: &'static str,
        (workflow_id, namespace): (String, String),
        status: Vec<String>,
        input: Value,
    ) -> Place<'_> {
        Place { site: self, workflow_type, workflow_id, namespace, status, input, reached: Mutex::default() }
    }
}

/// An environment, by the names that follow from its app and number. `KUBE_APP` is its namespace's name.
pub(crate) struct Place<'a> {
    site: &'a Site,
    workflow_type: &'static str,
    pub(crate) workflow_id: String,
    pub(crate) namespace: String,
    /// The arguments of the command that shows its status.
    status: Vec<String>,
    input: Value,
    reached: Mutex<Value>,
}

impl Place<'_> {
    /// Starts the workflow.
    pub(crate) fn start(&self) {
        self.temporal(
            &["start", "--type", self.workflow_type, "--task-queue", &self.site.task_queue, "--input"],
            &[&self.input.to_string()],
        );
    }

    /// Sends a signal, with start.
    pub(crate) fn send(&self, signal: &str, message: &Value) {
        let start = ["signal-with-start", "--type", self.workflow_type, "--task-queue", &self.site.task_queue];
        let (input, message) = (self.input.to_string(), message.to_string());
        self.temporal(&start, &["--input", &input, "--signal-name", signal, "--signal-input", &message]);
    }

    /// Cancels the workflow.
    pub(crate) fn cancel(&self) {
        self.temporal(&["cancel"], &[]);
    }

    /// Sends a push or a release of the commit of that digit, whose sequence is that digit.
    pub(crate) fn push(&self, digit: char, more: &Value) {
        let signal = if self.workflow_type == "PreviewEnvironment" { "push" } else { "release" };
        let image = self.site.lab.image("v1");
        let mut message = json!({"commit": commit(digit), "image": image, "sequence": digit.to_digit(10)});
        message.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        self.send(signal, &message);
    }

    /// Lets pods of that commit start.
    pub(crate) fn open(&self, digit: char) {
        let label = format!("{}-{}=open", self.namespace, commit(digit));
        self.site.lab.kubectl(&["label", "nodes", "--all", &label]).unwrap();
    }

    /// Makes an object that keeps the namespace from going.
    pub(crate) fn hold_namespace(&self) {
        self.kubectl(&["create", "configmap", "held"]);
        self.kubectl(&["patch", "configmap", "held", "-p", r#"{"metadata":{"finalizers":["example.com/hold"]}}"#]);
    }

    /// Lets the namespace go.
    pub(crate) fn release_namespace(&self) {
        self.kubectl(&["patch", "configmap", "held", "-p", r#"{"metadata":{"finalizers":null}}"#]);
    }

    /// The status, null where no worker answers.
    fn status(&self) -> Value {
        let commands = Commands {
            berth: NEW.into(),
            temporal_address: self.site.lab.temporal_address().to_owned(),
            task_queue: self.site.task_queue.clone(),
        };
        let mut command = commands.command();
        command.args(&self.status).args(["--output", "json", "--task-queue", &self.site.task_queue]);
        Begun::new(command).wait().data
    }

    /// Waits until the status meets the condition.
    pub(crate) fn until(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let (mut status, end) = (Value::Null, Instant::now() + PATIENCE);
        while !is_so(&status) {
            assert!(Instant::now() < end, "{} is never {what}: {status:#}", self.workflow_id);
            status = self.status();
        }
        status
    }

    /// Waits for a phase.
    pub(crate) fn until_phase(&self, phase: &str) -> Value {
        self.until(phase, |status| status["phase"] == phase)
    }

    /// Waits until the workflow continues as new. Signals that change nothing make its history longer.
    pub(crate) fn until_continued(&self) {
        let first = self.history().run_id;
        until(&format!("{} continues", self.workflow_id), || {
            self.send("approve", &json!({"commit": commit('0')}));
            self.history().run_id != first
        });
    }

    /// The history of the newest run.
    pub(crate) fn history(&self) -> History {
        History::read(&self.site.lab, &self.workflow_id, None)
    }

    /// Whether a worker has tried a workflow task since then. Only the first of several failures is in the history. A task that
    /// went to the own queue of a worker that is gone has one attempt more.
    pub(crate) fn is_tried(&self, since: Timestamp) -> bool {
        self.history().is_tried(since) || self.attempts() > 2
    }

    /// How often the workflow task that is pending has been given to a worker, counted from 1.
    fn attempts(&self) -> u64 {
        let described =
            self.site.lab.temporal(&["workflow", "describe", "-w", &self.workflow_id, "-o", "json"]).unwrap();
        let described: Value = serde_json::from_str(&described).unwrap();
        described["pendingWorkflowTask"]["attempt"].as_u64().unwrap_or_default()
    }

    /// Keeps the status, to be compared with the end.
    pub(crate) fn keep(&self, status: Value) {
        *self.reached.lock().unwrap_or_else(PoisonError::into_inner) = status;
    }

    /// The status that was kept.
    pub(crate) fn kept(&self) -> Value {
        self.reached.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The UID of the namespace, empty where there is none.
    pub(crate) fn namespace_uid(&self) -> String {
        let get = ["get", "namespace", &self.namespace, "--ignore-not-found", "-o", "jsonpath={.metadata.uid}"];
        self.site.lab.kubectl(&get).unwrap()
    }

    fn kubectl(&self, arguments: &[&str]) {
        self.site.lab.kubectl(&[arguments, &["-n", &self.namespace]].concat()).unwrap();
    }

    fn temporal(&self, verb: &[&str], more: &[&str]) {
        let id = ["--workflow-id", &self.workflow_id];
        let command = [&["workflow"], &verb[..1], &id, &verb[1..], more].concat();
        // The server's answers while it cannot lock the workflow in time, and while a run ends. It has done nothing, and
        // clients try again.
        let is_busy = |error: &str| error.contains("Workflow is busy") || error.contains("workflow is closing");
        until(&format!("Temporal takes {}", verb[0]), || {
            let sent = self.site.lab.temporal(&command).map_err(|error| format!("{error:#}"));
            assert!(sent.as_ref().err().is_none_or(|error| is_busy(error)), "{sent:?}");
            sent.is_ok()
        });
    }
}
