//! Fields and objects that other tools change: `kubectl scale`, `kubectl apply`, another `ApplySet` tool.

use std::process::Command;

use berth_test_support::Berth;
use serde_json::{Value, json};

use super::own_apps::{OwnApps, apply_by_hand};
use crate::BERTH;

#[test]
fn push_takes_changed_fields_back_and_keeps_foreign_ones() {
    let berth = Berth::start(BERTH, 305);
    assert_eq!(berth.push('1', &berth.lab.image("v1"), &[]).code, 0);
    let deployment = || berth.object("deployment", "web-pr-305").unwrap();
    let config = || berth.object("configmap", "web-pr-305-config").unwrap()["data"].clone();
    berth.kubectl(&["scale", "deployment", "web-pr-305", "-n", "pr-305", "--replicas=2"]);
    berth.kubectl(&["annotate", "deployment", "web-pr-305", "-n", "pr-305", "example.com/note=kept"]);
    let theirs = r#"{"data":{"ENVIRONMENT":"edited","THEIRS":"kept"}}"#;
    berth.kubectl(&["patch", "configmap", "web-pr-305-config", "-n", "pr-305", "-p", theirs]);
    assert_eq!(
        (deployment()["spec"]["replicas"].clone(), config()["ENVIRONMENT"].clone()),
        (json!(2), json!("edited"))
    );

    assert_eq!(berth.push('2', &berth.lab.image("v2"), &[]).code, 0);
    assert_eq!(deployment()["spec"]["replicas"], 1);
    assert_eq!(deployment()["metadata"]["annotations"]["example.com/note"], "kept");
    assert_eq!((config()["ENVIRONMENT"].clone(), config()["THEIRS"].clone()), (json!("preview"), json!("kept")));
    assert_eq!(berth.preview("close", &[]).code, 0);
}

#[test]
fn fields_applied_by_kubectl_are_taken_over_and_go_with_the_manifest() {
    let own = OwnApps::start(306);
    let berth = &own.berth;
    assert_eq!(berth.push('1', &berth.lab.image("v1"), &[]).code, 0);
    apply_by_hand(
        berth,
        "config-306",
        &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web-pr-306-config", "namespace": "pr-306"},
            "data": {"ENVIRONMENT": "preview", "DROPPED": "soon", "NEVER_IN_THE_MANIFEST": "x"}}),
    );
    let config = || berth.object("configmap", "web-pr-306-config").unwrap();
    assert_eq!(config()["data"]["DROPPED"], "soon");

    own.edit("web/core/config.yaml", "\ndata:\n", "\ndata:\n  DROPPED: soon\n");
    assert_eq!(berth.push('2', &berth.lab.image("v2"), &[]).code, 0);
    let data = config()["data"].clone();
    assert_eq!((data["DROPPED"].clone(), data["NEVER_IN_THE_MANIFEST"].clone()), (json!("soon"), Value::Null));
    assert_eq!(config()["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"], Value::Null);

    own.edit("web/core/config.yaml", "  DROPPED: soon\n", "");
    assert_eq!(berth.push('3', &berth.lab.image("v3"), &[]).code, 0);
    assert_eq!(config()["data"]["DROPPED"], Value::Null, "it is gone with the manifest's");
    let managers = berth.kubectl(&[
        "get",
        "configmap",
        "web-pr-306-config",
        "-n",
        "pr-306",
        "--show-managed-fields",
        "-o",
        "json",
    ]);
    assert!(!managers.contains("kubectl-client-side-apply"), "{managers}");
    assert_eq!(berth.preview("close", &[]).code, 0);
}

#[test]
fn applyset_has_exactly_the_manifests_objects_and_refuses_kubectl() {
    let own = OwnApps::start(307);
    let berth = &own.berth;
    own.write("web/core/account.yaml", "apiVersion: v1\nkind: ServiceAccount\nmetadata: { name: $KUBE_APP-account }\n");
    assert_eq!(berth.push('1', &berth.lab.image("v1"), &[]).code, 0);
    let parent = || berth.object("secret", "berth-applyset").unwrap();
    let kinds = || parent()["metadata"]["annotations"]["applyset.kubernetes.io/contains-group-kinds"].clone();
    assert_eq!(parent()["metadata"]["annotations"]["applyset.kubernetes.io/tooling"], "berth/v1");
    assert_eq!(kinds(), "ConfigMap,Deployment.apps,Ingress.networking.k8s.io,Service,ServiceAccount");
    let members = || {
        let selector = format!("applyset.kubernetes.io/part-of={}", berth.applyset());
        // All kinds of the sample and of berth itself, whether the set has them or not.
        let kinds = "configmap,deployment,ingress,service,serviceaccount,secret,resourcequota,limitrange,networkpolicy,\
                     rolebinding,replicaset,pod";
        let listed = berth.kubectl(&["get", kinds, "-n", "pr-307", "-l", &selector, "-o", "name"]);
        listed.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        members(),
        [
            "configmap/web-pr-307-config",
            "deployment.apps/web-pr-307",
            "ingress.networking.k8s.io/web-pr-307",
            "service/web-pr-307",
            "serviceaccount/web-pr-307-account",
        ]
    );

    let kubectl = Command::new(berth.lab.tool("kubectl"))
        .args(["apply", "--prune", "--applyset=berth-applyset", "-n", "pr-307", "-f"])
        .arg(own.apps().join("web/core/account.yaml"))
        .env("KUBECTL_APPLYSET", "true")
        .env("KUBECONFIG", berth.lab.kubeconfig())
        .output()
        .unwrap();
    let refusal = String::from_utf8_lossy(&kubectl.stderr);
    assert!(refusal.contains(r#"is managed by tooling "berth" instead of "kubectl""#), "{refusal}");

    own.remove("web/core/account.yaml");
    assert_eq!(berth.push('2', &berth.lab.image("v2"), &[]).code, 0);
    assert_eq!(members().len(), 4, "{:?}", members());
    assert_eq!(kinds(), "ConfigMap,Deployment.apps,Ingress.networking.k8s.io,Service");
    assert_eq!(berth.preview("close", &[]).code, 0);
}
