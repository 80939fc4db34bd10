//! Roles and bindings that grant more than berth has, and those that do not.

use serde_json::json;

use super::*;

fn rendered(rules: &Value) -> Rendered {
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "web"}, "rules": rules,
    });
    Rendered { stages: vec![vec![Object::new("production/role.yaml", 1, role)]], notes: Vec::new() }
}

fn messages(rules: &Value, held: &Rights) -> Vec<String> {
    check_granted(&rendered(rules), held, None).into_iter().map(|finding| finding.message).collect()
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
    let of_one =
        of(json!({"apiGroups": ["apps"], "resources": ["deployments/scale"], "resourceNames": ["a"], "verbs": ["*"]}));
    assert_eq!(messages(&scale, &of_one).len(), 1);
}

fn binding(role: &str, held: &Rights, cluster_roles: Option<&ClusterRoles>) -> Vec<String> {
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "web"},
        "roleRef": {"apiGroup": RBAC_GROUP, "kind": "ClusterRole", "name": role}});
    let objects = vec![Object::new("production/binding.yaml", 1, binding)];
    let rendered = Rendered { stages: vec![objects], notes: Vec::new() };
    check_granted(&rendered, held, cluster_roles).iter().map(ToString::to_string).collect()
}

#[test]
fn binding_to_a_cluster_role_that_grants_more_is_an_error() {
    let held = Rights::installed();
    let of = |rules: Value| Rights::of_role(&json!({"rules": rules}));
    let roles: ClusterRoles = [
        ("edit", json!([{"apiGroups": [""], "resources": ["pods", "pods/exec"], "verbs": ["get", "create"]}])),
        ("cluster-admin", json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}])),
        ("urls", json!([{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}])),
        ("pods", json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}])),
        ("empty", json!([])),
    ]
    .into_iter()
    .map(|(name, rules)| (name.to_owned(), of(rules)))
    .collect();
    for (role, expected) in [
        ("edit", "grants more than berth has, for example {apiGroups: [\"\"], resources: [pods], verbs: [create]}"),
        ("cluster-admin", "resources: [*]"),
        ("urls", "{nonResourceURLs: [/metrics]}"),
        ("view", "production/binding.yaml:1: roleRef.name: the cluster has no ClusterRole `view`"),
        (ENVIRONMENT_ROLE_NAME, "may be bound to berth's worker only"),
    ] {
        let found = binding(role, held, Some(&roles));
        assert!(found.len() == 1 && found[0].contains(expected), "{role}: {found:?}");
        assert!(!found[0].contains("warning"), "{found:?}");
    }
    for role in ["pods", "empty"] {
        assert_eq!(binding(role, held, Some(&roles)), [""; 0], "{role}");
    }
}

#[test]
fn binding_to_a_cluster_role_is_a_warning_without_a_cluster() {
    let found = binding("view", Rights::installed(), None);
    assert!(found.len() == 1 && found[0].contains("warning: roleRef.name: "), "{found:?}");
    let rule =
        "{apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], resourceNames: [view], verbs: [bind]}";
    assert!(found[0].ends_with(rule), "{found:?}");
    let bind =
        json!({"apiGroups": [RBAC_GROUP], "resources": ["clusterroles"], "resourceNames": ["view"], "verbs": ["bind"]});
    let held = Rights::of_role(&json!({"rules": [bind]}));
    assert_eq!(binding("view", &held, None), [""; 0]);
    assert_eq!(binding("edit", &held, None).len(), 1);
}
