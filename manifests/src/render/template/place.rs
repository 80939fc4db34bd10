//! A place in a document: its path, its schema, and what its text is for.

use super::child;
use crate::render::{image_field::is_image_field, schema::Field};

/// A place in a document.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) path: String,
    pub(super) field: Field,
    pub(super) usage: Usage,
    /// Whether an object is here, with `apiVersion` and `kind`.
    is_object: bool,
}

/// What the text of a place is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Usage {
    /// A shell may read it: `command` and `args`.
    Shell,
    /// A program of the app reads it: the values of a `ConfigMap` or of a Secret.
    Content,
    /// Kubernetes reads it, and it may have no `$`: an image, a name, a label, a host.
    Identifier,
    /// The value of an annotation. Its key says nothing about it.
    Annotation,
    /// Anything else.
    Other,
}

/// Mappings whose keys and values are labels.
const LABELS: [&str; 4] = ["labels", "matchLabels", "nodeSelector", "selector"];

/// Fields with the name of a host.
const HOSTS: [&str; 5] = ["externalName", "host", "hostname", "hosts", "subdomain"];

/// Fields of an object with the values of a `ConfigMap` or of a Secret.
const CONTENT: [&str; 3] = ["binaryData", "data", "stringData"];

impl Place {
    /// The top of a document.
    pub(super) fn document() -> Self {
        Self { path: String::new(), field: Field::Object, usage: Usage::Other, is_object: true }
    }

    /// The same place, once `apiVersion` and `kind` of the object there are known.
    pub(super) fn of_kind(&self, api_version: &str, kind: &str) -> Self {
        Self { field: self.field.of_kind(api_version, kind), ..self.clone() }
    }

    /// The field with a key.
    pub(super) fn child(&self, key: &str) -> Self {
        let path = child(&self.path, key);
        let usage = if self.usage == Usage::Other { self.usage_of_child(key, &path) } else { self.usage };
        Self { path, field: self.field.child(key), usage, is_object: false }
    }

    fn usage_of_child(&self, key: &str, path: &str) -> Usage {
        match key {
            "command" | "args" => Usage::Shell,
            "annotations" => Usage::Annotation,
            "name" | "namespace" => Usage::Identifier,
            _ if self.is_object && CONTENT.contains(&key) => Usage::Content,
            _ if LABELS.contains(&key) || HOSTS.contains(&key) || key.ends_with("Name") => Usage::Identifier,
            _ if is_image_field(path) => Usage::Identifier,
            _ => Usage::Other,
        }
    }

    /// An item of the list.
    pub(super) fn item(&self, index: usize) -> Self {
        let path = format!("{}[{index}]", self.path);
        Self { path, field: self.field.item(), usage: self.usage, is_object: matches!(self.field, Field::Items) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(path: &[&str]) -> Usage {
        let place = path.iter().fold(Place::document(), |place, key| match *key {
            "[]" => place.item(0),
            key => place.child(key),
        });
        place.usage
    }

    #[test]
    fn usage_follows_from_the_path() {
        let container = ["spec", "template", "spec", "containers", "[]"];
        let of_container = |rest: &[&str]| usage(&[&container, rest].concat());
        assert_eq!(of_container(&["image"]), Usage::Identifier);
        assert_eq!(of_container(&["command", "[]"]), Usage::Shell);
        assert_eq!(of_container(&["lifecycle", "preStop", "exec", "command", "[]"]), Usage::Shell);
        assert_eq!(of_container(&["env", "[]", "name"]), Usage::Identifier);
        assert_eq!(of_container(&["env", "[]", "value"]), Usage::Other);
        assert_eq!(usage(&["metadata", "labels", "a/b"]), Usage::Identifier);
        assert_eq!(usage(&["metadata", "annotations", "name"]), Usage::Annotation);
        assert_eq!(usage(&["spec", "selector", "app"]), Usage::Identifier);
        assert_eq!(usage(&["spec", "tls", "[]", "hosts", "[]"]), Usage::Identifier);
        assert_eq!(usage(&["spec", "tls", "[]", "secretName"]), Usage::Identifier);
        assert_eq!(usage(&["data", "name"]), Usage::Content);
        assert_eq!(usage(&["items", "[]", "stringData", "start.sh"]), Usage::Content);
        assert_eq!(usage(&["spec", "data", "text"]), Usage::Other);
    }
}
