//! Records the objects of a namespace at the time of a verdict, for the tests of classification.

use std::{
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use berth_test_support::Berth;
use serde_json::{Value, json};

/// The folder to write to: `activities/src/rollout/recorded` to record anew.
const FOLDER: &str = "BERTH_RECORD_OBJECTS";
const KINDS: &str = "deployments,replicasets,statefulsets,jobs,pods,events";
/// Names in place of those of the recording machine.
const REGISTRY: &str = "registry.example.com";
const NODE: &str = "node";

/// Writes `<case>.json` if the variable names a folder.
pub(crate) fn record(berth: &Berth, namespace: &str, case: &str, pushed: SystemTime) {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let listed = berth.kubectl(&["get", KINDS, "-n", namespace, "-o", "json"]);
    let nodes: Value = serde_json::from_str(&berth.kubectl(&["get", "nodes", "-o", "json"])).unwrap();
    let mut text = listed.replace(berth.lab.registry(), REGISTRY);
    for node in nodes["items"].as_array().unwrap() {
        text = text.replace(&format!("\"{}\"", node["metadata"]["name"].as_str().unwrap()), &format!("\"{NODE}\""));
    }
    let mut listed: Value = serde_json::from_str(&text).unwrap();
    let objects = listed["items"].as_array_mut().unwrap();
    objects.retain(|object| object["kind"] != "Event" || object["type"] == "Warning");
    objects.iter_mut().for_each(trim);
    let recorded =
        json!({ "pushed_ms": unix_ms(pushed), "recorded_ms": unix_ms(SystemTime::now()), "objects": objects });
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(case).with_extension("json"), format!("{recorded:#}\n")).unwrap();
}

/// Removes fields that no decision looks at.
fn trim(object: &mut Value) {
    let metadata = object["metadata"].as_object_mut().unwrap();
    metadata.retain(|field, _| !matches!(field.as_str(), "managedFields" | "generateName" | "selfLink"));
    for field in ["/spec/tolerations", "/status/podIP", "/status/podIPs", "/status/hostIP", "/status/hostIPs"] {
        let (parent, name) = field.rsplit_once('/').unwrap();
        if object["kind"] == "Pod"
            && let Some(Value::Object(fields)) = object.pointer_mut(parent)
        {
            fields.remove(name);
        }
    }
    // The pods have the same fields.
    if let Some(template) = object.pointer_mut("/spec/template") {
        *template = json!({});
    }
}

fn unix_ms(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap().as_millis().try_into().unwrap()
}
