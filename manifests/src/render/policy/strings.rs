//! Rules for fields that must be strings: a number or a boolean there is a string without its quotes.
//!
//! The API server refuses these too, but it reports only the first one, without file and line.

use serde_json::Value;

use super::{ObjectReport, pods};
use crate::render::template::child;

/// The rules for fields that must be strings.
pub(super) fn check(report: &mut ObjectReport<'_>) {
    check_map(report, "metadata", "labels");
    check_map(report, "metadata", "annotations");
    match report.object.kind() {
        "ConfigMap" => check_map(report, "", "data"),
        "Secret" => {
            check_map(report, "", "data");
            check_map(report, "", "stringData");
        }
        _ => {}
    }
    for (spec, path) in pods::specs(report.object) {
        for (container, path) in pods::containers(spec, &path) {
            check_container(report, container, &path);
        }
    }
}

fn check_map(report: &mut ObjectReport<'_>, parent: &str, field: &str) {
    let document = &report.object.document;
    let value =
        if parent.is_empty() { document.get(field) } else { document.get(parent).and_then(|map| map.get(field)) };
    let path = child(parent, field);
    match value {
        None | Some(Value::Null) => {}
        Some(Value::Object(map)) => {
            for (key, _) in map.iter().filter(|(_, value)| !is_text(value)) {
                report.refuse(&child(&path, key), QUOTES);
            }
        }
        Some(_) => report.refuse(&path, "must be a mapping of strings"),
    }
}

fn check_container(report: &mut ObjectReport<'_>, container: &Value, path: &str) {
    for field in ["command", "args"] {
        for (index, _) in pods::items(container.get(field)).filter(|(_, value)| !is_text(value)) {
            report.refuse(&format!("{path}.{field}[{index}]"), QUOTES);
        }
    }
    for (index, variable) in pods::items(container.get("env")) {
        if variable.get("value").is_some_and(|value| !is_text(value)) {
            report.refuse(&format!("{path}.env[{index}].value"), QUOTES);
        }
    }
}

const QUOTES: &str = "must be a string: put it in quotes";

/// Whether a value is a string or null. Kubernetes reads null as an empty string.
fn is_text(value: &Value) -> bool {
    matches!(value, Value::String(_) | Value::Null)
}
