//! An installation from `manifests/worker`: the rights there are enough for the worker, and allow nothing else.

mod ground;
mod installed;

use std::collections::{BTreeMap, BTreeSet};

use berth_lab::Lab;
use berth_manifests::render::{KINDS, cluster_kinds};
use berth_test_support::{Berth, until};
use ground::{By, Ground, berths, binding, namespace, priority_class, secret};
use installed::Installation;
use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule};
use serde_json::{Value, json};

use crate::BERTH;

#[test]
fn environment_role_covers_the_kinds_of_manifests_and_reads() {
    let all = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
    let look = ["get", "list", "watch"];
    let mut expected: BTreeMap<String, BTreeSet<String>> = KINDS
        .iter()
        .filter(|kind| kind.namespaced)
        .map(|kind| (format!("{}/{}", kind.group, kind.plural), all.map(str::to_owned).into()))
        .collect();
    expected.extend([
        ("/events".to_owned(), look.map(str::to_owned).into()),
        ("/pods".to_owned(), ["delete", "get", "list", "watch"].map(str::to_owned).into()),
        ("/pods/log".to_owned(), ["get".to_owned()].into()),
        ("/pods/portforward".to_owned(), ["create", "get"].map(str::to_owned).into()),
        ("apps/replicasets".to_owned(), ["delete", "get", "list", "watch"].map(str::to_owned).into()),
        ("discovery.k8s.io/endpointslices".to_owned(), look.map(str::to_owned).into()),
    ]);
    assert_eq!(rights("environment-role.yaml"), expected);
}

#[test]
fn cluster_role_covers_only_the_cluster_scoped_kinds_of_apps() {
    let rights = rights("cluster-role.yaml");
    let cluster_scoped =
        KINDS.iter().filter(|kind| !kind.namespaced).map(|kind| format!("{}/{}", kind.group, kind.plural));
    let own = [
        "/namespaces",
        "/persistentvolumes",
        "rbac.authorization.k8s.io/clusterroles",
        "rbac.authorization.k8s.io/rolebindings",
    ];
    let expected: BTreeSet<String> = own.map(str::to_owned).into_iter().chain(cluster_scoped).collect();
    assert_eq!(rights.into_keys().collect::<BTreeSet<_>>(), expected);
    assert_eq!(cluster_kinds().count(), expected.len() - own.len());
}

