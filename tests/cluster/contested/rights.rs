//! The rights of an installed worker: inside an environment they end with its `RoleBinding`.

use std::{fs, path::PathBuf};

use berth_test_support::Berth;
use serde_json::{Value, json};

use super::own_apps::apply_by_hand;

/// A kubeconfig for an account with rights to namespaces. Inside this namespace a `RoleBinding` in it gives the rights.
pub(crate) fn least_rights(berth: &Berth, pr: u64) -> PathBuf {
    let name = format!("contested-{pr}");
    let user = json!([{"kind": "User", "name": name, "apiGroup": "rbac.authorization.k8s.io"}]);
    for (object, bindings, rules) in [
        (format!("{name}-cluster"), "ClusterRoleBinding", cluster_rules()),
        (format!("{name}-inside"), "RoleBinding", inside_rules()),
    ] {
        let rbac = "rbac.authorization.k8s.io/v1";
        let role = json!({"apiVersion": rbac, "kind": "ClusterRole", "metadata": {"name": object}, "rules": rules});
        apply_by_hand(berth, &format!("{object}-role"), &role);
        let reference = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": object});
        let binding = json!({"apiVersion": rbac, "kind": bindings, "roleRef": reference, "subjects": user,
            "metadata": {"name": object, "namespace": format!("pr-{pr}")}});
        apply_by_hand(berth, &format!("{object}-binding"), &binding);
    }
    let mut config: Value =
        serde_json::from_str(&berth.kubectl(&["config", "view", "--raw", "--flatten", "-o", "json"])).unwrap();
    for user in config["users"].as_array_mut().unwrap() {
        user["user"]["as"] = json!(name);
    }
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.kubeconfig"));
    fs::write(&file, config.to_string()).unwrap();
    file
}

fn cluster_rules() -> Value {
    json!([
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "list", "watch", "delete"]},
        {"apiGroups": ["scheduling.k8s.io"], "resources": ["priorityclasses"], "verbs": ["get", "list", "delete"]},
    ])
}

/// Secrets are left out, as a kind that the account may never list.
fn inside_rules() -> Value {
    let verbs = json!(["get", "list", "watch", "patch", "delete", "deletecollection"]);
    json!([
        {"apiGroups": [""], "resources": ["configmaps", "pods", "services"], "verbs": verbs},
        {"apiGroups": ["apps", "batch", "autoscaling", "networking.k8s.io"], "resources": ["*"], "verbs": verbs},
    ])
}
