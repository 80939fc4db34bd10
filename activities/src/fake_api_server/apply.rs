//! Server-side apply with one field manager, berth. The server knows the fields that berth has applied before.

use serde_json::{Map, Value, json};

/// Returns the object after an apply of these fields. `last` are the fields of the last apply, and `uid` is for a new
/// object.
pub(super) fn applied(before: Option<&Value>, last: Option<&Value>, fields: &Value, uid: &str) -> Value {
    let mut object = before.cloned().unwrap_or_else(|| json!({}));
    if let Some(last) = last {
        remove_dropped(&mut object, last, fields);
    }
    merge(&mut object, fields);
    match before {
        None => created(object, uid),
        Some(before) if starts_generation(before, &object) => {
            let generation = before["metadata"]["generation"].as_i64().unwrap_or_default();
            object["metadata"]["generation"] = json!(generation + 1);
            object
        }
        Some(_) => object,
    }
}

/// Returns a new object, with the metadata that the API server sets.
pub(super) fn created(mut object: Value, uid: &str) -> Value {
    let metadata = &mut object["metadata"];
    if metadata["uid"].is_null() {
        metadata["uid"] = json!(uid);
    }
    metadata["generation"] = json!(1);
    object
}

/// A Deployment has another generation after a change of its annotations, too.
fn starts_generation(before: &Value, after: &Value) -> bool {
    let annotations = |object: &Value| object["metadata"]["annotations"].clone();
    before["spec"] != after["spec"] || (after["kind"] == "Deployment" && annotations(before) != annotations(after))
}

/// Removes the fields that the last apply had and this one lacks.
fn remove_dropped(object: &mut Value, last: &Value, fields: &Value) {
    let (Some(object), Some(last)) = (object.as_object_mut(), last.as_object()) else { return };
    let none = Value::Object(Map::new());
    for (key, last) in last {
        match (fields.get(key), object.get_mut(key)) {
            (_, None) => {}
            (None, Some(value)) if value.is_object() && last.is_object() => {
                remove_dropped(value, last, &none);
                if value == &none {
                    object.remove(key);
                }
            }
            (None, Some(_)) => _ = object.remove(key),
            (Some(fields), Some(value)) => remove_dropped(value, last, fields),
        }
    }
}

/// Sets the applied fields. A list is replaced as a whole.
fn merge(object: &mut Value, fields: &Value) {
    match (object.as_object_mut(), fields.as_object()) {
        (Some(object), Some(fields)) => {
            for (key, value) in fields {
                merge(object.entry(key).or_insert(Value::Null), value);
            }
        }
        _ => *object = fields.clone(),
    }
}
