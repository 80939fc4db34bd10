//! Objects as a cluster reports them, for cases that cannot be provoked on demand: a Deployment `web` with one pod, and
//! the differences of a case in `fixtures/<case>.json`, or further objects. Provoked cases are in `recorded`.

use berth_workflows::contract::{
    apply::Workload,
    checks::{AwaitInput, UNOBSERVED_SECONDS},
    timings::Timings,
};
use serde_json::{Value, json};

use super::snapshot::Snapshot;
use crate::examples::environment;

/// 2026-11-24T09:00:00Z, the start of the fixtures' rollouts.
pub(crate) const START_MS: u64 = 1_795_510_800_000;

pub(crate) fn workload(kind: &str, name: &str, generation: i64) -> Workload {
    Workload::new(kind, name, generation)
}

/// A wait for the Deployment `web` that begins at `START_MS` and may last 300 s, or 900 s for a node.
pub(crate) fn wait() -> AwaitInput {
    AwaitInput {
        environment: environment(),
        workloads: vec![workload("Deployment", "web", 2)],
        deadline_ms: START_MS + 300_000,
        started_ms: 0,
        unobserved_seconds: UNOBSERVED_SECONDS,
        timings: Timings { rollout_seconds: 300, ..Timings::default() },
        secret: "web-secrets-1".into(),
        deploy_id: 0,
        late: false,
    }
}

pub(crate) fn deployment(status: Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "pr-1", "uid": "deployment-uid", "generation": 2,
            "resourceVersion": "1", "annotations": {"deployment.kubernetes.io/revision": "2"}},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": {}},
        "status": status,
    })
}

pub(crate) fn rolling() -> Value {
    json!({"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "unavailableReplicas": 1})
}

pub(crate) fn rolled_out() -> Value {
    json!({"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1})
}

pub(crate) fn replica_set(name: &str, revision: &str, status: &Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {"name": name, "namespace": "pr-1", "uid": format!("{name}-uid"), "resourceVersion": "1",
            "annotations": {"deployment.kubernetes.io/revision": revision},
            "ownerReferences": [owner("Deployment", "web", "deployment-uid")]},
        "spec": {"selector": {}},
        "status": if status.is_null() { json!({"replicas": 1}) } else { status.clone() },
    })
}

pub(crate) fn owner(kind: &str, name: &str, uid: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid, "controller": true})
}

pub(crate) fn pod(name: &str, uid: &str, replica_set: &str, status: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "pr-1", "uid": uid, "resourceVersion": "1",
            "creationTimestamp": "2026-11-24T09:00:01Z",
            "ownerReferences": [owner("ReplicaSet", replica_set, &format!("{replica_set}-uid"))]},
        "spec": {
            "initContainers": [
                {"name": "setup", "image": "registry.example.com/acme/web@sha256:00"},
                {"name": "proxy", "image": "registry.example.com/proxy:1", "restartPolicy": "Always"}],
            "containers": [{"name": "web", "image": "registry.example.com/acme/web@sha256:00",
                "ports": [{"containerPort": 8080}], "readinessProbe": {"httpGet": {"port": 8080}},
                "resources": {"limits": {"memory": "64Mi"}}}]},
        "status": status,
    })
}

/// Returns the content of a case's file.
pub(crate) fn case(name: &str) -> Value {
    let path = format!("{}/src/rollout/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Returns the namespace while the Deployment's new revision is in the state of a case.
pub(crate) fn snapshot(name: &str) -> Snapshot {
    snapshot_of(&case(name))
}

pub(crate) fn snapshot_of(case: &Value) -> Snapshot {
    let mut snapshot = Snapshot::default();
    let mut web = deployment(rolling());
    merge(&mut web, &case["deployment"]);
    put(&mut snapshot, &web);
    put(&mut snapshot, &replica_set("web-5d8f", "2", &case["replicaSetStatus"]));
    if !case["pod"].is_null() {
        let mut pod = pod("web-5d8f-abcde", "pod-uid", "web-5d8f", &case["pod"]);
        merge(&mut pod["spec"], &case["spec"]);
        put(&mut snapshot, &pod);
    }
    for object in case["objects"].as_array().into_iter().flatten() {
        put(&mut snapshot, object);
    }
    for event in case["events"].as_array().into_iter().flatten() {
        put(&mut snapshot, event);
    }
    snapshot
}

/// Returns the wait of a case: for its workloads, or for the Deployment `web`.
pub(crate) fn wait_of(case: &Value) -> AwaitInput {
    let named = case["workloads"].as_array().into_iter().flatten();
    let named = named.map(|name| name.as_str().unwrap().split_once('/').unwrap());
    let workloads: Vec<_> = named.map(|(kind, name)| workload(kind, name, 2)).collect();
    if workloads.is_empty() { wait() } else { AwaitInput { workloads, ..wait() } }
}

/// Merges fields into an object. A list's objects are merged by their names.
fn merge(into: &mut Value, fields: &Value) {
    let (Some(into), Some(fields)) = (into.as_object_mut(), fields.as_object()) else { return };
    for (name, field) in fields {
        let before = into.entry(name).or_insert(Value::Null);
        if before.is_object() && name != "status" {
            merge(before, field);
        } else if let (true, Some(changes)) = (before.is_array(), field.as_array()) {
            changes.iter().for_each(|change| merge_item(before.as_array_mut().unwrap(), change));
        } else {
            *before = field.clone();
        }
    }
}

fn merge_item(items: &mut Vec<Value>, change: &Value) {
    match items.iter_mut().find(|item| item["name"] == change["name"]) {
        Some(item) => merge(item, change),
        None => items.push(change.clone()),
    }
}

/// Puts an object into the snapshot, as a watch would.
pub(crate) fn put(snapshot: &mut Snapshot, object: &Value) {
    let object = object.clone();
    match object["kind"].as_str().unwrap() {
        "Deployment" => snapshot.deployments.put(serde_json::from_value(object).unwrap()),
        "ReplicaSet" => snapshot.replica_sets.put(serde_json::from_value(object).unwrap()),
        "StatefulSet" => snapshot.stateful_sets.put(serde_json::from_value(object).unwrap()),
        "DaemonSet" => snapshot.daemon_sets.put(serde_json::from_value(object).unwrap()),
        "Job" => snapshot.jobs.put(serde_json::from_value(object).unwrap()),
        "Pod" => snapshot.pods.put(serde_json::from_value(object).unwrap()),
        "Event" => snapshot.events.put(serde_json::from_value(object).unwrap()),
        "EndpointSlice" => snapshot.endpoint_slices.put(serde_json::from_value(object).unwrap()),
        kind => panic!("no place for a {kind}"),
    }
}
