//! Production of an app on a lab: its files, a Doppler, a worker, and the commands that a person would type.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use berth_lab::{DopplerServer, Lab};
use serde_json::Value;
use tempfile::TempDir;

use crate::{Answer, Begun, Commands, Worker, commit, until};

/// The worker's namespace, which has the tokens.
const BERTH_NAMESPACE: &str = "berth-system";

/// An app without pods: its release is live as soon as it is applied. A suspended `CronJob` has the image.
pub const WITHOUT_PODS: &str = "apiVersion: v1
kind: ConfigMap
metadata: {name: web}
data: {commit: $GITHUB_SHA}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: web}
spec:
  schedule: '0 0 1 1 *'
  suspend: true
  jobTemplate:
    spec: {template: {spec: {restartPolicy: Never, containers: [{name: web, image: $KUBE_DEPLOYMENT_IMAGE}]}}}
";

/// A page that says which release it is, with a secret.
const WEB: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: web
        image: $KUBE_DEPLOYMENT_IMAGE@$KUBE_DEPLOYMENT_DIGEST
        ports: [{name: http, containerPort: 8080}]
        envFrom: [{secretRef: {name: $DOPPLER_MANAGED_SECRET_NAME}}]
        env: [{name: COMMIT, value: $GITHUB_SHA}, {name: $BEHAVIOUR, value: '5'}]
        readinessProbe: {httpGet: {path: /api/health, port: http}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}
";

/// The manifest of a page that works.
pub fn web() -> String {
    WEB.replace("$BEHAVIOUR", "NOTHING")
}

/// The manifest of a page that is ready after five seconds.
pub fn slow_web() -> String {
    WEB.replace("$BEHAVIOUR", "READY_AFTER_SECONDS")
}

/// The manifest of a page that does not start.
pub fn broken_web() -> String {
    WEB.replace("$BEHAVIOUR", "CRASH")
}

/// A `ConfigMap` without content.
pub fn config_map(name: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n")
}

/// Production of an app, and a worker that serves it.
pub struct LabProduction {
    pub lab: Lab,
    pub doppler: DopplerServer,
    pub worker: Worker,
    app: String,
    commands: Commands,
    apps: TempDir,
}

impl LabProduction {
    /// Starts a worker for an app with these lines in `production` of its file, and these manifests by path. Its namespace
    /// is there, as a person makes it.
    pub fn start(berth: impl AsRef<OsStr>, app: &str, settings: &str, manifests: &[(&str, &str)]) -> Self {
        Self::start_on(Lab::shared().unwrap(), berth, app, settings, manifests)
    }

    /// The same, on this lab.
    pub fn start_on(lab: Lab, berth: impl AsRef<OsStr>, app: &str, settings: &str, manifests: &[(&str, &str)]) -> Self {
        let namespace = format!("{app}-production");
        lab.kubectl(&["create", "namespace", &namespace]).unwrap();
        let labels = ["app.kubernetes.io/managed-by=berth", "berth.dev/installation=berth"];
        let workflow = format!("berth.dev/workflow=production-{app}");
        lab.kubectl(&[&["label", "namespace", &namespace], &labels[..], &[&workflow]].concat()).unwrap();
        Self::without_namespace_on(lab, berth, app, settings, manifests)
    }

    /// The same, and nobody has made the namespace.
    pub fn without_namespace(berth: impl AsRef<OsStr>, app: &str, settings: &str, manifests: &[(&str, &str)]) -> Self {
        Self::without_namespace_on(Lab::shared().unwrap(), berth, app, settings, manifests)
    }

    fn without_namespace_on(
        lab: Lab,
        berth: impl AsRef<OsStr>,
        app: &str,
        settings: &str,
        manifests: &[(&str, &str)],
    ) -> Self {
        let apps = tempfile::tempdir().unwrap();
        let doppler = DopplerServer::start().unwrap();
        let token = format!("dp.st.production.{app}");
        doppler.put(app, "production", &[("GREETING", "hello")]);
        doppler.bind(&token, app, "production");
        let literal = format!("--from-literal=serviceToken={token}");
        let secret = format!("{app}-token");
        lab.kubectl(&["create", "secret", "generic", &secret, "-n", BERTH_NAMESPACE, &literal]).unwrap();
        let file = format!(
            "app: {app}\nrepository: acme/{app}\nimages: [\"{}/acme/web\"]\nmanifests: ./{app}\nsecrets:\n  doppler:\n    \
             production: {{ project: {app}, config: production, token: {{ secret: {app}-token }} }}\nproduction:\n  \
             namespace: {app}-production\n  host: {app}.localhost\n{settings}",
            lab.registry()
        );
        fs::write(apps.path().join(format!("{app}.yaml")), file).unwrap();
        for (path, text) in manifests {
            write(apps.path().join(app).join(path), text);
        }
        let commands = Commands {
            berth: berth.as_ref().to_owned(),
            temporal_address: lab.temporal_address().to_owned(),
            task_queue: format!("berth-{app}"),
        };
        let worker = start_worker(&lab, &commands, apps.path(), &doppler);
        Self { lab, doppler, worker, app: app.to_owned(), commands, apps }
    }

