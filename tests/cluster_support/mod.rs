//! What the cluster tests share: the lab, a worker process, and the commands a person would type.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use berth_lab::Lab;
use serde_json::Value;

const BERTH: &str = env!("CARGO_BIN_EXE_berth");

/// Beyond anything that a healthy cluster needs.
const PATIENCE: Duration = Duration::from_secs(90);

/// One pull request of an app, and a worker of its own that serves it.
pub(crate) struct Berth {
    pub(crate) lab: Lab,
    pub(crate) worker: Worker,
    pub(crate) task_queue: String,
    app: String,
    pr: u64,
    namespace: String,
}

/// What a command answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: i32,
    pub(crate) json: Value,
    #[expect(dead_code, reason = "shown by Debug when a test fails")]
    stderr: String,
}

/// A command that has begun.
pub(crate) struct Begun(Child);

impl Begun {
    pub(crate) fn wait(self) -> Answer {
        answer(self.0.wait_with_output().unwrap())
    }
}

impl Berth {
    /// Each test has a pull request of its own, so that they can run at once.
    pub(crate) fn start(pr: u64) -> Self {
        let lab = Lab::shared().unwrap();
        let task_queue = format!("berth-{pr}");
        let worker = Worker::start(&lab, &task_queue);
        Self::of(("web", pr), format!("pr-{pr}"), lab, task_queue, worker)
    }

    /// A pull request of an app that is not the sample, which that worker serves.
    pub(crate) fn of((app, pr): (&str, u64), namespace: String, lab: Lab, task_queue: String, worker: Worker) -> Self {
        Self { lab, worker, task_queue, app: app.to_owned(), pr, namespace }
    }

    pub(crate) fn push(&self, digit: char, image: &str, more: &[&str]) -> Answer {
        self.begin_push(digit, image, more).wait()
    }

    pub(crate) fn begin_push(&self, digit: char, image: &str, more: &[&str]) -> Begun {
        let commit = commit(digit);
        let arguments = [&["--commit", commit.as_str(), "--image", image], more].concat();
        self.begin("push", &arguments)
    }

    pub(crate) fn begin(&self, verb: &str, more: &[&str]) -> Begun {
        Begun(self.command(verb, more).spawn().unwrap())
    }

    pub(crate) fn preview(&self, verb: &str, more: &[&str]) -> Answer {
        answer(self.command(verb, more).output().unwrap())
    }

    pub(crate) fn status(&self) -> Value {
        self.preview("status", &[]).json
    }

    fn command(&self, verb: &str, more: &[&str]) -> Command {
        let mut command = Command::new(BERTH);
        command
            .args([
                "preview",
                verb,
                &self.app,
                &self.pr.to_string(),
                "--output",
                "json",
                "--task-queue",
                &self.task_queue,
            ])
            .args(more)
            .env("TEMPORAL_ADDRESS", self.lab.temporal_address())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn kubectl(&self, arguments: &[&str]) -> String {
        self.lab.kubectl(arguments).unwrap()
    }

    pub(crate) fn temporal(&self, arguments: &[&str]) -> String {
        self.lab.temporal(arguments).unwrap()
    }

    /// An object of the environment, if it is there.
    pub(crate) fn object(&self, kind: &str, name: &str) -> Option<Value> {
        let found = self.kubectl(&["get", kind, name, "-n", &self.namespace, "--ignore-not-found", "-o", "json"]);
        (!found.trim().is_empty()).then(|| serde_json::from_str(&found).unwrap())
    }

    /// The page as it is served, through the API server.
    pub(crate) fn page(&self) -> String {
        let Self { app, pr, namespace, .. } = self;
        self.kubectl(&[
            "get",
            "--raw",
            &format!("/api/v1/namespaces/{namespace}/services/http:{app}-pr-{pr}:80/proxy/"),
        ])
    }

    /// The id of the environment's `ApplySet`.
    pub(crate) fn applyset(&self) -> String {
        let parent = self.object("secret", "berth-applyset").unwrap();
        parent["metadata"]["labels"]["applyset.kubernetes.io/id"].as_str().unwrap().to_owned()
    }

    /// A value of the environment's own Secret.
    pub(crate) fn secret_value(&self, key: &str) -> String {
        let template =
            format!("go-template={{{{range .items}}}}{{{{index .data \"{key}\" | base64decode}}}}{{{{end}}}}");
        self.kubectl(&["get", "secrets", "-n", &self.namespace, "-l", "berth.dev/content=secrets", "-o", &template])
    }
}

impl Drop for Berth {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the worker's log\n{}", self.worker.log());
        }
    }
}

/// A `berth worker` process.
pub(crate) struct Worker {
    process: Child,
    log: PathBuf,
}

impl Worker {
    pub(crate) fn start(lab: &Lab, task_queue: &str) -> Self {
        Self::serving(lab, task_queue, lab.apps_dir(), lab.doppler_url())
    }

    /// A worker for the apps of that folder, with their secrets from that Doppler.
    pub(crate) fn serving(lab: &Lab, task_queue: &str, apps: &Path, doppler: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let log = folder.join(format!("{task_queue}-{}.log", Instant::now().elapsed().as_nanos()));
        let process = lab
            .worker(BERTH, task_queue)
            .arg("--apps")
            .arg(apps)
            .args(["--doppler-api-host", doppler, "--log", "debug"])
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Self { process, log }
    }

    /// As the kernel would: without a word.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have been killed already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Waits until it is so.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "never: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A commit that consists of one digit.
pub(crate) fn commit(digit: char) -> String {
    digit.to_string().repeat(40)
}

fn answer(output: Output) -> Answer {
    let stdout = String::from_utf8_lossy(&output.stdout);
    Answer {
        code: output.status.code().unwrap(),
        json: serde_json::from_str(&stdout).unwrap_or_default(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
