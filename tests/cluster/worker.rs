//! The worker's health, readiness, metrics and log.

use std::{
    io::{Read, Write},
    net::TcpStream,
    process::Command,
};

use berth_lab::Lab;
use berth_test_support::{Berth, Worker, commit, until};
use serde_json::Value;

use crate::BERTH;

/// The metric of a worker's free slots, by kind of task.
const SLOTS: &str = "temporal_worker_task_slots_available{";

/// Has a worker log JSON, and serve its metrics on a free port.
fn watched(worker: &mut Command) {
    worker.env("BERTH_METRICS_ADDRESS", "127.0.0.1:0");
    worker.env("BERTH_LOG_FORMAT", "json").env("BERTH_LOG", "info,berth_activities=debug");
}

/// The lines of its log.
fn log(worker: &Worker) -> Vec<Value> {
    let json = |line: &str| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"));
    // The worker may be writing the last line.
    worker.log().split_inclusive('\n').filter(|line| line.ends_with('\n')).map(json).collect()
}

/// The first line of its log that has this field.
fn line_with(worker: &Worker, field: &str) -> Value {
    let mut found = None;
    until(&format!("a log line with {field}"), || {
        found = log(worker).into_iter().find(|line| line.get(field).is_some());
        found.is_some()
    });
    found.unwrap()
}

/// The status and body of an HTTP answer.
fn get(address: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: berth\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[test]
fn worker_is_ready_soon_counts_its_work_and_logs_json_lines() {
    let berth = Berth::start_with(BERTH, 500, watched);
    let ready = line_with(&berth.worker, "milliseconds");
    eprintln!("{}", ready["message"].as_str().unwrap());
    let milliseconds = ready["milliseconds"].as_u64().unwrap();
    assert!(milliseconds < 10_000, "500 on a quiet machine, this one took {milliseconds}");
    let address = berth.worker.metrics_address();
    assert_eq!(get(&address, "/healthz"), (200, "ok\n".to_owned()));
    assert_eq!(get(&address, "/readyz"), (200, "ok\n".to_owned()));

    assert_eq!(berth.push('5', &berth.lab.image("v1"), &[]).code, 0);
    let refused = format!("registry.example.com/other@sha256:{}", "a".repeat(64));
    assert_eq!(berth.push('5', &refused, &[]).code, 1);
    assert_eq!(berth.preview("close", &[]).code, 0);

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
    for unbounded in ["pr-500", "preview-web-500", commit('5').as_str()] {
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
    let log = log(&berth.worker);
    assert!(log.iter().any(is_of_an_activity), "{log:#?}");
}

#[test]
fn query_of_a_closed_rollout_counts_nothing_again() {
    let mut berth = Berth::start(BERTH, 501);
    assert_eq!(berth.push('5', &berth.lab.image("v1"), &[]).code, 0);
    assert_eq!(berth.preview("close", &[]).code, 0);
    berth.restart_worker(watched);
    let status = |id: &str| berth.temporal(&["workflow", "query", "--type", "status", "--workflow-id", id]);
    for id in ["preview-web-501-rollout-1", "preview-web-501"] {
        assert!(!status(id).is_empty());
    }
    let (_, metrics) = get(&berth.worker.metrics_address(), "/metrics");
    assert!(!metrics.contains("berth_rollouts_total{"), "{metrics}");
}

#[test]
fn worker_without_temporal_lives_and_reports_it_as_missing() {
    let lab = Lab::shared().unwrap();
    // Nothing listens on port 1.
    let worker = Worker::start(&lab, BERTH, "berth-502", |worker| {
        watched(worker);
        worker.env("TEMPORAL_ADDRESS", "127.0.0.1:1");
    });
    let address = worker.metrics_address();
    assert_eq!(get(&address, "/healthz").0, 200);
    let (status, missing) = get(&address, "/readyz");
    assert_eq!(status, 503);
    assert!(missing.contains("Temporal has not been reached yet"), "{missing}");
    assert_eq!(get(&address, "/metrics").0, 200);
}

#[test]
fn worker_that_cannot_start_reports_it_in_the_logs_format() {
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