    /// Starts another worker, after the first was killed.
    pub fn start_worker(&mut self) {
        self.worker = start_worker(&self.lab, &self.commands, self.apps.path(), &self.doppler);
    }

    /// Writes a manifest.
    pub fn write(&self, path: &str, text: &str) {
        write(self.apps.path().join(&self.app).join(path), text);
    }

    /// Removes a manifest.
    pub fn remove(&self, path: &str) {
        fs::remove_file(self.apps.path().join(&self.app).join(path)).unwrap();
    }

    /// The id of its workflow.
    pub fn workflow_id(&self) -> String {
        format!("production-{}", self.app)
    }

    /// Its namespace.
    pub fn namespace(&self) -> String {
        format!("{}-production", self.app)
    }

    /// Ends the workflow from outside, as `temporal workflow terminate` does.
    pub fn terminate(&self) {
        self.temporal("terminate", &[]);
    }

    /// Starts the workflow again, with that input.
    pub fn start_again(&self, input: &Value) {
        let of_it = ["--type", "ProductionEnvironment", "--task-queue", &self.commands.task_queue];
        self.temporal("start", &[&of_it[..], &["--input", &input.to_string()]].concat());
    }

    /// Begins `berth production <verb>`.
    pub fn begin(&self, verb: &str, more: &[&str]) -> Begun {
        self.begin_at(&self.commands.temporal_address, verb, more)
    }

    /// The same, with another Temporal.
    pub fn begin_at(&self, temporal: &str, verb: &str, more: &[&str]) -> Begun {
        let mut command: Command = self.commands.command();
        command.args(["production", verb, &self.app, "--output", "json", "--task-queue", &self.commands.task_queue]);
        command.args(more).env("TEMPORAL_ADDRESS", temporal).env("KUBECONFIG", self.lab.kubeconfig());
        Begun::new(command)
    }

    /// `berth production <verb>`.
    pub fn berth(&self, verb: &str, more: &[&str]) -> Answer {
        self.begin(verb, more).wait()
    }

    /// Begins the release of the commit of that digit, with an image of the lab.
    pub fn begin_release(&self, digit: char, image: &str, more: &[&str]) -> Begun {
        let commit = commit(digit).to_string();
        self.begin("release", &[&["--commit", &commit, "--image", &self.lab.image(image)], more].concat())
    }

    /// Releases the commit of that digit, and waits for its end.
    pub fn release(&self, digit: char, image: &str, more: &[&str]) -> Answer {
        self.begin_release(digit, image, more).wait()
    }

    /// The status.
    pub fn status(&self) -> Value {
        self.berth("status", &[]).data
    }

    /// Waits until the status meets the condition, and returns it.
    pub fn until(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let mut status = Value::Null;
        until(what, || {
            status = self.status();
            is_so(&status)
        });
        status
    }

    /// `kubectl` in its namespace, which must succeed.
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        self.lab.kubectl(&[arguments, &["-n", &self.namespace()]].concat()).unwrap()
    }

    /// The `temporal` CLI about its workflow, which must succeed.
    pub fn temporal(&self, verb: &str, more: &[&str]) -> String {
        self.lab.temporal(&[&["workflow", verb, "--workflow-id", &self.workflow_id()], more].concat()).unwrap()
    }

    /// A field of an object, empty where there is none.
    pub fn field(&self, object: &str, path: &str) -> String {
        self.kubectl(&["get", object, "--ignore-not-found", "-o", &format!("jsonpath={path}")])
    }

    /// Whether an object exists.
    pub fn exists(&self, object: &str) -> bool {
        !self.field(object, "{.metadata.name}").is_empty()
    }

    /// The record in the namespace.
    pub fn record(&self) -> Value {
        serde_json::from_str(&self.field("configmap/berth-production", "{.data.record}")).unwrap_or_default()
    }

    /// Version and greeting of the page, if one answers.
    pub fn page(&self) -> Option<(String, String)> {
        let path = format!("/api/v1/namespaces/{}-production/services/http:web:80/proxy/api/version", self.app);
        let page: Value = serde_json::from_str(&self.lab.kubectl(&["get", "--raw", &path]).ok()?).ok()?;
        Some((page["version"].as_str()?.to_owned(), page["greeting"].as_str()?.to_owned()))
    }
}

impl Drop for LabProduction {
    fn drop(&mut self) {
        // They may be gone: another panic would hide the first one.
        let _ = self.lab.kubectl(&["delete", "namespace", &format!("{}-production", self.app), "--wait=false"]);
        let _ = self.lab.kubectl(&["delete", "secret", &format!("{}-token", self.app), "-n", BERTH_NAMESPACE]);
        let _ = self.lab.temporal(&["workflow", "terminate", "--workflow-id", &self.workflow_id()]);
    }
}

fn start_worker(lab: &Lab, commands: &Commands, apps: &Path, doppler: &DopplerServer) -> Worker {
    Worker::start(lab, &commands.berth, &commands.task_queue, |worker| {
        worker.env("BERTH_APPS", apps).env("DOPPLER_API_HOST", doppler.url());
    })
}

fn write(path: PathBuf, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}
