//! A failing release: an app with one fault, pushed by command, and the verdict on it.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
    sync::Mutex,
    time::{Duration, Instant, SystemTime},
};

use berth_lab::Lab;
use berth_test_support::{Answer, Berth, commit, until};
use serde_json::{Value, json};

use crate::{BERTH, app::App, record};

/// A pull request with a release that will fail.
pub(crate) struct Case {
    pub(crate) berth: Berth,
    pub(crate) app: App,
    name: &'static str,
    pr: u64,
    folder: PathBuf,
    /// A release serves already.
    serves: bool,
    /// The time that its push took.
    good_push: Duration,
    /// Cluster-scoped objects to remove at the end.
    cluster_objects: Vec<String>,
}

/// A verdict as its reader gets it.
pub(crate) struct Reported {
    pub(crate) verdict: Value,
    pub(crate) line: String,
}

/// The rows of the table, in the order of the verdicts.
static TABLE: Mutex<Vec<String>> = Mutex::new(Vec::new());

impl Case {
    pub(crate) fn start(lab: &Lab, pr: u64, app: App) -> Self {
        Self::start_with_doppler(lab, lab.doppler_url(), pr, app)
    }

    /// Starts a case with another Doppler than the lab's.
    pub(crate) fn start_with_doppler(lab: &Lab, doppler: &str, pr: u64, app: App) -> Self {
        let name = app.name;
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("apps-{pr}"));
        std::fs::create_dir_all(&folder).unwrap();
        app.write(&folder);
        let berth = Berth::on(lab.clone(), BERTH, (name, pr), |worker| {
            worker.env("BERTH_APPS", &folder).env("DOPPLER_API_HOST", doppler);
        });
        let case = Self {
            berth,
            app,
            name,
            pr,
            folder,
            serves: false,
            good_push: Duration::ZERO,
            cluster_objects: Vec::new(),
        };
        // A killed run may have left objects in a lab that outlived it.
        case.terminate();
        case.berth.kubectl(&["delete", "namespace", &case.namespace(), "--ignore-not-found"]);
        until("the worker takes work", || case.berth.worker.is_ready());
        case
    }

    pub(crate) fn namespace(&self) -> String {
        format!("{}-pr-{}", self.name, self.pr)
    }

    pub(crate) fn workflow(&self) -> String {
        format!("preview-{}-{}", self.name, self.pr)
    }

    /// Shortens timings before the first push.
    pub(crate) fn with_timings(self, timings: &Value) -> Self {
        let input = json!({ "app": self.name, "pr": self.pr, "timings": timings }).to_string();
        self.berth.temporal(&[
            "workflow",
            "start",
            "--type",
            "PreviewEnvironment",
            "--task-queue",
            &self.berth.commands.task_queue,
            "--workflow-id",
            &self.workflow(),
            "--input",
            &input,
        ]);
        self
    }

    /// Pushes a first release that goes live: the environment is warm, and a release serves.
    pub(crate) fn serving(mut self) -> Self {
        let started = Instant::now();
        let answer = self.berth.push('1', &self.berth.lab.image("v1"), &[]);
        self.good_push = started.elapsed();
        assert_eq!((answer.code, answer.json["outcome"].as_str()), (0, Some("live")), "{answer:?}");
        self.serves = true;
        self
    }

    /// Changes the app for the next push.
    pub(crate) fn then(mut self, change: impl FnOnce(App) -> App) -> Self {
        self.app = change(self.app.clone());
        self.app.write(&self.folder);
        self
    }

    /// Adds an admission policy for objects of this namespace, and waits until it refuses `violates`.
    pub(crate) fn with_admission_policy(mut self, rules: &Value, validation: &Value, violates: &[&str]) -> Self {
        let name = format!("berth-verdicts-{}", self.pr);
        let spaces = json!({ "matchLabels": { "kubernetes.io/metadata.name": self.namespace() } });
        let group = "admissionregistration.k8s.io/v1";
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": [
            {
                "apiVersion": group, "kind": "ValidatingAdmissionPolicy", "metadata": { "name": name },
                "spec": {
                    "failurePolicy": "Fail",
                    "matchConstraints": { "namespaceSelector": spaces, "resourceRules": [rules] },
                    "validations": [validation],
                },
            },
            {
                "apiVersion": group, "kind": "ValidatingAdmissionPolicyBinding", "metadata": { "name": name },
                "spec": { "policyName": name, "validationActions": ["Deny"] },
            },
        ]});
        let file = self.folder.join(self.name).join("policy.json");
        std::fs::write(&file, list.to_string()).unwrap();
        for kind in ["validatingadmissionpolicybinding", "validatingadmissionpolicy"] {
            self.cluster_objects.push(format!("{kind}/{name}"));
        }
        self.berth.kubectl(&["apply", "-f", file.to_str().unwrap()]);
        until("the policy is in force", || !self.kubectl_succeeds(violates));
        self
    }

    /// Pushes `v1` again as another commit, and reads the verdict.
    pub(crate) fn fails(&self, failure: &str, how: &str, within_seconds: u64) -> Reported {
        self.fails_with(&self.berth.lab.image("v1"), failure, how, within_seconds)
    }

    /// Pushes that image, and reads the verdict: its type, the exit code, the time it took, and what serves meanwhile.
    pub(crate) fn fails_with(&self, image: &str, failure: &str, how: &str, within_seconds: u64) -> Reported {
        let reported = self.fails_within(image, failure, how, within_seconds);
        if self.serves {
            self.assert_still_serves();
        }
        reported
    }

    fn fails_within(&self, image: &str, failure: &str, how: &str, within_seconds: u64) -> Reported {
        let (pushed, started) = (SystemTime::now(), Instant::now());
        let answer = self.berth.push('2', image, &[]);
        let elapsed = started.elapsed();
        let workload = answer.json["verdict"]["workload"].is_string();
        // Failures before and after the pods are not classified by their objects.
        if workload && !matches!(failure, "GateFailed") {
            record::record(&self.berth, &self.namespace(), self.name, pushed);
        }
        let reported = self.reported(&answer, failure, elapsed);
        row(failure, how, elapsed, &reported.line);
        assert!(elapsed <= self.bound(within_seconds), "{failure} only after {elapsed:?}: {answer:?}");
        reported
    }

    /// Pushes a release that fails while a part of it serves already: its pages are no longer the release's before.
    pub(crate) fn fails_as_serving(&self, failure: &str, how: &str, within_seconds: u64) -> Reported {
        self.fails_within(&self.berth.lab.image("v1"), failure, how, within_seconds)
    }

    /// Pushes a release that fails its gate: it serves all the same.
    pub(crate) fn fails_as_it_serves(mut self, failure: &str, how: &str, within_seconds: u64) -> Reported {
        self.serves = false;
        let reported = self.fails(failure, how, within_seconds);
        let status = self.berth.status();
        assert_eq!(status["failed"]["release"]["commit"], commit('2').as_str(), "{status:#}");
        reported
    }

    /// Removes the app's file.
    pub(crate) fn forget_app(&self) {
        std::fs::remove_file(self.folder.join(self.name).with_extension("yaml")).unwrap();
    }

    /// The time that a verdict may take: longer where a good push was slow, too.
    pub(crate) fn bound(&self, seconds: u64) -> Duration {
        Duration::from_secs(seconds).max(self.good_push * 3)
    }

    fn reported(&self, answer: &Answer, failure: &str, elapsed: Duration) -> Reported {
        let verdict = answer.json["verdict"].clone();
        let got = (answer.code, answer.json["outcome"].as_str(), verdict["failure"].as_str());
        assert_eq!(got, (1, Some("failed"), Some(failure)), "{} after {elapsed:?}: {answer:?}", self.name);
        // A step that was given up on after minutes of retries has no advice.
        let advised = verdict["advice"].as_str().is_some_and(|advice| !advice.is_empty());
        assert!(advised || failure == "SecretsUnavailable", "it says what to do: {verdict:#}");
        let line = answer.json["reason"].as_str().unwrap_or_default().to_owned();
        Reported { verdict, line }
    }

    fn assert_still_serves(&self) {
        let status = self.berth.status();
        assert_eq!(status["serving"]["commit"], commit('1').as_str(), "{status:#}");
        assert_eq!(status["failed"]["release"]["commit"], commit('2').as_str(), "{status:#}");
        assert!(self.berth.page().contains(commit('1').as_str()), "the release before still answers");
    }

    /// True if kubectl succeeds.
    pub(crate) fn kubectl_succeeds(&self, arguments: &[&str]) -> bool {
        let mut kubectl = Command::new(self.berth.lab.tool("kubectl"));
        kubectl.arg("--kubeconfig").arg(self.berth.lab.kubeconfig()).args(arguments);
        kubectl.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
    }

    /// Ends the workflow without its teardown, if it runs.
    fn terminate(&self) {
        let mut temporal = Command::new(self.berth.lab.tool("temporal"));
        temporal.args(["workflow", "terminate", "--workflow-id", &self.workflow()]);
        temporal.args(["--address", self.berth.lab.temporal_address()]);
        // It fails if the workflow does not run.
        let _ = temporal.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

impl Drop for Case {
    /// Deletes the namespace without waiting: teardown has tests of its own.
    fn drop(&mut self) {
        self.terminate();
        let namespace = format!("namespace/{}", self.namespace());
        for object in self.cluster_objects.iter().chain([&namespace]) {
            self.kubectl_succeeds(&["delete", object, "--ignore-not-found", "--wait=false"]);
        }
    }
}

impl Reported {
    /// Asserts that message, advice and place name all of these.
    pub(crate) fn names(&self, texts: &[&str]) -> &Self {
        let text = flat(&self.verdict);
        for expected in texts {
            assert!(text.contains(expected), "{expected:?} should be in: {:#}", self.verdict);
        }
        self
    }

    /// Asserts that the verdict is about that container, with that text at the end of its log.
    pub(crate) fn of_container(&self, container: &str, log: &str) -> &Self {
        assert_eq!(self.verdict["container"], container, "{:#}", self.verdict);
        assert!(self.verdict["log_tail"].to_string().contains(log), "{:#}", self.verdict);
        self
    }

    pub(crate) fn exits_with(&self, code: i32) -> &Self {
        assert_eq!(self.verdict["exit_code"], code, "{:#}", self.verdict);
        self
    }
}

/// Message, advice and place, without logs and events.
fn flat(verdict: &Value) -> String {
    let fields = ["workload", "container", "message", "advice"];
    fields.iter().filter_map(|field| verdict[field].as_str()).collect::<Vec<_>>().join("\n")
}

/// Adds a verdict to the table.
pub(crate) fn row(failure: &str, how: &str, elapsed: Duration, line: &str) {
    let line = line.replace('\n', " ⏎ ").replace('|', "\\|");
    let row = format!("| {failure} | {how} | {:.1} | {line} |", elapsed.as_secs_f32());
    TABLE.lock().unwrap().push(row);
}

/// The table of all verdicts of this run, or nothing without any.
pub(crate) fn table() -> String {
    let mut rows = TABLE.lock().unwrap().clone();
    if rows.is_empty() {
        return String::new();
    }
    rows.sort();
    format!("| failure type | how provoked | s | what a person reads |\n|---|---|---|---|\n{}\n", rows.join("\n"))
}
