//! Labels and annotations that mark an object as managed by berth, and name its owner.
//!
//! Only the object's own metadata is stamped. A label in a pod template would restart every pod whenever its value changed.

use serde_json::{Map, Value};

use super::{object::Object, template::child};

/// The owner of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The app: label `berth.dev/app`.
    pub app: String,
    /// The id of the workflow that owns the environment: label `berth.dev/workflow`.
    pub workflow: String,
    /// The installation of berth: label `berth.dev/installation`.
    pub installation: String,
    /// The rolled out commit: annotation `berth.dev/commit`.
    pub commit: String,
    /// The id of the `ApplySet` that the object is a member of: label `applyset.kubernetes.io/part-of`.
    pub applyset: Option<String>,
}

/// Prefixes of labels and annotations that only berth may set. Values from manifests are removed.
const BERTH_PREFIXES: [&str; 2] = ["berth.dev/", "applyset.kubernetes.io/"];

impl Stamp {
    /// Labels and annotates an object. Idempotent.
    pub fn apply(&self, object: &mut Object) {
        let mut labels = vec![
            ("app.kubernetes.io/managed-by", "berth"),
            ("berth.dev/app", &self.app),
            ("berth.dev/workflow", &self.workflow),
            ("berth.dev/installation", &self.installation),
        ];
        labels.extend(self.applyset.as_deref().map(|id| ("applyset.kubernetes.io/part-of", id)));
        set_entries(object, "labels", &labels);
        set_entries(object, "annotations", &[("berth.dev/commit", &self.commit)]);
    }
}

/// Sets keys of a map in the metadata, and removes all other keys with a prefix of berth.
fn set_entries(object: &mut Object, field: &str, entries: &[(&str, &str)]) {
    let Some(map) = metadata_map(object, field) else { return };
    map.retain(|key, _| !is_berth_key(key));
    for (key, value) in entries {
        map.insert((*key).to_owned(), Value::from(*value));
    }
}

/// Whether only berth may set a label or annotation.
pub fn is_berth_key(key: &str) -> bool {
    BERTH_PREFIXES.iter().any(|prefix| key.starts_with(prefix))
}

/// `metadata.labels` or `metadata.annotations`, created if missing.
fn metadata_map<'a>(object: &'a mut Object, field: &str) -> Option<&'a mut Map<String, Value>> {
    let metadata = object.document.as_object_mut()?.entry("metadata");
    let map = as_map(metadata.or_insert_with(|| Value::Object(Map::new())))?.entry(field);
    as_map(map.or_insert_with(|| Value::Object(Map::new())))
}

/// The map in a value. A null, as from `labels:` without a value, becomes an empty map.
fn as_map(value: &mut Value) -> Option<&mut Map<String, Value>> {
    if value.is_null() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut()
}

/// The string values of `metadata.labels` or `metadata.annotations`, as path, key and value.
pub(super) fn string_entries<'a>(
    object: &'a Object,
    field: &'a str,
) -> impl Iterator<Item = (String, &'a str, &'a str)> {
    let map = object.document.pointer(&format!("/metadata/{field}")).and_then(Value::as_object);
    map.into_iter()
        .flatten()
        .filter_map(move |(key, value)| Some((child(&format!("metadata.{field}"), key), key.as_str(), value.as_str()?)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn stamp() -> Stamp {
        Stamp {
            app: "web".to_owned(),
            workflow: "preview-web-123".to_owned(),
            installation: "berth".to_owned(),
            commit: "0123456789abcdef".to_owned(),
            applyset: Some("applyset-x-v1".to_owned()),
        }
    }

    #[test]
    fn stamp_replaces_berths_labels_and_keeps_the_others() {
        let document = json!({
            "metadata": {"labels": {"app": "web", "berth.dev/workflow": "preview-other-1", "berth.dev/x": "y",
                "app.kubernetes.io/managed-by": "github-ci"}},
        });
        let mut object = Object::new("a.yaml", 1, document);
        stamp().apply(&mut object);
        assert_eq!(
            object.document["metadata"]["labels"],
            json!({
                "app": "web",
                "app.kubernetes.io/managed-by": "berth",
                "applyset.kubernetes.io/part-of": "applyset-x-v1",
                "berth.dev/app": "web",
                "berth.dev/installation": "berth",
                "berth.dev/workflow": "preview-web-123",
            })
        );
        let once = object.clone();
        stamp().apply(&mut object);
        assert_eq!(object, once);
    }

    #[test]
    fn pod_template_is_not_stamped() {
        let document = json!({
            "metadata": {"labels": null},
            "spec": {"template": {"metadata": {"labels": {"app": "web"}}}},
        });
        let mut object = Object::new("a.yaml", 1, document);
        stamp().apply(&mut object);
        assert_eq!(object.document["spec"]["template"]["metadata"], json!({"labels": {"app": "web"}}));
        assert_eq!(object.document["metadata"]["annotations"], json!({"berth.dev/commit": "0123456789abcdef"}));
    }
}
