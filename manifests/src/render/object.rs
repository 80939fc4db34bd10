//! A Kubernetes object of a manifest, with its file and line.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    finding::{Finding, Severity},
    kinds::{Kind, group_and_version, group_kind},
    template::{Document, Lines},
};

/// The deepest nesting of lists. kubectl never writes a list within a list; people may.
const MAX_NESTED_LISTS: usize = 4;

/// An object as it will be applied.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Object {
    /// The object's file, relative to the apps folder.
    pub file: String,
    /// The first line of the object.
    pub line: usize,
    /// The object itself.
    pub document: Value,
    #[serde(skip)]
    lines: Arc<Lines>,
    /// The object's path in its document, for example `items[2]` in a List.
    #[serde(skip)]
    prefix: String,
}

/// The identity of an object in a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Identity {
    /// `apps/v1`.
    pub api_version: String,
    /// `Deployment`.
    pub kind: String,
    /// The namespace; `None` for a cluster-scoped object.
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
}

impl PartialEq for Object {
    /// The lines of the fields are not compared.
    fn eq(&self, other: &Self) -> bool {
        (&self.file, self.line, &self.document) == (&other.file, other.line, &other.document)
    }
}

impl Identity {
    /// Whether it is an object of the kind, in any version.
    pub fn is_of(&self, kind: &Kind) -> bool {
        self.kind == kind.kind && group_and_version(&self.api_version).0 == kind.group
    }
}

impl Object {
    /// An object without the lines of its fields, for example one from a stored release.
    pub fn new(file: impl Into<String>, line: usize, document: Value) -> Self {
        let (lines, prefix) = (Arc::default(), String::new());
        Self { file: file.into(), line, document, lines, prefix }
    }

    /// The objects of a document: the document itself, or the items of a `List`.
    pub(super) fn from_document(file: &str, document: Document, findings: &mut Vec<Finding>) -> Vec<Self> {
        let Document { line, value, lines, .. } = document;
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
            findings.push(self.error("items", "a list must have `items`"));
            return;
        };
        if depth == 0 {
            findings.push(self.error("items", "is nested in too many lists"));
            return;
        }
        for (index, mut item) in items.into_iter().enumerate() {
            // The items of a `DeploymentList` may leave out `apiVersion` and `kind`.
            if !list_of.is_empty()
                && let Some(item) = item.as_object_mut()
            {
                item.entry("apiVersion").or_insert_with(|| Value::from(api_version.clone()));
                item.entry("kind").or_insert_with(|| Value::from(list_of.clone()));
            }
            let prefix = self.path_in_document(&format!("items[{index}]"));
            let line = self.lines.get(&prefix).map_or(self.line, |(line, _)| *line);
            let (file, lines) = (self.file.clone(), Arc::clone(&self.lines));
            Self { file, line, document: item, lines, prefix }.flatten(depth - 1, into, findings);
        }
    }

    /// `apiVersion`, for example `apps/v1`; empty if missing.
    pub fn api_version(&self) -> &str {
        self.string_at("/apiVersion")
    }

    /// `kind`, for example `Deployment`; empty if missing.
    pub fn kind(&self) -> &str {
        self.string_at("/kind")
    }

    /// `metadata.name`; empty if missing.
    pub fn name(&self) -> &str {
        self.string_at("/metadata/name")
    }

    /// `metadata.namespace`; `None` if missing or empty.
    pub fn namespace(&self) -> Option<&str> {
        Some(self.string_at("/metadata/namespace")).filter(|namespace| !namespace.is_empty())
    }

    /// The kind in berth's table. Objects of kinds that only the app file allows have none.
    pub fn known_kind(&self) -> Option<&'static Kind> {
        Kind::find(self.api_version(), self.kind())
    }

    /// The kind as an `ApplySet` names it, also of one that berth's table lacks.
    pub fn group_kind(&self) -> String {
        group_kind(group_and_version(self.api_version()).0, self.kind())
    }

    /// Whether a rollout waits for the object: it creates pods and its status reports their state.
    pub fn is_workload(&self) -> bool {
        matches!(self.kind(), "Deployment" | "StatefulSet" | "DaemonSet" | "Job")
    }

    /// Whether the object is namespaced.
    pub fn namespaced(&self) -> bool {
        self.known_kind().is_none_or(|kind| kind.namespaced)
    }

    /// The identity of the object.
    pub fn identity(&self) -> Identity {
        Identity {
            api_version: self.api_version().to_owned(),
            kind: self.kind().to_owned(),
            namespace: self.namespace().map(ToOwned::to_owned),
            name: self.name().to_owned(),
        }
    }

    /// The string at a JSON pointer; empty if there is none.
    pub(super) fn string_at(&self, pointer: &str) -> &str {
        self.document.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// An error about a field of the object.
    pub(super) fn error(&self, field: &str, message: impl Into<String>) -> Finding {
        self.finding(Severity::Error, field, message)
    }

    /// A finding about a field of the object, at the line of the field or of the nearest field around it.
    pub(super) fn finding(&self, severity: Severity, field: &str, message: impl Into<String>) -> Finding {
        let path = self.path_in_document(field);
        Finding::new(severity, &self.file, line_of(&self.lines, &path).unwrap_or(self.line), message).field(path)
    }

    /// Whether a field of the object is in this line.
    pub(super) fn has_line(&self, line: usize) -> bool {
        let is_within = |path: &str| {
            path.strip_prefix(&self.prefix)
                .is_some_and(|rest| self.prefix.is_empty() || rest.is_empty() || rest.starts_with(['.', '[']))
        };
        self.lines.iter().any(|(path, (of_field, _))| *of_field == line && is_within(path))
    }

    fn path_in_document(&self, field: &str) -> String {
        match (self.prefix.as_str(), field) {
            ("", field) => field.to_owned(),
            (prefix, "") => prefix.to_owned(),
            (prefix, field) => format!("{prefix}.{field}"),
        }
    }
}

/// The JSON pointer of a path whose keys are Kubernetes' own, without special characters.
pub(super) fn pointer_of(path: &str) -> String {
    format!("/{}", path.replace(['.', '['], "/").replace(']', ""))
}

/// The line of a field. If the file leaves the field out, the line of the nearest field around it.
pub(crate) fn line_of(lines: &Lines, path: &str) -> Option<usize> {
    let mut path = path;
    loop {
        if let Some((line, _)) = lines.get(path) {
            return Some(*line);
        }
        path = &path[..path.rfind(['.', '['])?];
    }
}
