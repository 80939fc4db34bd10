//! Rules for the kind, name, namespace and metadata of an object.

use serde_json::{Map, Value};

use super::{ObjectReport, PolicyInput, names};
use crate::render::{
    finding::{Finding, Severity},
    kinds::{self, KINDS, Kind, group_and_version},
    object::Object,
    stamp,
    template::child,
    variables::EnvironmentKind,
};

/// The prefix of berth's objects in an environment: `berth-database`, `berth-release-…`.
const BERTH_OBJECT_PREFIX: &str = "berth-";
/// The name of berth's limits, network policy and role binding in an environment.
const BERTH_OBJECT_NAME: &str = "berth";
const BERTH_OBJECT_KINDS: [&str; 4] = ["LimitRange", "NetworkPolicy", "ResourceQuota", "RoleBinding"];

/// Fields that the API server sets. Manifests copied from `kubectl get -o yaml` have them, but an apply with them is refused.
const SERVER_SET: [&str; 6] =
    ["creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid"];

/// The deepest nesting that is searched for metadata. The API server refuses objects that are nested that deeply.
const MAX_DEPTH: usize = 100;

/// The annotation of kubectl's client-side apply. Server-side apply does not update it, so it would be stale.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Labels that every namespace has: Kubernetes sets the first, berth the second.
const OF_NAMESPACE: [&str; 2] = ["kubernetes.io/metadata.name", "app.kubernetes.io/managed-by"];

/// The note about an object that is left out because berth creates it or does its work.
pub(super) fn skip_note(object: &Object, input: &PolicyInput) -> Option<Finding> {
    let message = match object.kind() {
        "Namespace" if object.api_version() == "v1" && object.name() == input.namespace => {
            match input.environment_kind {
                EnvironmentKind::Preview => "left out: berth makes the namespace",
                EnvironmentKind::Production => "left out: a person makes the namespace of production",
            }
        }
        "DopplerSecret" if object.api_version().starts_with("secrets.doppler.com/") => {
            "left out: berth syncs the secrets"
        }
        _ => return None,
    };
    Some(object.finding(Severity::Note, "", format!("{} `{}` is {message}", object.kind(), object.name())))
}

/// A warning for each label and annotation of the environment's Namespace, which is left out. Nobody else sets them.
pub(super) fn lost_of_namespace(object: &Object, input: &PolicyInput) -> Vec<Finding> {
    if object.kind() != "Namespace" {
        return Vec::new();
    }
    let is_preview = input.environment_kind == EnvironmentKind::Preview;
    let lost = ["labels", "annotations"].into_iter().flat_map(|field| stamp::string_entries(object, field));
    let lost = lost.filter(|(_, key, _)| !is_reserved_key(key) && !OF_NAMESPACE.contains(key));
    lost.map(|(path, key, _)| {
        let is_level = key.starts_with("pod-security.kubernetes.io/");
        let who = match (is_preview, is_level) {
            (true, true) => "the app file's `isolation.pod_security` is the level of previews",
            (true, false) => "the namespace of a preview gets no labels and annotations but berth's",
            (false, true) => "a person sets it in production, or the app file's `production.isolation`",
            (false, false) => "a person makes the namespace of production, with its labels and annotations",
        };
        object.finding(Severity::Warning, &path, format!("is left out: {who}"))
    })
    .collect()
}

/// The object's kind, if it is one that the app file adds.
fn further_kind(object: &Object, input: &PolicyInput) -> Option<Kind> {
    let (api_version, name) = (object.api_version(), object.kind());
    let is_listed = input.kinds.iter().any(|further| further.api_version == api_version && further.kind == name);
    let (group, version) = group_and_version(api_version);
    // The plural is the cluster's; no rule looks at it.
    is_listed.then(|| Kind::described(group, version, name, "", true))
}

/// The object's kind, if manifests may have it.
pub(super) fn find_kind(report: &mut ObjectReport<'_>) -> Option<Kind> {
    let (api_version, name) = (report.object.api_version(), report.object.kind());
    if let Some(kind) = further_kind(report.object, report.input) {
        return Some(kind);
    }
    let Some(kind) = Kind::find(api_version, name) else {
        report.refuse(if name.is_empty() { "" } else { "kind" }, refusal_of_kind(api_version, name));
        return None;
    };
    if !kind.namespaced && !report.input.cluster_kinds.iter().any(|allowed| *allowed == kind.kind) {
        let message = format!("a {name} is cluster-scoped; the app file can allow it: `cluster_kinds: [{name}]`");
        report.refuse("kind", message);
    }
    Some(kind.clone())
}

/// The message about a kind that manifests may not have.
fn refusal_of_kind(api_version: &str, name: &str) -> String {
    if let Some(known) = Kind::find_any_version(api_version, name) {
        return format!("a {name} must have the `apiVersion` `{}`, not `{api_version}`", known.api_version());
    }
    match name {
        "" => return "an object must have a `kind`".to_owned(),
        "Namespace" if api_version == "v1" => {
            return "the only Namespace that manifests may have is the environment's".to_owned();
        }
        _ => {}
    }
    kinds::never(api_version, name).unwrap_or_else(|| {
        format!(
            "a {name} may not be part of an environment; allowed are: {}. If it is namespaced, the app file can allow it: `kinds: \
             [{{api_version: {api_version}, kind: {name}}}]`",
            kind_names()
        )
    })
}

