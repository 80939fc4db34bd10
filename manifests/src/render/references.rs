//! References from one object to another (Services, ports, claims, Secrets and `ConfigMaps` that nobody makes), and within a
//! workload.
//!
//! For `berth check` only. A push is not refused: somebody else may have made the object in the namespace.

mod classes;
mod pods;
mod traffic;
mod workloads;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Rendered,
    finding::{Finding, Severity},
    object::Object,
    policy::PolicyInput,
    variables::EnvironmentKind,
};

pub use classes::{Classes, ClusterClasses, check_classes};

/// Objects that somebody else makes in the namespace, by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Provided {
    /// Names of Secrets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// Names of `ConfigMaps`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub config_maps: Vec<String>,
    /// Names of `PersistentVolumeClaims`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<String>,
}

/// `ConfigMaps` and `ServiceAccounts` that Kubernetes makes in every namespace.
const OF_KUBERNETES: [(&str, &str); 2] = [("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default")];

/// Every reference of an environment whose target is missing.
///
/// A Service, a port or a scaled workload is an error. So are a claim and a `ServiceAccount` in a preview, whose namespace nobody
/// else writes to; in production they are a warning. A Secret or a `ConfigMap` that nobody makes is one warning.
pub fn check_references(rendered: &Rendered, policy: &PolicyInput, provided: &Provided) -> Vec<Finding> {
    let objects: Vec<_> = rendered.objects().collect();
    let mut report = Report { objects, policy, provided, named: BTreeSet::new(), findings: Vec::new() };
    for object in report.objects.clone() {
        pods::check(&mut report, object);
        traffic::check(&mut report, object);
        workloads::check(&mut report, object);
    }
    report.findings
}

struct Report<'a> {
    objects: Vec<&'a Object>,
    policy: &'a PolicyInput,
    provided: &'a Provided,
    /// Kinds and names that were reported.
    named: BTreeSet<(String, String)>,
    findings: Vec<Finding>,
}

impl<'a> Report<'a> {
    /// The object of the release with this kind and name.
    fn find(&self, kind: &str, name: &str) -> Option<&'a Object> {
        self.objects.iter().find(|object| object.kind() == kind && object.name() == name).copied()
    }

    fn is_there(&self, kind: &str, name: &str) -> bool {
        let provided = match kind {
            "Secret" => self.provided.secrets.iter().chain(&self.policy.reserved_secrets).any(|secret| secret == name),
            "ConfigMap" => self.provided.config_maps.iter().any(|map| map == name),
            "PersistentVolumeClaim" => self.provided.claims.iter().any(|claim| claim == name),
            _ => false,
        };
        provided || OF_KUBERNETES.contains(&(kind, name)) || self.find(kind, name).is_some()
    }

    /// Reports a missing object, once.
    fn require(&mut self, object: &Object, field: &str, kind: &str, name: &str) {
        if name.is_empty() || self.is_there(kind, name) || !self.named.insert((kind.to_owned(), name.to_owned())) {
            return;
        }
        let is_preview = self.policy.environment_kind == EnvironmentKind::Preview;
        let (severity, advice) = match kind {
            "Secret" => (Severity::Warning, provided_as("secrets")),
            "ConfigMap" => (Severity::Warning, provided_as("config_maps")),
            "PersistentVolumeClaim" if is_preview => (Severity::Error, ""),
            "PersistentVolumeClaim" => (Severity::Warning, provided_as("claims")),
            "ServiceAccount" if !is_preview => (Severity::Warning, ""),
            _ => (Severity::Error, ""),
        };
        let message = format!("the {kind} `{name}` is made neither by the manifests nor by berth{advice}");
        self.findings.push(object.finding(severity, field, message));
    }

    fn error(&mut self, object: &Object, field: &str, message: String) {
        self.findings.push(object.finding(Severity::Error, field, message));
    }
}

fn provided_as(field: &'static str) -> &'static str {
    match field {
        "secrets" => "; if somebody else makes it, list it in the app file's `provided.secrets`",
        "config_maps" => "; if somebody else makes it, list it in the app file's `provided.config_maps`",
        _ => "; if somebody else makes it, list it in the app file's `provided.claims`",
    }
}

/// The text of a field; empty if there is none.
fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests;
