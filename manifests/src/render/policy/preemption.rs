//! Preemption: a preview's pods never evict the pods of others.
//!
//! A `PriorityClass` decides for its pods, and its default is to evict. Kubernetes refuses a pod whose own `preemptionPolicy`
//! differs from that of its class.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Finding, ObjectReport, PolicyInput, pods};
use crate::render::{
    finding::Severity,
    object::{Object, pointer_of},
    template::child,
    variables::EnvironmentKind,
};

const FIELD: &str = "preemptionPolicy";
const NEVER: &str = "Never";

/// Notes what [`complete`] changes.
pub(super) fn check(report: &mut ObjectReport<'_>) {
    if !report.is_preview() {
        return;
    }
    let object = report.object;
    if object.kind() == "PriorityClass" && object.document.get(FIELD).is_none_or(|policy| policy != NEVER) {
        let message = format!("is set to `{NEVER}`: pods of a preview do not evict pods of other environments");
        report.note(FIELD, message);
    }
    for (spec, path) in pods::specs(object) {
        if spec.get(FIELD).is_some_and(|policy| !policy.is_null()) {
            let message =
                "is left out: the pod's PriorityClass decides, and Kubernetes refuses a pod that differs from it";
            report.note(&child(&path, FIELD), message);
        }
    }
}

/// Sets a preview's `PriorityClass` to never evict, and leaves its pods without a policy of their own.
pub(super) fn complete(object: &mut Object, input: &PolicyInput) {
    if input.environment_kind != EnvironmentKind::Preview {
        return;
    }
    let paths: Vec<String> = pods::specs(object).map(|(_, path)| path).collect();
    for path in paths {
        if let Some(spec) = object.document.pointer_mut(&pointer_of(&path)).and_then(Value::as_object_mut) {
            spec.remove(FIELD);
        }
    }
    if object.kind() == "PriorityClass"
        && let Some(document) = object.document.as_object_mut()
    {
        document.insert(FIELD.to_owned(), Value::from(NEVER));
    }
}

/// Notes each `PriorityClass` of the cluster that a preview's pods name. Whoever made it decides whether its pods evict others.
pub(super) fn note_classes_of_others(objects: &[Object], input: &PolicyInput, findings: &mut Vec<Finding>) {
    if input.environment_kind != EnvironmentKind::Preview {
        return;
    }
    let own: BTreeSet<_> = objects.iter().filter(|object| object.kind() == "PriorityClass").map(Object::name).collect();
    for object in objects {
        for (spec, path) in pods::specs(object) {
            let class = spec.get("priorityClassName").and_then(Value::as_str).unwrap_or_default();
            let rest = class.strip_prefix(input.unique_name.as_str());
            let is_own = own.contains(class) || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
            if class.is_empty() || class.starts_with("system-") || is_own {
                continue;
            }
            let message = format!(
                "`{class}` is not a PriorityClass of these manifests: unless it has `{FIELD}: {NEVER}`, pods of this preview can \
                 evict pods of other environments"
            );
            let path = child(&path, "priorityClassName");
            findings.push(object.finding(Severity::Note, &path, message));
        }
    }
}