/// The verbs by `group/resource`, in the first document of a file.
fn rights(file: &str) -> BTreeMap<String, BTreeSet<String>> {
    let path = format!("{}/manifests/worker/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let role: ClusterRole = serde_saphyr::from_str(text.split("\n---\n").next().unwrap()).unwrap();
    let mut rights = BTreeMap::new();
    for PolicyRule { api_groups, resources, verbs, .. } in role.rules.unwrap() {
        for group in api_groups.unwrap() {
            for resource in resources.iter().flatten() {
                let verbs = verbs.iter().cloned().collect();
                let before = rights.insert(format!("{group}/{resource}"), verbs);
                assert_eq!(before, None, "{resource} is there twice");
            }
        }
    }
    rights
}

#[test]
fn preview_lives_and_ends_with_the_installed_rights() {
    let installation = Installation::on_the_lab();
    let claim = ["secret", "berth-installation-berth", "-n", "berth-system"];
    Lab::shared().unwrap().kubectl(&[&["delete", "--ignore-not-found"], &claim[..]].concat()).unwrap();
    let berth = Berth::start_with(BERTH, 401, |worker| {
        worker.env("KUBECONFIG", installation.account());
    });
    until("it works", || berth.worker.is_ready());
    assert!(!berth.worker.log().contains("Kubernetes refuses the Secret"), "{}", berth.worker.log());
    berth.kubectl(&[&["get"], &claim[..]].concat());
    for (digit, version) in [('1', "v1"), ('2', "v2")] {
        let live = berth.push(digit, &berth.lab.image(version), &[]);
        assert_eq!((live.code, live.json["outcome"].as_str()), (0, Some("live")), "{live:?}");
    }
    if berth.lab.real_pods() {
        let failed = berth.push('3', &berth.lab.missing_image(), &[]);
        let verdict = &failed.json["verdict"];
        assert_eq!((failed.code, verdict["failure"].as_str()), (1, Some("ImageUnavailable")), "{failed:?}");
        let crashed = berth.push('4', &berth.lab.image("crash"), &[]);
        let verdict = &crashed.json["verdict"];
        assert_eq!((crashed.code, verdict["failure"].as_str()), (1, Some("CrashLoop")), "{crashed:?}");
        assert!(verdict["log_tail"].to_string().contains("refusing to start"), "its log is read: {crashed:?}");
    }
    let closed = berth.preview("close", &[]);
    assert_eq!((closed.code, closed.data["gone"].clone()), (0, json!(["Namespace/pr-401"])), "{closed:?}");
    assert_eq!(installation.writes_never_allowed("pr-401"), BTreeSet::new(), "what the worker tried in vain");
}

#[test]
fn worker_account_may_change_berths_objects_and_nothing_else() {
    let berth = Installation::on_the_lab();
    let ground = Ground::prepare(&berth);
    what_is_berths(&ground);
    namespaces_that_are_not_berths(&ground);
    objects_in_namespaces_that_are_not_berths(&ground);
    rights_beyond_its_own(&ground);
    cluster_scoped_objects_that_are_not_berths(&ground);
    its_own_namespace_but_for_its_caches(&ground);
    what_is_handed_over(&ground);
    ground.clear();
}

fn what_is_berths(ground: &Ground<'_>) {
    let own = ground.own.as_str();
    let create = ["create", "-f", "-"];
    ground.allowed(&create, Some(&namespace(own, berths())));
    ground.allowed(&create, Some(&binding("berth", own, "berth-environment", "berth")));
    ground.allowed(&["label", "namespace", own, "berth.dev/app=web"], None);
    until_the_role_is_in_force(ground);
    ground.allowed(&create, Some(&secret("mine", own, json!({}))));
    ground.allowed(&["delete", "secret", "mine", "-n", own], None);

    ground.allowed(&create, Some(&priority_class(own, berths())));
    ground.allowed(&["patch", "priorityclass", own, "-p", r#"{"description":"changed"}"#], None);
    ground.allowed(&["delete", "priorityclass", own], None);

    ground.allowed(&create, Some(&secret("berth-402-cache", "berth-system", berths())));
    let change = r#"{"stringData":{"a":"2"}}"#;
    ground.allowed(&["patch", "secret", "berth-402-cache", "-n", "berth-system", "-p", change], None);
    ground.allowed(&["delete", "secret", "berth-402-cache", "-n", "berth-system"], None);
    ground.allowed(&["get", "secret", "doppler-web-preview-token", "-n", "berth-system"], None);
    ground.allowed(&["auth", "can-i", "create", "namespaces"], None);
}

/// Waits for the binding, which reaches the authorizer's cache a moment later.
fn until_the_role_is_in_force(ground: &Ground<'_>) {
    let reads = || ground.berth.as_worker(&["get", "configmaps", "-n", &ground.own], None).is_ok();
    until("the binding gives rights", reads);
}

/// A foreign namespace is berth's once a person labels it, as the worker's refusal advises. Production's has no Pod
/// Security level: there the worker may record names as annotations, and change no label.
fn what_is_handed_over(ground: &Ground<'_>) {
    let foreign = ground.foreign.as_str();
    let take =
        ["label", "namespace", foreign, "berth.dev/installation=berth", "pod-security.kubernetes.io/enforce=baseline"];
    ground.refused(By::Policy, &take, None);
    ground.berth.kubectl(&["label", "namespace", foreign, "app.kubernetes.io/managed-by=berth"]);
    ground.allowed(&["annotate", "namespace", foreign, "berth.dev/host=www.example.com"], None);
    ground.refused(By::Policy, &["label", "namespace", foreign, "berth.dev/app=web"], None);
    level_of_production(ground);
    ground.allowed(&take, None);
}

/// Production's level is set to one of two, and back to what it was. The record of it cannot be forged.
fn level_of_production(ground: &Ground<'_>) {
    let patch = |level: Value, before: Value, label: Value| {
        json!({"metadata": {
            "labels": {"pod-security.kubernetes.io/enforce": level, "team": label},
            "annotations": {"berth.dev/pod-security-before": before},
        }})
        .to_string()
    };
    let none = Value::Null;
    let text = |text: &str| json!(text);
    let command = ["patch", "namespace", ground.foreign.as_str(), "--type=merge", "-p"];
    let refused = |patch: String| ground.refused(By::Policy, &[&command[..], &[&patch]].concat(), None);
    let allowed = |patch: String| ground.allowed(&[&command[..], &[&patch]].concat(), None);
    refused(patch(none.clone(), text("privileged"), none.clone()));
    refused(patch(text("baseline"), text("privileged"), none.clone()));
    refused(patch(text("privileged"), text(""), none.clone()));
    allowed(patch(text("baseline"), text(""), none.clone()));
    allowed(patch(text("restricted"), text(""), none.clone()));
    refused(patch(text("restricted"), text("baseline"), none.clone()));
    refused(patch(text("restricted"), none.clone(), none.clone()));
    refused(patch(text("privileged"), none.clone(), none.clone()));
    refused(patch(none.clone(), none.clone(), text("another")));
    refused(patch(none.clone(), text(""), none.clone()));
    allowed(patch(none.clone(), none.clone(), none));
}

fn namespaces_that_are_not_berths(ground: &Ground<'_>) {
    let (own, foreign) = (ground.own.as_str(), ground.foreign.as_str());
    let mut others = berths();
    others["berth.dev/installation"] = json!("another");
    let mut privileged = berths();
    privileged["pod-security.kubernetes.io/enforce"] = json!("privileged");
    let unguarded = json!({"app.kubernetes.io/managed-by": "berth"});
    for labels in [json!({}), others, privileged, unguarded] {
        ground.refused(By::Policy, &["create", "-f", "-"], Some(&namespace("berth-402-new", labels)));
    }
    let make_berths = ["app.kubernetes.io/managed-by=berth", "pod-security.kubernetes.io/enforce=baseline"];
    for name in ["default", foreign, "berth-system", "kube-system"] {
        ground.refused(By::Policy, &[&["label", "namespace", name, "--overwrite"], &make_berths[..]].concat(), None);
        ground.refused(By::Policy, &["annotate", "namespace", name, "a=b"], None);
    }
    ground.refused(By::Policy, &["delete", "namespace", foreign], None);
    for change in [
        "app.kubernetes.io/managed-by-",
        "app.kubernetes.io/managed-by=helm",
        "berth.dev/installation=another",
        "pod-security.kubernetes.io/enforce=privileged",
        "pod-security.kubernetes.io/enforce-",
    ] {
        ground.refused(By::Policy, &["label", "namespace", own, "--overwrite", change], None);
    }
}

fn objects_in_namespaces_that_are_not_berths(ground: &Ground<'_>) {
    let foreign = ground.foreign.as_str();
    let create = ["create", "-f", "-"];
    // The roles allow it there by mistake, and the policy does not.
    ground.refused(By::Policy, &create, Some(&secret("x", foreign, berths())));
    ground.refused(By::Roles, &create, Some(&secret("x", "default", berths())));
    for namespace in ["default", foreign, "kube-system"] {
        let object = binding("berth-402", namespace, "berth-environment", "berth");
        ground.refused(By::Policy, &create, Some(&object));
    }
    for (kind, namespace) in [("secrets", "kube-system"), ("secrets", "default"), ("pods", "default")] {
        ground.may_not_read(&["get", kind, "-n", namespace]);
    }
    ground.may_not_read(&["get", "secrets", "--all-namespaces"]);
}

fn rights_beyond_its_own(ground: &Ground<'_>) {
    let own = ground.own.as_str();
    let create = ["create", "-f", "-"];
    ground.refused(By::Roles, &create, Some(&binding("x", own, "cluster-admin", "berth")));
    ground.refused(By::Policy, &create, Some(&binding("x", own, "berth-environment", "default")));
    let mut everywhere = binding("x", "", "cluster-admin", "berth");
    everywhere["kind"] = json!("ClusterRoleBinding");
    ground.refused(By::Roles, &create, Some(&everywhere));
    let rules = json!([{"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create"]}]);
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": {"name": "x", "namespace": own}, "rules": rules});
    ground.refused(By::Roles, &create, Some(&role));
    ground.refused(By::Roles, &["delete", "clusterrole", "berth-environment"], None);
    ground.refused(By::Roles, &["delete", "validatingadmissionpolicy", "berth-worker"], None);
    ground.refused(By::Roles, &["delete", "validatingadmissionpolicybinding", "berth-worker"], None);
}

fn cluster_scoped_objects_that_are_not_berths(ground: &Ground<'_>) {
    let foreign = ground.foreign.as_str();
    ground.refused(By::Policy, &["create", "-f", "-"], Some(&priority_class("berth-402-new", json!({}))));
    ground.refused(By::Policy, &["label", "priorityclass", foreign, "app.kubernetes.io/managed-by=berth"], None);
    ground.refused(By::Policy, &["patch", "priorityclass", foreign, "-p", r#"{"description":"x"}"#], None);
    ground.refused(By::Policy, &["delete", "priorityclass", foreign], None);
    ground.may_not_read(&["get", "nodes"]);
    ground.may_not_read(&["get", "storageclasses"]);
    ground.refused(By::Roles, &["delete", "persistentvolume", "berth-402"], None);
}

fn its_own_namespace_but_for_its_caches(ground: &Ground<'_>) {
    let token = ["secret", "doppler-web-preview-token", "-n", "berth-system"];
    let change = ["-p", r#"{"stringData":{"serviceToken":"dp.st.x"}}"#];
    ground.refused(By::Policy, &[&["patch"], &token[..], &change[..]].concat(), None);
    ground.refused(By::Policy, &[&["label"], &token[..], &["app.kubernetes.io/managed-by=berth"]].concat(), None);
    ground.refused(By::Policy, &[&["delete"], &token[..]].concat(), None);
    ground.refused(By::Policy, &["create", "-f", "-"], Some(&secret("x", "berth-system", json!({}))));
    let mut lasting = secret("x", "berth-system", berths());
    lasting["type"] = json!("kubernetes.io/service-account-token");
    lasting["metadata"]["annotations"] = json!({"kubernetes.io/service-account.name": "berth"});
    ground.refused(By::Policy, &["create", "-f", "-"], Some(&lasting));
    // Read by the worker's pods, and a token that nobody has created yet.
    for name in ["berth", "doppler-shop-preview-token"] {
        ground.refused(By::Policy, &["create", "-f", "-"], Some(&secret(name, "berth-system", berths())));
    }
    no_rights_in_its_own_namespace(ground);
    ground.may_not_read(&["get", "secrets", "-n", "berth-system"]);
    ground.refused(By::Roles, &["delete", "deployment", "berth", "-n", "berth-system"], None);
    ground.refused(By::Policy, &["delete", "namespace", "berth-system"], None);
    ground.allowed(&["delete", "namespace", &ground.own, "--wait=false"], None);
}

/// Every role that the account holds or may bind would open berth's own namespace: to itself or to others.
fn no_rights_in_its_own_namespace(ground: &Ground<'_>) {
    for (name, role, kind, account) in [
        ("berth-402", "berth-environment", "ClusterRole", "berth"),
        ("berth-402", "berth-environment", "ClusterRole", "default"),
        ("berth-402", "berth", "Role", "default"),
        ("berth-402", "berth-worker", "ClusterRole", "berth"),
    ] {
        let mut object = binding(name, "berth-system", role, account);
        object["roleRef"]["kind"] = json!(kind);
        object["metadata"]["labels"] = berths();
        ground.refused(By::Policy, &["create", "-f", "-"], Some(&object));
        ground.refused(By::Policy, &["apply", "--server-side", "-f", "-"], Some(&object));
    }
    // The binding of the installation, which the account may patch by its roles.
    let patch = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
    let mut installed = binding("berth", "berth-system", "berth", "default");
    installed["roleRef"]["kind"] = json!("Role");
    ground.refused(By::Policy, &patch, Some(&installed));
    for kind in ["pods", "deployments", "configmaps", "serviceaccounts"] {
        ground.may_not_read(&["get", kind, "-n", "berth-system"]);
    }
    ground.may_not_read(&["create", "token", "berth", "-n", "berth-system"]);
    ground.refused(By::Roles, &["run", "x", "--image=x", "-n", "berth-system"], None);
}
