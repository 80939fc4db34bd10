//! One Kubernetes object of a manifest, and where it was written.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    finding::{Finding, Severity},
    kinds::Kind,
    template::{Document, Lines},
};

/// Lists within lists that are looked into. kubectl writes none; one inside another is somebody's hand at work.
const MAX_NESTED_LISTS: usize = 4;

/// An object as it will be applied.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Object {
    /// The file it came from, relative to the apps folder.
    pub file: String,
    /// The line it begins at.
    pub line: usize,
    /// The object itself.
    pub document: Value,
    #[serde(skip)]
    lines: Arc<Lines>,
    /// Where in its document the object is: `items[2]` of a List.
    #[serde(skip)]
    prefix: String,
}

/// What makes an object that one and no other.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Identity {
    /// `apps/v1`.
    pub api_version: String,
    /// `Deployment`.
    pub kind: String,
    /// The namespace; none for a cluster-scoped object.
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
}

impl PartialEq for Object {
    /// Where its fields were written does not make an object another.
    fn eq(&self, other: &Self) -> bool {
        (&self.file, self.line, &self.document) == (&other.file, other.line, &other.document)
    }
}

impl Object {
    /// An object that was kept: where its fields were written is forgotten.
    pub fn new(file: impl Into<String>, line: usize, document: Value) -> Self {
        let (lines, prefix) = (Arc::default(), String::new());
        Self { file: file.into(), line, document, lines, prefix }
    }

    /// The objects of a document: one, or those of a `List`.
    pub(super) fn from_document(file: &str, document: Document, findings: &mut Vec<Finding>) -> Vec<Self> {
        let Document { line, value, lines } = document;
        let whole = Self { file: file.to_owned(), line, document: value, lines, prefix: String::new() };
        let mut objects = Vec::new();
        whole.flatten(MAX_NESTED_LISTS, &mut objects, findings);
        objects
    }

    fn flatten(mut self, depth: usize, into: &mut Vec<Self>, findings: &mut Vec<Finding>) {
        if !self.document.is_object() {
            findings.push(self.error("", "is not an object with `apiVersion` and `kind`"));
            return;
        }
        let (list_of, api_version) = match self.kind().strip_suffix("List") {
            Some(kind) => (kind.to_owned(), self.api_version().to_owned()),
            None => return into.push(self),
        };
        let Some(Value::Array(items)) = self.document.get_mut("items").map(Value::take) else {
            findings.push(self.error("items", "a list must have items"));
            return;
        };
        if depth == 0 {
            findings.push(self.error("items", "is a list within too many lists"));
            return;
        }
        for (index, mut item) in items.into_iter().enumerate() {
            // The items of a `DeploymentList` need not say what they are.
            if !list_of.is_empty()
                && let Some(item) = item.as_object_mut()
            {
                item.entry("apiVersion").or_insert_with(|| Value::from(api_version.clone()));
                item.entry("kind").or_insert_with(|| Value::from(list_of.clone()));
            }
            let prefix = self.written_at(&format!("items[{index}]"));
            let line = self.lines.get(&prefix).map_or(self.line, |(line, _)| *line);
            let (file, lines) = (self.file.clone(), Arc::clone(&self.lines));
            Self { file, line, document: item, lines, prefix }.flatten(depth - 1, into, findings);
        }
    }

    /// `apps/v1`; empty if it says none.
    pub fn api_version(&self) -> &str {
        self.text("/apiVersion")
    }

    /// `Deployment`; empty if it says none.
    pub fn kind(&self) -> &str {
        self.text("/kind")
    }

    /// `metadata.name`; empty if it has none.
    pub fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    /// `metadata.namespace`.
    pub fn namespace(&self) -> Option<&str> {
        Some(self.text("/metadata/namespace")).filter(|namespace| !namespace.is_empty())
    }

    /// What berth knows about its kind. Every object of a `Rendered` has one.
    pub fn known_kind(&self) -> Option<&'static Kind> {
        Kind::find(self.api_version(), self.kind())
    }

    /// Whether a rollout waits for it: what makes pods and says how they are.
    pub fn is_workload(&self) -> bool {
        matches!(self.kind(), "Deployment" | "StatefulSet" | "DaemonSet" | "Job")
    }

    /// Whether it lives in a namespace.
    pub fn namespaced(&self) -> bool {
        self.known_kind().is_none_or(|kind| kind.namespaced)
    }

    /// What makes it that object and no other.
    pub fn identity(&self) -> Identity {
        Identity {
            api_version: self.api_version().to_owned(),
            kind: self.kind().to_owned(),
            namespace: self.namespace().map(ToOwned::to_owned),
            name: self.name().to_owned(),
        }
    }

    /// The text at a JSON pointer; empty if there is none.
    pub(super) fn text(&self, pointer: &str) -> &str {
        self.document.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// An error about one of its fields.
    pub(super) fn error(&self, field: &str, message: impl Into<String>) -> Finding {
        self.finding(Severity::Error, field, message)
    }

    /// A finding about one of its fields, at the line where the field (or the nearest around it) was written.
    pub(super) fn finding(&self, severity: Severity, field: &str, message: impl Into<String>) -> Finding {
        let path = self.written_at(field);
        Finding::new(severity, &self.file, line_of(&self.lines, &path).unwrap_or(self.line), message).field(path)
    }

    fn written_at(&self, field: &str) -> String {
        match (self.prefix.as_str(), field) {
            ("", field) => field.to_owned(),
            (prefix, "") => prefix.to_owned(),
            (prefix, field) => format!("{prefix}.{field}"),
        }
    }
}

/// The line of a field, or of the nearest field around it that was written.
pub(crate) fn line_of(lines: &Lines, path: &str) -> Option<usize> {
    let mut path = path;
    loop {
        if let Some((line, _)) = lines.get(path) {
            return Some(*line);
        }
        path = &path[..path.rfind(['.', '['])?];
    }
}
