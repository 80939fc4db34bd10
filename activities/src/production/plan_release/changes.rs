//! The objects that a release would create, change and remove, and the same as text for a person.

use std::{collections::BTreeMap, fmt::Write};

use serde_json::Value;
use similar::TextDiff;

use super::name_of;
use crate::release::apply_release::difference::content;

/// The differences between two releases.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    pub(super) created: Vec<String>,
    pub(super) changed: Vec<String>,
    pub(super) removed: Vec<String>,
    pub(super) unchanged: usize,
    /// The differences as text, object by object.
    pub(super) text: String,
}

/// Compares two releases, without the parts that berth keeps for itself.
pub(super) fn changes(before: &[Value], after: &[Value]) -> Changes {
    let (before, after) = (by_name(before), by_name(after));
    let mut changes = Changes::default();
    for (name, object) in &after {
        match before.get(name) {
            None => changes.created.push(name.clone()),
            Some(old) if old == object => {
                changes.unchanged += 1;
                continue;
            }
            Some(_) => changes.changed.push(name.clone()),
        }
        changes.write(name, before.get(name), Some(object));
    }
    for (name, old) in &before {
        if !after.contains_key(name) {
            changes.removed.push(name.clone());
            changes.write(name, Some(old), None);
        }
    }
    changes
}

impl Changes {
    fn write(&mut self, name: &str, before: Option<&Value>, after: Option<&Value>) {
        let text = |object: Option<&Value>| object.map_or_else(String::new, readable);
        let (before, after) = (text(before), text(after));
        let diff = TextDiff::from_lines(&before, &after);
        // Writing to a String cannot fail.
        let _ =
            writeln!(self.text, "{}", diff.unified_diff().header(&format!("{name} now"), &format!("{name} planned")));
    }
}

fn by_name(objects: &[Value]) -> BTreeMap<String, Value> {
    objects.iter().map(|object| (name_of(object), content(object))).collect()
}

/// Returns an object as JSON, without the values of a Secret.
fn readable(object: &Value) -> String {
    let mut object = object.clone();
    if object["kind"] == "Secret" {
        for field in ["data", "stringData"] {
            let values = object.get_mut(field).and_then(Value::as_object_mut);
            for value in values.into_iter().flat_map(|values| values.values_mut()) {
                *value = Value::String("(secret)".to_owned());
            }
        }
    }
    // A `Value` is always JSON.
    let mut text = serde_json::to_string_pretty(&object).unwrap_or_default();
    text.push('\n');
    text
}

/// Returns the changes that a rollback cannot undo, each with the reason.
pub(super) fn irreversible(before: &[Value], after: &[Value]) -> Vec<String> {
    let (before, after) = (by_name(before), by_name(after));
    let mut found = Vec::new();
    for (name, object) in &after {
        let is_new = before.get(name) != Some(object);
        if is_new && object["kind"] == "Job" {
            found.push(format!("{name} runs, and a rollback does not undo what it does"));
        }
        let asked = |object: &Value| object["spec"]["resources"]["requests"]["storage"].clone();
        if object["kind"] == "PersistentVolumeClaim" && before.get(name).is_some_and(|old| asked(old) != asked(object))
        {
            found.push(format!("{name} changes its size, and a volume never shrinks"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(kind: &str, name: &str, data: Value) -> Value {
        json!({"kind": kind, "metadata": {"name": name, "annotations": {"berth.dev/commit": "c"}}, "data": data})
    }

    #[test]
    fn created_changed_removed_and_unchanged_objects_are_told_apart() {
        let same = object("ConfigMap", "same", json!({"A": "1"}));
        let mut relabelled = same.clone();
        relabelled["metadata"]["annotations"]["berth.dev/commit"] = json!("another");
        let before = [same, object("ConfigMap", "old", json!({})), object("ConfigMap", "b", json!({"A": "1"}))];
        let after = [relabelled, object("ConfigMap", "new", json!({})), object("ConfigMap", "b", json!({"A": "2"}))];
        let changes = changes(&before, &after);
        assert_eq!(
            (changes.created, changes.changed, changes.removed, changes.unchanged),
            (vec!["ConfigMap/new".to_owned()], vec!["ConfigMap/b".to_owned()], vec!["ConfigMap/old".to_owned()], 1)
        );
        assert!(
            changes.text.contains("-    \"A\": \"1\"") && changes.text.contains("+    \"A\": \"2\""),
            "{}",
            changes.text
        );
    }

    #[test]
    fn no_value_of_a_secret_is_in_the_text() {
        let before = [object("Secret", "s", json!({"A": "aGVsbG8="}))];
        let after = [object("Secret", "s", json!({"A": "d29ybGQ=", "B": "bmV3"}))];
        let text = changes(&before, &after).text;
        assert!(text.contains("\"B\": \"(secret)\""), "{text}");
        for value in ["aGVsbG8", "d29ybGQ", "bmV3"] {
            assert!(!text.contains(value), "{text}");
        }
    }

    #[test]
    fn jobs_and_grown_volumes_cannot_be_undone() {
        let claim = |size: &str| {
            json!({"kind": "PersistentVolumeClaim", "metadata": {"name": "data"},
                "spec": {"resources": {"requests": {"storage": size}}}})
        };
        let job = json!({"kind": "Job", "metadata": {"name": "migrate"}});
        assert_eq!(irreversible(&[claim("1Gi")], &[claim("2Gi"), job.clone()]).len(), 2);
        assert!(irreversible(&[claim("1Gi"), job.clone()], &[claim("1Gi"), job]).is_empty());
    }
}
