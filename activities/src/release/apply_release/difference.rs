//! Comparison of objects without the parts that berth and the API server keep for themselves.

use serde_json::Value;

use berth_manifests::render::is_berth_key;

use crate::kubernetes::labels;

/// Fields of the metadata that the API server sets.
const SET_BY_SERVER: [&str; 6] =
    ["creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid"];

/// Returns the content of an object: what a manifest says, and what its controllers and other people have added. Status,
/// the API server's metadata and berth's labels and annotations are left out.
pub(crate) fn content(object: &Value) -> Value {
    let mut content = object.clone();
    if let Some(fields) = content.as_object_mut() {
        fields.remove("status");
    }
    if let Some(metadata) = content.get_mut("metadata").and_then(Value::as_object_mut) {
        SET_BY_SERVER.iter().for_each(|field| drop(metadata.remove(*field)));
        for field in ["labels", "annotations"] {
            let Some(entries) = metadata.get_mut(field).and_then(Value::as_object_mut) else { continue };
            entries.retain(|key, _| !is_berth_key(key) && key != labels::MANAGED_BY);
            if entries.is_empty() {
                metadata.remove(field);
            }
        }
    }
    content
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn content_has_none_of_berths_metadata_and_no_status() {
        let object = json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web", "uid": "1", "resourceVersion": "2", "generation": 3, "managedFields": [],
                "creationTimestamp": "2026-01-01T00:00:00Z",
                "labels": {"berth.dev/deploy-id": "4", "applyset.kubernetes.io/part-of": "x", "app": "web",
                    "app.kubernetes.io/managed-by": "berth"},
                "annotations": {"berth.dev/commit": "c"}},
            "spec": {"clusterIP": "10.0.0.1"},
            "status": {"loadBalancer": {}},
        });
        let expected = json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "web", "labels": {"app": "web"}}, "spec": {"clusterIP": "10.0.0.1"}});
        assert_eq!(content(&object), expected);
    }

    #[test]
    fn content_differs_when_another_label_or_field_does() {
        let object = json!({"metadata": {"name": "web", "labels": {"app": "web"}}, "data": {"A": "1"}});
        for (pointer, value) in [("/metadata/labels/app", "api"), ("/data/A", "2")] {
            let mut other = object.clone();
            *other.pointer_mut(pointer).unwrap() = json!(value);
            assert_ne!(content(&object), content(&other), "{pointer}");
        }
    }
}
