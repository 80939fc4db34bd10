//! Verdicts on what real clusters said: `recorded/<case>.json` holds the objects of a namespace at the time of its verdict,
//! as `tests/verdicts.rs` keeps them when `BERTH_RECORD_OBJECTS` names that folder.

use std::{fmt::Write as _, fs, path::PathBuf};

use berth_workflows::{activity_definitions::AwaitInput, environment::Timings, verdict::FailureType};
use kube::ResourceExt;
use serde::Deserialize;
use serde_json::Value;

use super::{
    classify::Cause,
    fixtures::{self, put, workload},
    judge::{Judge, Look},
    snapshot::Snapshot,
};

/// What was recorded, and the wait that it was recorded in.
struct Recorded {
    snapshot: Snapshot,
    wait: AwaitInput,
    recorded_ms: u64,
}

#[derive(Deserialize)]
struct File {
    pushed_ms: u64,
    recorded_ms: u64,
    objects: Vec<Value>,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/rollout/recorded")
}

impl Recorded {
    fn read(case: &str) -> Self {
        let path = folder().join(case).with_extension("json");
        let file: File = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        let mut snapshot = Snapshot::default();
        file.objects.iter().for_each(|object| put(&mut snapshot, object));
        Self { wait: wait(&snapshot, file.pushed_ms), snapshot, recorded_ms: file.recorded_ms }
    }

    /// The same objects found by a rollout that begins so much later.
    fn found_after_seconds(self, seconds: u64) -> Self {
        let recorded_ms = self.recorded_ms + seconds * 1000;
        Self { wait: wait(&self.snapshot, recorded_ms), recorded_ms, ..self }
    }

    /// Looks while the cluster stands still: what is said at the first look, the verdict, and after how many seconds.
    fn judge(&self) -> (String, Cause, u64) {
        let mut judge = Judge::new(&self.wait);
        let mut said = String::new();
        for second in 0..1200 {
            match judge.look(&self.snapshot, self.recorded_ms + second * 1000) {
                Look::Failed(cause) => return (said, *cause, second),
                Look::Waiting { text, .. } if second == 0 => said = text,
                Look::Waiting { .. } => {}
                Look::Complete => panic!("is complete after {second} s"),
            }
        }
        panic!("no verdict in 20 minutes");
    }
}

/// A wait for what of the namespace is berth's own, with the usual time.
fn wait(snapshot: &Snapshot, start_ms: u64) -> AwaitInput {
    let deployments = snapshot.deployments.iter().map(|object| ("Deployment", object.name_any(), &object.metadata));
    let jobs = snapshot.jobs.iter().map(|object| ("Job", object.name_any(), &object.metadata));
    let workloads = deployments.chain(jobs);
    let workloads = workloads.map(|(kind, name, meta)| workload(kind, &name, meta.generation.unwrap_or_default()));
    let timings = Timings::default();
    AwaitInput {
        workloads: workloads.collect(),
        deadline_ms: start_ms + timings.rollout_seconds * 1000,
        timings,
        ..fixtures::wait()
    }
}

#[test]
fn each_recorded_failure_has_its_verdict() {
    let mut cases: Vec<_> = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    cases.sort();
    let mut text = String::new();
    for path in cases {
        let case = path.file_stem().unwrap().to_str().unwrap();
        let (said, cause, second) = Recorded::read(case).judge();
        let Cause { failure, workload, message, .. } = &cause;
        let container = cause.container.as_deref().map_or_else(String::new, |name| format!(", container {name}"));
        let code = cause.exit_code.map_or_else(String::new, |code| format!(", exit code {code}"));
        writeln!(text, "{case}: {failure} of {workload}{container}{code}, log {:?}", cause.log).unwrap();
        writeln!(text, "  {message}").unwrap();
        if !said.is_empty() {
            writeln!(text, "  after {second} s of: {said}").unwrap();
        }
        text.push('\n');
    }
    insta::assert_snapshot!(text);
}

#[test]
fn a_refusal_of_before_is_not_this_rollouts_and_is_asked_about() {
    let recorded = Recorded::read("quota").found_after_seconds(60);
    let mut judge = Judge::new(&recorded.wait);
    let look = judge.look(&recorded.snapshot, recorded.recorded_ms);
    let Look::Waiting { text, troubled, refused_before, .. } = look else { panic!("should wait, but {look:?}") };
    let name = recorded.wait.workloads[0].name.clone();
    assert_eq!((refused_before, troubled), (vec![name], true));
    assert!(text.contains("pods were refused before") && text.contains("exceeded quota"), "{text}");
    let (_, cause, second) = recorded.judge();
    assert_eq!((cause.failure, second), (FailureType::QuotaExceeded, 60));
}

#[test]
fn a_refusal_of_before_that_is_repeated_is_this_rollouts_own() {
    let mut recorded = Recorded::read("quota").found_after_seconds(60);
    let set = recorded
        .snapshot
        .replica_sets
        .iter()
        .find(|set| set.status.as_ref().is_some_and(|status| status.conditions.is_some()));
    let event = serde_json::json!({
        "kind": "Event", "metadata": {"name": "again"}, "type": "Warning", "reason": "FailedCreate",
        "involvedObject": {"uid": set.unwrap().uid()}, "lastTimestamp": "2100-01-01T00:00:00Z",
        "message": "Error creating: pods \"web-1\" is forbidden: exceeded quota: berth, requested: pods=1",
    });
    put(&mut recorded.snapshot, &event);
    let (_, cause, second) = recorded.judge();
    assert_eq!((cause.failure, second), (FailureType::QuotaExceeded, 2));
    assert!(cause.message.starts_with("pods \"web-1\" is forbidden"), "{}", cause.message);
}
