//! The rules for an environment's objects: every rule is checked, every violation reported.
//!
//! Manifests are treated as hostile. No object may reach another environment, the nodes, the cluster's components, or a host
//! name that is not the app's. In production, a violation that endangers only the environment itself is a warning, because there
//! the namespace's Pod Security level decides.

mod bound;
mod cron_jobs;
mod egress;
mod metadata;
mod names;
mod network;
mod open_policies;
pub(super) mod pods;
mod preemption;
mod rights;
mod routes;
mod strings;
mod targets;

use std::collections::BTreeSet;

use ipnet::IpNet;

use super::{
    finding::{Finding, Severity},
    kinds::FurtherKind,
    object::Object,
    variables::EnvironmentKind,
};
use crate::app::KnownNames;

/// The limits of one environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyInput {
    /// Preview or production.
    pub environment_kind: EnvironmentKind,
    /// The only namespace that objects go to.
    pub namespace: String,
    /// The value of `KUBE_APP`. Names of cluster-scoped objects must begin with it, so that no two environments share one.
    pub unique_name: String,
    /// The only hosts that an Ingress may have.
    pub hosts: Vec<String>,
    /// The cluster-scoped kinds that the app file allows.
    pub cluster_kinds: Vec<String>,
    /// The namespaced kinds outside berth's table that the app file allows.
    pub kinds: Vec<FurtherKind>,
    /// Secrets that berth writes in the namespace (Doppler's values, the pull secret). No manifest may write them.
    pub reserved_secrets: BTreeSet<String>,
    /// The copy of the pull secret. Every `ServiceAccount` of the manifests names it.
    pub pull_secret: Option<String>,
    /// Whether `CronJob`s are suspended.
    pub suspend_cron_jobs: bool,
    /// The names of all environments of all apps.
    pub known: KnownNames,
    /// The networks that are closed to previews.
    pub closed: Vec<IpNet>,
}

/// Whether an object is not applied, and a note or a warning says so.
pub(super) fn is_left_out(object: &Object, input: &PolicyInput) -> bool {
    metadata::skip_note(object, input).is_some() || rights::is_left_out(object, input)
}

/// Objects after the rules.
#[derive(Default)]
pub(super) struct Checked {
    /// The objects to apply, completed.
    pub(super) kept: Vec<Object>,
    /// Those of a kind that manifests may not have. Others may refer to them.
    pub(super) refused: Vec<Object>,
    /// The findings about all objects.
    pub(super) findings: Vec<Finding>,
}

/// Applies the rules to the objects.
pub(super) fn check(objects: Vec<Object>, input: &PolicyInput) -> Checked {
    let Checked { mut kept, mut refused, mut findings } = Checked::default();
    for mut object in rights::leave_out(objects, input, &mut findings) {
        if let Some(note) = metadata::skip_note(&object, input) {
            findings.push(note);
            findings.extend(metadata::lost_of_namespace(&object, input));
            continue;
        }
        let mut report = ObjectReport { object: &object, input, findings: &mut findings };
        let Some(kind) = metadata::find_kind(&mut report) else {
            refused.push(object);
            continue;
        };
        metadata::check(&mut report, &kind);
        strings::check(&mut report);
        pods::check(&mut report);
        network::check(&mut report);
        egress::check(&mut report);
        bound::check(&mut report);
        preemption::check(&mut report);
        metadata::complete(&mut object, &kind, input);
        network::complete(&mut object, input);
        egress::complete(&mut object, input);
        bound::complete(&mut object, input);
        preemption::complete(&mut object, input);
        findings.extend(cron_jobs::complete(&mut object, input));
        kept.push(object);
    }
    network::check_temporal_is_internal(&kept, input, &mut findings);
    preemption::note_classes_of_others(&kept, input, &mut findings);
    Checked { kept, refused, findings }
}

/// The findings about one object, with the inputs of the rules.
struct ObjectReport<'a> {
    object: &'a Object,
    input: &'a PolicyInput,
    findings: &'a mut Vec<Finding>,
}

impl ObjectReport<'_> {
    fn refuse(&mut self, field: &str, message: impl Into<String>) {
        self.findings.push(self.object.error(field, message));
    }

    /// An error in a preview, a warning in production.
    fn refuse_in_preview(&mut self, field: &str, message: impl Into<String>) {
        let (severity, message) = match self.is_preview() {
            true => (Severity::Error, message.into()),
            false => (Severity::Warning, format!("is refused in previews: {}", message.into())),
        };
        self.findings.push(self.object.finding(severity, field, message));
    }

    fn note(&mut self, field: &str, message: impl Into<String>) {
        self.findings.push(self.object.finding(Severity::Note, field, message));
    }

    fn warn(&mut self, field: &str, message: impl Into<String>) {
        self.findings.push(self.object.finding(Severity::Warning, field, message));
    }

    fn is_preview(&self) -> bool {
        self.input.environment_kind == EnvironmentKind::Preview
    }
}

#[cfg(test)]
mod tests;
