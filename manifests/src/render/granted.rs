//! The rights that a manifest's Role grants, beside those that berth has: Kubernetes lets nobody grant more than they have.

use std::sync::LazyLock;

use serde_json::Value;

use super::{Rendered, finding::Finding, kinds::Kind, object::Object, policy::pods::items};

/// The worker's rights in an environment, as berth is installed.
const ENVIRONMENT_ROLE: &str = include_str!("../../worker/environment-role.yaml");

/// What berth does with the objects of a kind.
const VERBS: [&str; 6] = ["get", "list", "watch", "create", "patch", "delete"];

/// The name of that role.
pub const ENVIRONMENT_ROLE_NAME: &str = "berth-environment";

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

/// An error for each right that a Role grants and that berth does not have: the API server refuses such a Role.
///
/// For `berth check`, of production alone: previews have no Roles.
pub fn check_granted(rendered: &Rendered, held: &Rights) -> Vec<Finding> {
    let roles = rendered.objects().filter(|object| object.kind() == "Role");
    roles
        .flat_map(|role| {
            items(role.document.get("rules")).filter_map(|(index, rule)| check_rule(role, index, rule, held))
        })
        .collect()
}

fn check_rule(role: &Object, index: usize, rule: &Value, held: &Rights) -> Option<Finding> {
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
    let message = format!(
        "grants more than berth has, so the API server would refuse the Role. An administrator can give the ClusterRole \
         `{ENVIRONMENT_ROLE_NAME}` these rules: {}",
        missing.join(", ")
    );
    (!missing.is_empty()).then(|| role.error(&format!("rules[{index}]"), message))
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
mod tests {
    use serde_json::json;

    use super::*;

    fn rendered(rules: &Value) -> Rendered {
        let role = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "web"}, "rules": rules,
        });
        Rendered { stages: vec![vec![Object::new("production/role.yaml", 1, role)]], notes: Vec::new() }
    }

    fn messages(rules: &Value, held: &Rights) -> Vec<String> {
        check_granted(&rendered(rules), held).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn rights_that_berth_has_are_granted() {
        let held = Rights::installed();
        assert!(held.include_kind(Kind::find("apps/v1", "Deployment").unwrap()));
        for rule in [
            json!({"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "update", "patch"]}),
            json!({"apiGroups": ["apps"], "resources": ["replicasets"], "verbs": ["get", "list", "delete"]}),
            json!({"apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["get"]}),
            json!({"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["a"], "verbs": ["update"]}),
        ] {
            assert_eq!(messages(&json!([rule]), held), Vec::<String>::new());
        }
    }

    #[test]
    fn a_right_that_berth_lacks_is_an_error_with_its_rule() {
        let held = Rights::installed();
        let found = messages(
            &json!([
                {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]},
                {"apiGroups": ["", "batch"], "resources": ["pods/exec", "jobs"], "verbs": ["create", "get"]},
            ]),
            held,
        );
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("{apiGroups: [\"\"], resources: [pods/exec], verbs: [create, get]}"), "{}", found[0]);
        assert!(!found[0].contains("apiGroups: [batch], resources: [jobs]"), "{}", found[0]);
        for rule in [
            json!({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}),
            json!({"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["*"]}),
            json!({"apiGroups": ["apps"], "resources": ["deployments/scale"], "verbs": ["patch"]}),
            json!({"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get"]}),
        ] {
            assert_eq!(messages(&json!([rule]), held).len(), 1, "{rule}");
        }
    }

    #[test]
    fn a_wider_role_of_the_cluster_includes_more() {
        let of = |rule: Value| Rights::of_role(&json!({"rules": [rule]}));
        let scale = json!([{"apiGroups": ["apps"], "resources": ["deployments/scale"], "verbs": ["patch"]}]);
        for held in [
            of(json!({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]})),
            of(json!({"apiGroups": ["apps"], "resources": ["*/scale"], "verbs": ["patch"]})),
        ] {
            assert_eq!(messages(&scale, &held), Vec::<String>::new());
        }
        let of_one = of(
            json!({"apiGroups": ["apps"], "resources": ["deployments/scale"], "resourceNames": ["a"], "verbs": ["*"]}),
        );
        assert_eq!(messages(&scale, &of_one).len(), 1);
    }
}
