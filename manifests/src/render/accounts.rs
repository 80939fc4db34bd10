//! The pull secret of `ServiceAccount`s: their pods use it without naming it.

use serde_json::{Value, json};

use super::object::Object;

/// Adds the copy of the pull secret to the `ServiceAccount`s that do not name it.
pub(super) fn add_pull_secret(objects: &mut [Object], pull_secret: Option<&str>) {
    let Some(secret) = pull_secret else { return };
    for object in objects.iter_mut().filter(|object| object.kind() == "ServiceAccount") {
        let Some(fields) = object.document.as_object_mut() else { continue };
        let named = fields.entry("imagePullSecrets").or_insert(Value::Null);
        if named.is_null() {
            *named = json!([]);
        }
        // The API server refuses anything else.
        let Some(named) = named.as_array_mut() else { continue };
        if !named.iter().any(|one| one["name"] == secret) {
            named.push(json!({"name": secret}));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(kind: &str, before: Value) -> Value {
        let document =
            json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "web"}, "imagePullSecrets": before});
        let mut objects = [Object::new("", 0, document)];
        add_pull_secret(&mut objects, Some("regcred"));
        objects[0].document["imagePullSecrets"].take()
    }

    #[test]
    fn service_account_names_the_pull_secret_once_besides_its_own() {
        let (own, ours) = (json!({"name": "own"}), json!({"name": "regcred"}));
        assert_eq!(named("ServiceAccount", Value::Null), json!([ours]));
        assert_eq!(named("ServiceAccount", json!([own])), json!([own, ours]));
        assert_eq!(named("ServiceAccount", json!([ours, own])), json!([ours, own]));
        assert_eq!(named("ServiceAccount", json!("own")), "own");
        assert_eq!(named("Secret", Value::Null), Value::Null);
    }
}
