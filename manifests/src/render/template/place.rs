//! A place in a document: its path, its schema, and what its text is for.

use super::child;
use crate::render::{
    finding::Severity,
    image_field::is_image_field,
    schema::{Field, ScalarType},
    variables::{is_reserved, is_upper_case},
};

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

    /// The severity of an unknown name in a text of this place; `None` if the name may be meant for a program.
    pub(super) fn severity_of_unknown(&self, name: &str, has_lines: bool) -> Option<Severity> {
        let is_script = matches!(self.usage, Usage::Shell | Usage::Content);
        // No value of such a field has a `$`.
        let is_typed =
            self.usage == Usage::Other && !matches!(self.field.scalar_type(), ScalarType::Text | ScalarType::Any);
        if self.usage == Usage::Identifier || is_typed {
            return Some(Severity::Error);
        }
        if is_reserved(name) {
            // A script may have a variable of its own with a reserved prefix.
            return Some(if is_script { Severity::Warning } else { Severity::Error });
        }
        let is_meant_for_job = is_upper_case(name) && !has_lines && self.usage != Usage::Shell;
        is_meant_for_job.then_some(Severity::Warning)
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
    fn unknown_name_is_reported_where_no_program_can_mean_it() {
        let severity = |path: &[&str], name, has_lines| {
            let place = Place::document().of_kind("apps/v1", "Deployment");
            let place =
                path.iter().fold(place, |place, key| if *key == "[]" { place.item(0) } else { place.child(key) });
            place.severity_of_unknown(name, has_lines)
        };
        let container = ["spec", "template", "spec", "containers", "[]"];
        let of_container = |rest: &[&str], name| severity(&[&container, rest].concat(), name, false);
        let value = ["env", "[]", "value"];
        assert_eq!(of_container(&value, "SENTRY_DSN"), Some(Severity::Warning));
        assert_eq!(of_container(&value, "host"), None);
        assert_eq!(of_container(&value, "KUBE_MISSPELT"), Some(Severity::Error));
        for name in ["HOME", "KUBERNETES_SERVICE_HOST"] {
            assert_eq!(of_container(&["command", "[]"], name), None);
        }
        assert_eq!(of_container(&["image"], "lower"), Some(Severity::Error));
        assert_eq!(of_container(&["resources", "limits", "memory"], "mem"), Some(Severity::Error));
        assert_eq!(of_container(&["readinessProbe", "httpGet", "port"], "PORT"), Some(Severity::Error));
        assert_eq!(of_container(&["readinessProbe", "httpGet", "path"], "BASE"), Some(Severity::Warning));
        assert_eq!(severity(&["metadata", "annotations", "a/b"], "ISSUER", false), Some(Severity::Warning));
        assert_eq!(severity(&["metadata", "annotations", "a/snippet"], "ISSUER", true), None);
        assert_eq!(severity(&["data", "token"], "TOKEN", false), Some(Severity::Warning));
        assert_eq!(severity(&["data", "start.sh"], "TOKEN", true), None);
        assert_eq!(severity(&["data", "start.sh"], "GITHUB_TOKEN", true), Some(Severity::Warning));
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
