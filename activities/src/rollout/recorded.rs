//! Verdicts on recorded clusters: `recorded/<case>.json` has the objects of a namespace at the time of its verdict.
//! `tests/verdicts` writes them if `BERTH_RECORD_OBJECTS` names that folder.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use berth_workflows::contract::{checks::AwaitInput, timings::Timings, verdict::FailureType};
use kube::ResourceExt;
use serde::Deserialize;
use serde_json::Value;

use super::{
    classify::Cause,
    fixtures::{self, put, workload},
    judge::{Judge, Look},
    snapshot::Snapshot,
};

/// A recorded namespace, with its wait.
pub(super) struct Recorded {
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
    pub(super) fn read(case: &str) -> Self {
        Self::read_with(case, |_| ())
    }

    fn read_with(case: &str, change: impl Fn(&mut Value)) -> Self {
        let path = folder().join(case).with_extension("json");
        let mut file: File = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        file.objects.iter_mut().for_each(change);
        let mut snapshot = Snapshot::default();
        file.objects.iter().for_each(|object| put(&mut snapshot, object));
        Self { wait: wait(&snapshot, file.pushed_ms), snapshot, recorded_ms: file.recorded_ms }
    }

    /// The same objects, found by a rollout that begins later.
    fn found_after_seconds(self, seconds: u64) -> Self {
        let recorded_ms = self.recorded_ms + seconds * 1000;
        Self { wait: wait(&self.snapshot, recorded_ms), recorded_ms, ..self }
    }

    /// Looks at the unchanged cluster until the verdict. Returns all progress reports.
    fn all_said(&self) -> String {
        let mut judge = Judge::new(&self.wait);
        let looks = (0..1200).map(|second| judge.look(&self.snapshot, self.recorded_ms + second * 1000));
        let texts = looks.map_while(|look| match look {
            Look::Waiting { text, .. } => Some(text),
            _ => None,
        });
        texts.collect::<Vec<_>>().join("\n")
    }

    /// Looks at the unchanged cluster until the verdict. Returns the first progress report, the cause, and the second
    /// of the verdict.
    pub(super) fn judge(&self) -> (String, Cause, u64) {
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

/// A wait for berth's workloads of the namespace, with the default time.
fn wait(snapshot: &Snapshot, start_ms: u64) -> AwaitInput {
    let deployments = snapshot.deployments.iter().map(|object| ("Deployment", object.name_any(), &object.metadata));
    let jobs = snapshot.jobs.iter().map(|object| ("Job", object.name_any(), &object.metadata));
    let sets = snapshot.stateful_sets.iter().map(|object| ("StatefulSet", object.name_any(), &object.metadata));
    let workloads = deployments.chain(jobs).chain(sets);
    let workloads = workloads.map(|(kind, name, meta)| workload(kind, &name, meta.generation.unwrap_or_default()));
    let timings = Timings::default();
    AwaitInput {
        workloads: workloads.collect(),
        deadline_ms: start_ms + timings.rollout_seconds * 1000,
        timings,
        ..fixtures::wait()
    }
}

/// Returns the names of the cases in a folder.
fn cases(folder: &Path) -> Vec<String> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    files.iter().map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

#[test]
fn each_recorded_failure_has_its_verdict() {
    let mut text = String::new();
    for case in cases(&folder()) {
        let (said, cause, second) = Recorded::read(&case).judge();
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
fn a_refusal_from_before_this_rollout_is_retried() {
    let recorded = Recorded::read("quota").found_after_seconds(60);
    let mut judge = Judge::new(&recorded.wait);
    let look = judge.look(&recorded.snapshot, recorded.recorded_ms);
    let Look::Waiting { text, troubled, refused_before, .. } = look else { panic!("should wait, but {look:?}") };
    let name = recorded.wait.workloads[0].name.clone();
    assert_eq!((refused_before, troubled), (vec![name], true));
    assert!(text.contains("pods were refused before (QuotaExceeded)"), "{text}");
    let (_, cause, second) = recorded.judge();
    assert_eq!((cause.failure, second), (FailureType::QuotaExceeded, 60));
}

#[test]
fn a_repeated_refusal_counts_for_this_rollout() {
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

/// Appends a secret to every message that the cluster reports.
fn tell_secret(value: &mut Value) {
    match value {
        Value::Object(fields) => fields.iter_mut().for_each(|(key, value)| match value {
            Value::String(words) if key == "message" => words.push_str(" hunter2"),
            _ => tell_secret(value),
        }),
        Value::Array(items) => items.iter_mut().for_each(tell_secret),
        _ => {}
    }
}

#[test]
fn no_heartbeat_contains_a_message_of_the_cluster() {
    let mut telling = 0;
    for case in cases(&folder()) {
        let recorded = Recorded::read_with(&case, tell_secret);
        telling += usize::from(recorded.judge().1.message.contains("hunter2"));
        let said = recorded.all_said() + &recorded.found_after_seconds(60).all_said();
        assert!(!said.contains("hunter2"), "{case}: {said}");
    }
    assert!(telling > 9, "it is in the message of a verdict, which is redacted: {telling}");
    for case in cases(&folder().with_file_name("fixtures")) {
        let mut objects = fixtures::case(&case);
        tell_secret(&mut objects);
        let snapshot = fixtures::snapshot_of(&objects);
        let recorded =
            Recorded { snapshot, wait: fixtures::wait_of(&objects), recorded_ms: fixtures::START_MS + 30_000 };
        let said = recorded.all_said();
        assert!(!said.contains("hunter2"), "{case}: {said}");
    }
}

#[test]
fn a_denied_pull_without_the_pull_secret_is_waited_for() {
    let mut recorded = Recorded::read("image-denied");
    assert_eq!(recorded.judge().2, 2);
    let pods: Vec<_> = recorded.snapshot.pods.iter().filter_map(ResourceExt::uid).collect();
    for uid in pods {
        let event = serde_json::json!({
            "kind": "Event", "metadata": {"name": uid}, "type": "Warning", "reason": "FailedToRetrieveImagePullSecret",
            "involvedObject": {"uid": uid}, "message": "Unable to retrieve some image pull secrets (pull)",
        });
        put(&mut recorded.snapshot, &event);
    }
    let (_, cause, second) = recorded.judge();
    assert_eq!((cause.failure, second), (FailureType::ImageUnavailable, 15));
}
