//! Rights on the Kubernetes API: a preview has none, since its code is a pull request's.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Finding, PolicyInput, pods};
use crate::render::{
    finding::Severity,
    kinds::{RBAC_GROUP, group_and_version},
    object::Object,
    variables::EnvironmentKind,
};

/// Leaves the Roles and `RoleBindings` of a preview out, and says who would have had their rights.
pub(super) fn leave_out(objects: Vec<Object>, input: &PolicyInput, findings: &mut Vec<Finding>) -> Vec<Object> {
    let left_out = objects.iter().filter(|object| is_left_out(object, input));
    findings.extend(left_out.map(|object| {
        let message = format!(
            "{} `{}` is left out: code of a pull request gets no rights on the Kubernetes API{}",
            object.kind(),
            object.name(),
            who_needs(object, &objects)
        );
        object.finding(Severity::Warning, "", message)
    }));
    objects.iter().filter(|object| !is_left_out(object, input)).cloned().collect()
}

pub(super) fn is_left_out(object: &Object, input: &PolicyInput) -> bool {
    input.environment_kind == EnvironmentKind::Preview
        && matches!(object.kind(), "Role" | "RoleBinding")
        && group_and_version(object.api_version()).0 == RBAC_GROUP
}

/// The `ServiceAccounts` that would have had the rights, each with the workloads that run as it.
fn who_needs(object: &Object, objects: &[Object]) -> String {
    let bindings: Vec<_> = match object.kind() {
        "RoleBinding" => vec![object],
        _ => objects.iter().filter(|other| is_bound_by(object, other)).collect(),
    };
    let accounts: BTreeSet<_> = bindings.into_iter().flat_map(accounts).collect();
    let described = accounts.into_iter().map(|account| {
        let workloads: Vec<_> = objects
            .iter()
            .filter(|object| runs_as(object, account))
            .map(|object| format!("{} `{}`", object.kind(), object.name()))
            .collect();
        match workloads.is_empty() {
            true => format!("ServiceAccount `{account}`"),
            false => format!("ServiceAccount `{account}`, as which {} runs", workloads.join(", ")),
        }
    });
    let described: Vec<_> = described.collect();
    if described.is_empty() { String::new() } else { format!(". It would be of {}", described.join("; ")) }
}

fn is_bound_by(role: &Object, binding: &Object) -> bool {
    binding.kind() == "RoleBinding"
        && binding.string_at("/roleRef/kind") == "Role"
        && binding.string_at("/roleRef/name") == role.name()
}

fn accounts(binding: &Object) -> impl Iterator<Item = &str> {
    pods::items(binding.document.get("subjects"))
        .filter(|(_, subject)| subject.get("kind").is_some_and(|kind| kind == "ServiceAccount"))
        .filter_map(|(_, subject)| subject.get("name").and_then(Value::as_str))
}

fn runs_as(object: &Object, account: &str) -> bool {
    let of_pod = |spec: &Value| pods::account(spec).map_or("default", |(_, name)| name) == account;
    pods::specs(object).any(|(spec, _)| of_pod(spec))
}