fn kind_names() -> String {
    let mut names: Vec<_> = KINDS.iter().map(|kind| kind.kind.as_ref()).collect();
    names.sort_unstable();
    names.dedup();
    names.join(", ")
}

/// The rules for every object's metadata.
pub(super) fn check(report: &mut ObjectReport<'_>, kind: &Kind) {
    check_name(report, kind);
    check_namespace(report, kind);
    let object = report.object;
    check_holds(report, &object.document, "", 0);
    if kind.kind == "PriorityClass" {
        check_priority_class(report);
    }
}

/// The rules for finalizers and owners, which keep an object in the cluster or remove it.
///
/// Every `metadata` in the object counts, and not only its own: pods, claims and Jobs are made with the metadata of their
/// template, at whatever depth a kind has it.
fn check_holds(report: &mut ObjectReport<'_>, value: &Value, path: &str, depth: usize) {
    if depth > MAX_DEPTH {
        return;
    }
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let path = child(path, key);
                if key == "metadata" {
                    check_metadata(report, value, &path);
                }
                check_holds(report, value, &path, depth + 1);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                check_holds(report, item, &format!("{path}[{index}]"), depth + 1);
            }
        }
        _ => {}
    }
}

fn check_metadata(report: &mut ObjectReport<'_>, metadata: &Value, path: &str) {
    for field in ["finalizers", "ownerReferences"] {
        if metadata.get(field).is_some_and(|value| !is_empty(value)) {
            let message = "could let this object outlive the environment, or block its deletion";
            report.refuse_in_preview(&child(path, field), message);
        }
    }
}

fn check_priority_class(report: &mut ObjectReport<'_>) {
    let document = &report.object.document;
    if document.get("globalDefault").is_some_and(is_set) {
        report.refuse("globalDefault", "would apply to every pod of the cluster");
    }
}

fn check_name(report: &mut ObjectReport<'_>, kind: &Kind) {
    let (name, field) = (report.object.name(), "metadata.name");
    let written = report.object.document.pointer("/metadata/name");
    if written.is_some_and(|name| name.is_number() || name.is_boolean()) {
        return report.refuse(field, "must be a string: put it in quotes");
    }
    if name.is_empty() {
        return report.refuse("metadata", "must have a `name` (a `generateName` would create a new object each time)");
    }
    if let Some(problem) = names::problem(name, kind) {
        return report.refuse(field, problem);
    }
    if name.starts_with(BERTH_OBJECT_PREFIX) {
        report.refuse(field, format!("names that begin with `{BERTH_OBJECT_PREFIX}` are reserved for berth"));
    }
    if name == BERTH_OBJECT_NAME && BERTH_OBJECT_KINDS.contains(&kind.kind.as_ref()) {
        report.refuse(field, format!("the {} `{BERTH_OBJECT_NAME}` is reserved for berth", kind.kind));
    }
    if kind.kind == "Secret" && report.input.reserved_secrets.contains(name) {
        report.refuse(field, "is a Secret that berth writes");
    }
    let unique = &report.input.unique_name;
    let begins_with_unique_name =
        name.strip_prefix(unique.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
    if !kind.namespaced && !begins_with_unique_name {
        let message = format!("is cluster-scoped, so its name must begin with `$KUBE_APP` (`{unique}`)");
        report.refuse(field, message);
    }
}

fn check_namespace(report: &mut ObjectReport<'_>, kind: &Kind) {
    let expected = &report.input.namespace;
    match report.object.document.pointer("/metadata/namespace") {
        None | Some(Value::Null) => {}
        // Teams set it on cluster-scoped kinds as well; `complete` removes it there.
        Some(_) if !kind.namespaced => {}
        Some(Value::String(namespace)) if namespace == expected || namespace.is_empty() => {}
        Some(other) => {
            let other = other.as_str().map_or_else(|| other.to_string(), ToOwned::to_owned);
            let message = format!("is `{other}`; objects of this environment must be in `{expected}`");
            report.refuse("metadata.namespace", message);
        }
    }
}

/// Sets the namespace, and removes the fields that a manifest must not set.
pub(super) fn complete(object: &mut Object, kind: &Kind, input: &PolicyInput) {
    let Some(document) = object.document.as_object_mut() else { return };
    document.remove("status");
    let Some(metadata) = document.get_mut("metadata").and_then(Value::as_object_mut) else {
        return;
    };
    for field in SERVER_SET {
        metadata.remove(field);
    }
    if kind.namespaced {
        metadata.insert("namespace".to_owned(), Value::from(input.namespace.as_str()));
    } else {
        metadata.remove("namespace");
    }
    for field in ["labels", "annotations"] {
        if let Some(map) = metadata.get_mut(field).and_then(Value::as_object_mut) {
            remove_reserved_keys(map);
        }
    }
}

fn remove_reserved_keys(map: &mut Map<String, Value>) {
    map.retain(|key, _| !is_reserved_key(key));
}

/// Whether a label or an annotation of a manifest is never applied.
fn is_reserved_key(key: &str) -> bool {
    stamp::is_berth_key(key) || key == LAST_APPLIED
}

/// Whether a field is neither null nor false. A value of a wrong type counts as set, in case the API server is more lenient
/// than a comparison here.
pub(super) fn is_set(value: &Value) -> bool {
    !matches!(value, Value::Null | Value::Bool(false))
}

/// Whether a field is null or has no content.
pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}
