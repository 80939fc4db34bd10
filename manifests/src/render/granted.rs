//! The rights that a manifest's Role grants, beside those that berth has: Kubernetes lets nobody grant more than they have.

use std::{collections::BTreeMap, sync::LazyLock};

use serde_json::Value;

use super::{
    Rendered,
    finding::{Finding, Severity},
    kinds::{Kind, RBAC_GROUP},
    object::Object,
    policy::pods::items,
};

/// The worker's rights in an environment, as berth is installed.
const ENVIRONMENT_ROLE: &str = include_str!("../../worker/environment-role.yaml");

/// What berth does with the objects of a kind.
const VERBS: [&str; 6] = ["get", "list", "watch", "create", "patch", "delete"];

/// The name of that role.
pub const ENVIRONMENT_ROLE_NAME: &str = "berth-environment";

/// The `ClusterRoles` of a cluster, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClusterRoles(BTreeMap<String, Rights>);

impl FromIterator<(String, Rights)> for ClusterRoles {
    fn from_iter<I: IntoIterator<Item = (String, Rights)>>(roles: I) -> Self {
        Self(roles.into_iter().collect())
    }
}

/// The rules of a role.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rights {
    rules: Vec<Value>,
}

/// One right: a verb on a resource.
struct Right<'a> {
    group: &'a str,
    resource: &'a str,
    verb: &'a str,
    /// The only objects, if not all of them.
    names: Vec<&'a str>,
}

impl Rights {
    /// The rights that `manifests/worker` gives to berth in an environment.
    pub fn installed() -> &'static Self {
        // A test reads the file, so it is a role.
        static INSTALLED: LazyLock<Rights> = LazyLock::new(|| {
            serde_saphyr::from_str(ENVIRONMENT_ROLE).map_or_else(|_| Rights::default(), |role| Rights::of_role(&role))
        });
        &INSTALLED
    }

    /// The rules of a Role or a `ClusterRole`.
    pub fn of_role(role: &Value) -> Self {
        Self { rules: items(role.get("rules")).map(|(_, rule)| rule.clone()).collect() }
    }

    /// Whether they include all that berth does with the objects of a kind.
    pub fn include_kind(&self, kind: &Kind) -> bool {
        let Kind { group, plural: resource, .. } = kind;
        VERBS.iter().all(|verb| self.include(&Right { group, resource, verb, names: Vec::new() }))
    }

    fn include(&self, right: &Right<'_>) -> bool {
        let granted_by = |rule: &Value, name: Option<&&str>| {
            let only = strings(rule, "resourceNames");
            has(rule, "apiGroups", &[right.group, "*"])
                && has(rule, "verbs", &[right.verb, "*"])
                && has(rule, "resources", &[right.resource, "*", &of_any(right.resource)])
                && (only.is_empty() || name.is_some_and(|name| only.contains(name)))
        };
        match right.names.is_empty() {
            true => self.rules.iter().any(|rule| granted_by(rule, None)),
            false => right.names.iter().all(|name| self.rules.iter().any(|rule| granted_by(rule, Some(name)))),
        }
    }
}

/// The name that stands for a subresource of any resource: `*/scale` for `deployments/scale`.
fn of_any(resource: &str) -> String {
    resource.split_once('/').map_or_else(|| "*".to_owned(), |(_, sub)| format!("*/{sub}"))
}

fn strings<'a>(rule: &'a Value, field: &str) -> Vec<&'a str> {
    items(rule.get(field)).filter_map(|(_, item)| item.as_str()).collect()
}

fn has(rule: &Value, field: &str, any_of: &[&str]) -> bool {
    strings(rule, field).iter().any(|item| any_of.contains(item))
}

