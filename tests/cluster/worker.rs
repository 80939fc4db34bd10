//! What a worker tells about itself: whether it lives, whether it works, what it has counted, and its log.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use berth_lab::Lab;
use serde_json::Value;

const BERTH: &str = env!("CARGO_BIN_EXE_berth");
const PATIENCE: Duration = Duration::from_secs(90);
/// How many more tasks of a kind the worker would take.
const SLOTS: &str = "temporal_worker_task_slots_available{";

/// A worker that logs JSON and shows its metrics on a free port.
struct Worker {
    process: Child,
    log: Arc<Mutex<Vec<String>>>,
}

impl Worker {
    fn start(lab: &Lab, task_queue: &str, temporal: &str) -> Self {
        let mut process = lab
            .worker(BERTH, task_queue)
            .args(["--metrics-address", "127.0.0.1:0"])
            .args(["--log-format", "json", "--log", "info,berth_activities=debug"])
            .env("TEMPORAL_ADDRESS", temporal)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (stderr, lines) = (process.stderr.take().unwrap(), log.clone());
        std::thread::spawn(move || {
            BufReader::new(stderr).lines().for_each(|line| lines.lock().unwrap().push(line.unwrap()));
        });
        Self { process, log }
    }

    fn log(&self) -> Vec<Value> {
        let lines = self.log.lock().unwrap().clone();
        let json = |line: &String| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"));
        lines.iter().map(json).collect()
    }

    /// The first line that has this field.
    fn line_with(&self, field: &str) -> Value {
        let mut found = None;
        until(&format!("a log line with {field}"), || {
            found = self.log().into_iter().find(|line| line.get(field).is_some());
            found.is_some()
        });
        found.unwrap()
    }

    fn address(&self) -> String {
        self.line_with("address")["address"].as_str().unwrap().to_owned()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Status and body of what is shown there.
fn get(address: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: berth\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

fn berth(lab: &Lab, task_queue: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(BERTH);
    command.args(arguments).args(["--task-queue", task_queue, "--output", "json"]);
    command.env("TEMPORAL_ADDRESS", lab.temporal_address()).output().unwrap()
}

#[test]
fn a_worker_is_ready_soon_counts_what_it_does_and_logs_one_json_object_per_line() {
    let (lab, queue) = (Lab::shared().unwrap(), "berth-500");
    let worker = Worker::start(&lab, queue, lab.temporal_address());
    let ready = worker.line_with("milliseconds");
    eprintln!("{}", ready["message"].as_str().unwrap());
    let milliseconds = ready["milliseconds"].as_u64().unwrap();
    assert!(milliseconds < 10_000, "500 on a quiet machine, this one took {milliseconds}");
    let address = worker.address();
    assert_eq!(get(&address, "/healthz"), (200, "ok\n".to_owned()));
    assert_eq!(get(&address, "/readyz"), (200, "ok\n".to_owned()));

    let commit = "5".repeat(40);
    let push =
        |image: &str| berth(&lab, queue, &["preview", "push", "web", "500", "--commit", &commit, "--image", image]);
    assert_eq!(push(&lab.image("v1")).status.code(), Some(0));
    let refused = format!("registry.example.com/other@sha256:{}", "a".repeat(64));
    assert_eq!(push(&refused).status.code(), Some(1));
    assert_eq!(berth(&lab, queue, &["preview", "close", "web", "500"]).status.code(), Some(0));

    let (status, metrics) = get(&address, "/metrics");
    assert_eq!(status, 200);
    for line in [
        r#"berth_rollouts_total{app="web",failure="",outcome="live"} 1"#,
        r#"berth_rollouts_total{app="web",failure="ImageNotAllowed",outcome="failed"} 1"#,
        r#"berth_rollout_step_seconds_count{step="awaiting_rollout"} 1"#,
        r#"berth_rollout_seconds_count{app="web",outcome="live"} 1"#,
        r#"berth_activity_failures_total{activity="load_app",failure="ImageNotAllowed"} 1"#,
        r#"berth_teardown_attempts_total{result="complete"} 1"#,
        "berth_build_info{version=",
        SLOTS,
        "temporal_workflow_completed{",
        "temporal_request{",
        "temporal_num_pollers{",
    ] {
        assert!(metrics.contains(line), "{line} should be in\n{metrics}");
    }
    let free = metrics.lines().find(|line| line.starts_with(SLOTS) && line.contains("\"ActivityWorker\""));
    let free: f64 = free.and_then(|line| line.rsplit(' ').next()).unwrap().parse().unwrap();
    assert!(free > 500.0, "a hundred environments that are stuck must not hold up the others: {free}");
    for unbounded in ["pr-500", "preview-web-500", commit.as_str()] {
        assert!(!metrics.contains(unbounded), "{unbounded} is in a label");
    }
    let is_of_an_activity = |line: &Value| {
        let spans = line["spans"].as_array();
        spans.is_some_and(|spans| {
            spans.iter().any(|span| {
                span["activity.type"].is_string() && span["workflow.id"].is_string() && span["attempt"].is_u64()
            })
        })
    };
    let log = worker.log();
    assert!(log.iter().any(is_of_an_activity), "{log:#?}");
}

#[test]
fn a_query_of_a_closed_rollout_counts_nothing_again() {
    let (lab, queue) = (Lab::shared().unwrap(), "berth-501");
    let commit = "5".repeat(40);
    {
        let _worker = Worker::start(&lab, queue, lab.temporal_address());
        let image = lab.image("v1");
        let push = ["preview", "push", "web", "501", "--commit", &commit, "--image", &image];
        assert_eq!(berth(&lab, queue, &push).status.code(), Some(0));
        assert_eq!(berth(&lab, queue, &["preview", "close", "web", "501"]).status.code(), Some(0));
    }
    let worker = Worker::start(&lab, queue, lab.temporal_address());
    let temporal = |id: &str| {
        let mut command = Command::new(lab.tool("temporal"));
        command.args(["workflow", "query", "--type", "status", "--workflow-id", id]);
        command.args(["--address", lab.temporal_address()]).output().unwrap()
    };
    for id in ["preview-web-501-rollout-1", "preview-web-501"] {
        let answered = temporal(id);
        assert!(answered.status.success(), "{}", String::from_utf8_lossy(&answered.stderr));
    }
    let (_, metrics) = get(&worker.address(), "/metrics");
    assert!(!metrics.contains("berth_rollouts_total{"), "{metrics}");
}

#[test]
fn without_temporal_a_worker_lives_and_says_what_it_waits_for() {
    let lab = Lab::shared().unwrap();
    // Nobody listens on port 1.
    let worker = Worker::start(&lab, "berth-502", "127.0.0.1:1");
    let address = worker.address();
    assert_eq!(get(&address, "/healthz").0, 200);
    let (status, missing) = get(&address, "/readyz");
    assert_eq!(status, 503);
    assert!(missing.contains("Temporal has not been reached yet"), "{missing}");
    assert_eq!(get(&address, "/metrics").0, 200);
}

#[test]
fn a_worker_that_cannot_start_says_so_in_its_logs_format() {
    let output = Command::new(BERTH)
        .args(["worker", "--apps", "/nonexistent", "--log-format", "json", "--metrics-address", "off"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(10));
    let text = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let message = lines.last().unwrap()["message"].as_str().unwrap();
    assert!(message.contains("/nonexistent is not a folder (--apps)"), "{message}");
}
