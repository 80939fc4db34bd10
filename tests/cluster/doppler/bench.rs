//! What the Doppler tests share: a Doppler, a worker and a folder of apps of their own, on the lab's real cluster.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use berth_lab::{DopplerServer, Lab};
use serde_json::Value;

const BERTH: &str = env!("CARGO_BIN_EXE_berth");

/// Beyond anything that a healthy cluster needs.
const PATIENCE: Duration = Duration::from_secs(120);

/// A Doppler of one's own, and a worker that asks it.
pub(crate) struct Bench {
    pub(crate) lab: Lab,
    pub(crate) doppler: DopplerServer,
    /// Its own namespace, task queue and folder are called so.
    pub(crate) name: String,
    apps: PathBuf,
    worker: Option<Child>,
    pub(crate) log: PathBuf,
    _turn: MutexGuard<'static, ()>,
}

/// One worker at a time: what is tested is not how many of them a machine can carry.
static TURN: Mutex<()> = Mutex::new(());

/// What a command answered, and how long it took.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: i32,
    pub(crate) json: Value,
    pub(crate) took: Duration,
}

impl Bench {
    pub(crate) fn start(name: &str, worker_arguments: &[&str]) -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let lab = Lab::shared().unwrap();
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        // What an earlier run left must not be found.
        let _ = fs::remove_dir_all(&folder);
        let apps = folder.join("apps");
        fs::create_dir_all(&apps).unwrap();
        let log = folder.join("worker.log");
        let doppler = DopplerServer::start().unwrap();
        let mut bench = Self { lab, doppler, name: name.to_owned(), apps, worker: None, log, _turn: turn };
        bench.kubectl(&["create", "namespace", name]);
        bench.start_worker(worker_arguments);
        bench
    }

    fn start_worker(&mut self, arguments: &[&str]) {
        let worker = self
            .lab
            .worker(BERTH, &self.name)
            .args(["--berth-namespace", &self.name, "--apps"])
            .arg(&self.apps)
            .args(["--doppler-api-host", &self.doppler.url(), "--log", "debug"])
            .args(arguments)
            .env("BERTH_METRICS_ADDRESS", "127.0.0.1:0")
            .stdout(Stdio::null())
            .stderr(fs::File::create(&self.log).unwrap())
            .spawn()
            .unwrap();
        self.worker = Some(worker);
    }

    /// Describes an app: its config of Doppler, what more its file says (of `preview` first), and its manifests by path.
    pub(crate) fn app(&self, app: &str, config: &str, more: &str, manifests: &[(&str, &str)]) {
        let registry = self.lab.registry();
        let text = format!(
            "app: {app}\nrepository: acme/{app}\nimages: [\"{registry}/acme/web\"]\nmanifests: ./{app}\nsecrets:\n  doppler:\n    \
             preview: {{ project: {app}, config: {config}, token: {{ secret: {app}-token }} }}\npreview:\n  \
             host: {app}-{{pr}}.localhost\n{more}"
        );
        let folder = self.apps.join(app);
        let _ = fs::remove_dir_all(&folder);
        for (path, text) in manifests {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        fs::write(self.apps.join(format!("{app}.yaml")), text).unwrap();
    }

    /// The Secret that an app's token is in.
    pub(crate) fn token(&self, app: &str, key: &str, token: &str) {
        let literal = format!("--from-literal={key}={token}");
        self.kubectl(&["create", "secret", "generic", &format!("{app}-token"), "-n", &self.name, &literal]);
    }

    pub(crate) fn push(&self, app: &str, pr: u64, digit: char, image: &str) -> Answer {
        self.begin_push(app, pr, digit, image).wait()
    }

    pub(crate) fn begin_push(&self, app: &str, pr: u64, digit: char, image: &str) -> Begun {
        let commit = digit.to_string().repeat(40);
        let mut command = self.preview("push", app, pr, &["--commit", &commit, "--image", image]);
        Begun { started: Instant::now(), child: command.spawn().unwrap() }
    }

    pub(crate) fn close(&self, app: &str, pr: u64) -> Answer {
        let started = Instant::now();
        answer(self.preview("close", app, pr, &[]).output().unwrap(), started)
    }

    pub(crate) fn status(&self, app: &str, pr: u64) -> Value {
        let started = Instant::now();
        answer(self.preview("status", app, pr, &[]).output().unwrap(), started).json
    }

    fn preview(&self, verb: &str, app: &str, pr: u64, more: &[&str]) -> Command {
        let mut command = Command::new(BERTH);
        command
            .args(["preview", verb, app, &pr.to_string(), "--output", "json", "--task-queue", &self.name])
            .args(more)
            .env("TEMPORAL_ADDRESS", self.lab.temporal_address())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Rolls the newest release out once more, and waits until that has ended.
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
        if let Some(mut worker) = self.worker.take() {
            // It may have ended already.
            let _ = worker.kill();
            let _ = worker.wait();
        }
        if std::thread::panicking() {
            eprintln!("the worker's log is in {}", self.log.display());
        }
        self.kubectl(&["delete", "namespace", &self.name, "--wait=false"]);
    }
}

/// A push that has begun.
pub(crate) struct Begun {
    started: Instant,
    child: Child,
}

impl Begun {
    pub(crate) fn wait(self) -> Answer {
        answer(self.child.wait_with_output().unwrap(), self.started)
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

fn answer(output: Output, started: Instant) -> Answer {
    let stdout = String::from_utf8_lossy(&output.stdout);
    let json = serde_json::from_str(&stdout)
        .unwrap_or_else(|_| Value::from(format!("{stdout}{}", String::from_utf8_lossy(&output.stderr))));
    Answer { code: output.status.code().unwrap(), json, took: started.elapsed() }
}