/// An error for each right that a Role or a `RoleBinding` grants and that berth does not have: the API server refuses them.
///
/// `cluster_roles` are those of the cluster. Without them, a `RoleBinding` to a `ClusterRole` is a warning. For `berth check`, of
/// production alone: previews have neither.
pub fn check_granted(rendered: &Rendered, held: &Rights, cluster_roles: Option<&ClusterRoles>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for object in rendered.objects() {
        match object.kind() {
            "Role" => findings.extend(
                items(object.document.get("rules")).filter_map(|(index, rule)| check_rule(object, index, rule, held)),
            ),
            "RoleBinding" if object.string_at("/roleRef/kind") == "ClusterRole" => {
                findings.extend(check_binding(object, held, cluster_roles));
            }
            _ => {}
        }
    }
    findings
}

fn check_rule(role: &Object, index: usize, rule: &Value, held: &Rights) -> Option<Finding> {
    let missing = missing_rights(rule, held);
    let message = format!(
        "grants more than berth has, so the API server would refuse the Role. An administrator can give the ClusterRole \
         `{ENVIRONMENT_ROLE_NAME}` these rules: {}",
        missing.join(", ")
    );
    (!missing.is_empty()).then(|| role.error(&format!("rules[{index}]"), message))
}

fn check_binding(binding: &Object, held: &Rights, cluster_roles: Option<&ClusterRoles>) -> Option<Finding> {
    let (name, field) = (binding.string_at("/roleRef/name"), "roleRef.name");
    if name == ENVIRONMENT_ROLE_NAME {
        return Some(binding.error(field, format!("the ClusterRole `{name}` may be bound to berth's worker only")));
    }
    let bind = Right { group: RBAC_GROUP, resource: "clusterroles", verb: "bind", names: vec![name] };
    if name.is_empty() || held.include(&bind) {
        return None;
    }
    let advice = format!(
        "An administrator can give the ClusterRole `{ENVIRONMENT_ROLE_NAME}` the rule {{apiGroups: [{RBAC_GROUP}], resources: \
         [clusterroles], resourceNames: [{name}], verbs: [bind]}}"
    );
    let Some(roles) = cluster_roles else {
        let message = format!(
            "the API server refuses the binding if the ClusterRole `{name}` grants more than berth has; `berth check --cluster` \
             looks. {advice}"
        );
        return Some(binding.finding(Severity::Warning, field, message));
    };
    let Some(role) = roles.0.get(name) else {
        return Some(binding.error(field, format!("the cluster has no ClusterRole `{name}`")));
    };
    let missing = role.rules.iter().find_map(|rule| missing_rights(rule, held).into_iter().next())?;
    let message = format!(
        "the ClusterRole `{name}` grants more than berth has, for example {missing}, so the API server would refuse the binding. \
         {advice}"
    );
    Some(binding.error(field, message))
}

/// The rights of a rule that berth does not have, as rules.
fn missing_rights(rule: &Value, held: &Rights) -> Vec<String> {
    let mut missing = Vec::new();
    for group in strings(rule, "apiGroups") {
        for resource in strings(rule, "resources") {
            let names = strings(rule, "resourceNames");
            let lacks = |verb: &&str| !held.include(&Right { group, resource, verb, names: names.clone() });
            let verbs: Vec<_> = strings(rule, "verbs").into_iter().filter(lacks).collect();
            if !verbs.is_empty() {
                missing.push(rule_of(group, resource, &verbs));
            }
        }
    }
    let urls = strings(rule, "nonResourceURLs");
    if !urls.is_empty() {
        missing.push(format!("{{nonResourceURLs: [{}]}}", urls.join(", ")));
    }
    missing
}

/// The rule that lets berth have the objects of a kind, as it is written in a role.
pub fn rule_for(kind: &Kind) -> String {
    rule_of(&kind.group, &kind.plural, &VERBS)
}

fn rule_of(group: &str, resource: &str, verbs: &[&str]) -> String {
    let group = if group.is_empty() { "\"\"" } else { group };
    format!("{{apiGroups: [{group}], resources: [{resource}], verbs: [{}]}}", verbs.join(", "))
}

#[cfg(test)]
mod tests;
