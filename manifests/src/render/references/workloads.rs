//! Parts of a workload that must agree with each other. The API server refuses a workload in which they do not.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Report, text};
use crate::render::{object::Object, policy::pods};

pub(super) fn check(report: &mut Report<'_>, object: &Object) {
    if object.known_kind().is_none() {
        return;
    }
    for (template, path) in pods::templates(object) {
        check_restart_policy(report, object, template, path);
        check_selector(report, object, template);
    }
    for (spec, path) in pods::specs(object) {
        check_mounts(report, object, spec, &path);
    }
}

/// A Job must end, so its pods cannot restart for ever. The pods of every other workload must.
fn check_restart_policy(report: &mut Report<'_>, object: &Object, template: &Value, path: &str) {
    let policy = template.get("spec").map(|spec| text(spec, "restartPolicy")).unwrap_or_default();
    let field = format!("{path}.spec.restartPolicy");
    match (object.kind(), policy) {
        ("Job" | "CronJob", "" | "Always") => {
            let message =
                "must be `OnFailure` or `Never`; without one it is `Always`, with which a Job would never end";
            report.error(object, &field, message.to_owned());
        }
        ("Job" | "CronJob", _) | (_, "" | "Always") => {}
        (kind, policy) => report.error(object, &field, format!("must be `Always` in a {kind}, not `{policy}`")),
    }
}

/// The pods of a workload must be those that it selects.
fn check_selector(report: &mut Report<'_>, object: &Object, template: &Value) {
    let selector = object.document.pointer("/spec/selector").filter(|selector| selector.is_object());
    let (Some(selector), "Deployment" | "StatefulSet" | "DaemonSet") = (selector, object.kind()) else { return };
    let none = Map::new();
    let labels = template.pointer("/metadata/labels").and_then(Value::as_object).unwrap_or(&none);
    let wanted = selector.get("matchLabels").and_then(Value::as_object).unwrap_or(&none);
    let expressions: Vec<_> = pods::items(selector.get("matchExpressions")).map(|(_, expression)| expression).collect();
    let unmatched = wanted.iter().find(|(key, value)| labels.get(*key) != Some(value)).map(|(key, _)| key.as_str());
    let unmatched = unmatched
        .or_else(|| expressions.iter().find(|found| !matches(found, labels)).map(|found| text(found, "key")))
        .map(|key| format!("does not match the label `{key}` of the pod template"));
    let is_empty = wanted.is_empty() && expressions.is_empty();
    let message = unmatched.or_else(|| is_empty.then(|| "must have a label of the pod template".to_owned()));
    if let Some(message) = message {
        report.error(object, "spec.selector", message);
    }
}

/// Whether labels fulfil an expression of a selector. The API server refuses an unknown operator with a message of its own.
fn matches(expression: &Value, labels: &Map<String, Value>) -> bool {
    let label = labels.get(text(expression, "key"));
    let is_listed = || pods::items(expression.get("values")).any(|(_, value)| Some(value) == label);
    match text(expression, "operator") {
        "In" => is_listed(),
        "NotIn" => !is_listed(),
        "Exists" => label.is_some(),
        "DoesNotExist" => label.is_none(),
        _ => true,
    }
}

/// A container can mount only volumes of its pod. The claims of a `StatefulSet` are such volumes.
fn check_mounts(report: &mut Report<'_>, object: &Object, spec: &Value, path: &str) {
    let volumes = pods::items(spec.get("volumes")).map(|(_, volume)| text(volume, "name"));
    let claims = pods::items(object.document.pointer("/spec/volumeClaimTemplates"))
        .filter_map(|(_, claim)| claim.pointer("/metadata/name").and_then(Value::as_str));
    let names: BTreeSet<_> = volumes.chain(claims).collect();
    for (container, path) in pods::containers(spec, path) {
        for list in ["volumeMounts", "volumeDevices"] {
            for (index, mount) in pods::items(container.get(list)) {
                let name = text(mount, "name");
                if !name.is_empty() && !names.contains(name) {
                    let message = format!("the pod has no volume `{name}`");
                    report.error(object, &format!("{path}.{list}[{index}].name"), message);
                }
            }
        }
    }
}
