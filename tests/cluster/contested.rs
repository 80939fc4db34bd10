//! Environments that do not go away, and names, fields and objects that others claim, too.

mod own_apps;
mod rights;

use std::{
    process::Command,
    time::{Duration, Instant},
};

use berth_test_support::{Berth, until};
use own_apps::{OwnApps, apply_by_hand, hold, paste, priority_classes, push_with_short_teardown, remaining};
use rights::least_rights;
use serde_json::{Value, json};

use crate::BERTH;

const NOTHING: Value = Value::Null;

#[test]
fn blocked_teardown_names_each_object_with_a_command_that_frees_it() {
    let (berth, other) = (Berth::start(BERTH, 301), Berth::start(BERTH, 302));
    push_with_short_teardown(&berth, 301);
    assert_eq!(other.push('1', &other.lab.image("v1"), &[]).code, 0);
    hold(&berth, "pr-301");
    // A kind that berth does not know.
    apply_by_hand(&berth, "crd-301", &widgets());
    berth.kubectl(&["wait", "--for=condition=Established", "crd/widgets.contested.example.com"]);
    apply_by_hand(&berth, "widget-301", &widget("pr-301"));

    assert_eq!(berth.preview("close", &["--no-wait"]).code, 0);
    until("it is blocked", || berth.status()["phase"] == "TeardownBlocked");
    let status = berth.status();
    let held = remaining(&status, "ConfigMap/held").unwrap();
    assert_eq!(held["reason"], "waits for the finalizer example.com/hold");
    let patch = r#"'[{"op":"remove","path":"/metadata/finalizers"}]'"#;
    let command = format!("kubectl patch configmap/held -n pr-301 --type=json -p={patch}");
    assert_eq!(held["command"], command);
    let namespace = remaining(&status, "Namespace/pr-301").unwrap();
    assert!(namespace["reason"].to_string().contains("example.com/widget in 1 resource instances"), "{namespace}");
    let found = paste(&berth, namespace["command"].as_str().unwrap());
    assert!(String::from_utf8_lossy(&found.stdout).contains("example.com/widget"), "{found:?}");

    // Other environments do not wait for it.
    let closed = other.preview("close", &[]);
    assert_eq!((closed.code, closed.json["gone"].clone()), (0, json!(["Namespace/pr-302"])), "{closed:?}");
    assert_eq!(berth.status()["phase"], "TeardownBlocked");
    let finalizers = berth.object("configmap", "held").unwrap()["metadata"]["finalizers"].clone();
    assert_eq!(finalizers, json!(["example.com/hold"]), "berth strips none");

    assert!(paste(&berth, &command).status.success());
    let free = ["patch", "widgets.contested.example.com/held", "-n", "pr-301", "--type=json"];
    berth.kubectl(&[free.as_slice(), &["-p", patch.trim_matches('\'')]].concat());
    until("it ends by itself", || berth.status()["phase"] == "Closed");
    assert_eq!(berth.object("namespace", "pr-301"), None);
    berth.kubectl(&["delete", "crd", "widgets.contested.example.com"]);
}

#[test]
fn blocked_teardown_still_names_objects_after_its_rights_have_ended() {
    let mut own = OwnApps::start(314);
    push_with_short_teardown(&own.berth, 314);
    hold(&own.berth, "pr-314");
    let kubeconfig = least_rights(&own.berth, 314);
    own.restart_worker_as(&kubeconfig);
    let berth = &own.berth;
    assert_eq!(berth.preview("close", &["--no-wait"]).code, 0);
    until("it is blocked", || berth.status()["phase"] == "TeardownBlocked");
    let may = ["auth", "can-i", "list", "configmaps", "-n", "pr-314", "--as=contested-314"];
    let may =
        Command::new(berth.lab.tool("kubectl")).arg("--kubeconfig").arg(berth.lab.kubeconfig()).args(may).output();
    assert_eq!(String::from_utf8_lossy(&may.unwrap().stdout).trim(), "no", "its RoleBinding is gone");
    let named = |status: &Value| remaining(status, "ConfigMap/held").map(|held| held["command"].clone());
    let command = named(&berth.status()).unwrap();
    until("a later attempt names it, too", || {
        let history = berth.temporal(&["workflow", "show", "--workflow-id", "preview-web-314", "-o", "json"]);
        history.matches("EVENT_TYPE_ACTIVITY_TASK_COMPLETED").count() >= 4
    });
    assert_eq!(named(&berth.status()), Some(command.clone()));
    assert!(paste(berth, command.as_str().unwrap()).status.success());
    until("it ends by itself", || berth.status()["phase"] == "Closed");
    berth.kubectl(&["delete", "clusterrolebinding", "contested-314-cluster"]);
    berth.kubectl(&["delete", "clusterrole", "contested-314-cluster", "contested-314-inside"]);
}

fn widgets() -> Value {
    let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.contested.example.com"},
        "spec": {"group": "contested.example.com", "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": schema}]}})
}

fn widget(namespace: &str) -> Value {
    json!({"apiVersion": "contested.example.com/v1", "kind": "Widget",
        "metadata": {"name": "held", "namespace": namespace, "finalizers": ["example.com/widget"]}})
}

#[test]
fn namespace_with_only_some_of_the_labels_is_left_alone() {
    let berth = Berth::start(BERTH, 303);
    berth.kubectl(&["create", "namespace", "pr-303"]);
    for (workflow, installation, words, is_offered) in [
        ("preview-web-303", "another", "belongs to the installation another of berth", false),
        ("preview-web-999", "berth", "belongs to the workflow preview-web-999", false),
        ("preview-web-303", "", "has only some of berth's labels", true),
    ] {
        let workflow = format!("berth.dev/workflow={workflow}");
        let installation = match installation {
            "" => "berth.dev/installation-".to_owned(),
            other => format!("berth.dev/installation={other}"),
        };
        let labels = ["app.kubernetes.io/managed-by=berth", &workflow, &installation];
        berth.kubectl(&[["label", "namespace", "pr-303", "--overwrite"].as_slice(), &labels].concat());
        let version = || berth.object("namespace", "pr-303").unwrap()["metadata"]["resourceVersion"].clone();
        let before = version();
        let failed = berth.push('1', &berth.lab.image("v1"), &[]);
        let verdict = &failed.json["verdict"];
        assert_eq!(verdict["failure"], "KubernetesDenied", "{failed:?}");
        assert!(verdict["message"].to_string().contains(words), "{failed:?}");
        assert_eq!(verdict["advice"].to_string().contains("kubectl label namespace pr-303"), is_offered, "{failed:?}");
        assert_eq!(berth.preview("close", &[]).code, 0);
        assert_eq!(version(), before, "untouched by push and close: {words}");
    }
    assert_eq!(berth.kubectl(&["get", "all,secrets", "-n", "pr-303", "-o", "name"]), "");
    berth.kubectl(&["delete", "namespace", "pr-303"]);
}

#[test]
fn terminating_namespace_is_waited_for_and_status_says_so() {
    let berth = Berth::start(BERTH, 304);
    assert_eq!(berth.push('1', &berth.lab.image("v1"), &[]).code, 0);
    let uid = || berth.object("namespace", "pr-304").unwrap()["metadata"]["uid"].clone();
    let before = uid();
    hold(&berth, "pr-304");
    berth.kubectl(&["delete", "namespace", "pr-304", "--wait=false"]);
    let push = berth.begin_push('2', &berth.lab.image("v2"), &[]);
    let waiting_for = || berth.status()["rolling_out"]["waiting_for"].to_string();
    until("it waits", || waiting_for().contains("the old namespace pr-304 to be gone"));
    until("it says for what", || waiting_for().contains("example.com/hold"));
    berth.kubectl(&["patch", "configmap", "held", "-n", "pr-304", "-p", r#"{"metadata":{"finalizers":null}}"#]);
    let answer = push.wait();
    assert_eq!(answer.json["outcome"], "live", "{answer:?}");
    assert_ne!(uid(), before);
    assert_eq!(berth.preview("close", &[]).code, 0);
}

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
    assert_eq!((data["DROPPED"].clone(), data["NEVER_IN_THE_MANIFEST"].clone()), (json!("soon"), NOTHING));
    assert_eq!(config()["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"], NOTHING);

    own.edit("web/core/config.yaml", "  DROPPED: soon\n", "");
    assert_eq!(berth.push('3', &berth.lab.image("v3"), &[]).code, 0);
    assert_eq!(config()["data"]["DROPPED"], NOTHING, "it is gone with the manifest's");
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

#[test]
fn priority_class_of_a_failed_rollout_is_gone_after_the_close() {
    let own = OwnApps::start(308);
    own.add_priority_class();
    let berth = &own.berth;
    let push = berth.begin_push('1', &berth.lab.image("slow"), &[]);
    until("it is made", || priority_classes(berth, 308).len() == 1);
    let class = format!("PriorityClass/{}", priority_classes(berth, 308)[0]);
    let failed = berth.push('2', &berth.lab.missing_image(), &[]);
    assert_eq!(push.wait().json["outcome"], "superseded");
    if berth.lab.real_pods() {
        assert_eq!(failed.json["verdict"]["failure"], "ImageUnavailable", "{failed:?}");
    }
    let closed = berth.preview("close", &[]);
    let gone = closed.json["gone"].as_array().unwrap();
    assert!(gone.contains(&json!(class)) && gone.contains(&json!("Namespace/pr-308")), "{closed:?}");
    assert_eq!(gone.len(), 3, "the namespace, and a class of each rollout: {closed:?}");
    assert_eq!(priority_classes(berth, 308), [""; 0]);
}

#[test]
fn priority_class_goes_after_the_next_gates_or_with_the_close() {
    let own = OwnApps::start(309);
    own.add_priority_class();
    let berth = &own.berth;
    assert_eq!(berth.push('1', &berth.lab.image("v1"), &[]).code, 0);
    let first = priority_classes(berth, 309);
    assert_eq!(berth.push('2', &berth.lab.image("v2"), &[]).code, 0);
    let second = priority_classes(berth, 309);
    assert_eq!((first.len(), second.len()), (1, 1));
    assert_ne!(first, second);
    let closed = berth.preview("close", &[]);
    let expected = json!([format!("PriorityClass/{}", second[0]), "Namespace/pr-309"]);
    assert_eq!(closed.json["gone"], expected, "{closed:?}");
    assert_eq!(priority_classes(berth, 309), [""; 0]);
}

#[test]
fn close_removes_leftovers_of_a_terminated_workflow_without_its_app() {
    let mut own = OwnApps::start(310);
    own.add_priority_class();
    let push = own.berth.begin_push('1', &own.berth.lab.image("slow"), &[]);
    until("it is made", || priority_classes(&own.berth, 310).len() == 1);
    own.restart_worker();
    own.berth.temporal(&["workflow", "terminate", "--workflow-id", "preview-web-310", "--reason", "test"]);
    push.wait();
    until("its rollout has ended", || {
        let rollout = ["workflow", "describe", "--workflow-id", "preview-web-310-rollout-1", "-o", "json"];
        !own.berth.temporal(&rollout).contains("WORKFLOW_EXECUTION_STATUS_RUNNING")
    });
    own.edit("web.yaml", "namespace: pr-{pr}", "namespace: moved-{pr}");
    own.remove("web.yaml");
    let closed = own.berth.preview("close", &[]);
    assert_eq!(closed.code, 0, "{closed:?}");
    assert!(closed.json["gone"].as_array().unwrap().contains(&json!("Namespace/pr-310")), "{closed:?}");
    assert_eq!(own.berth.object("namespace", "pr-310"), None);
    assert_eq!(priority_classes(&own.berth, 310), [""; 0]);
}

#[test]
fn foreign_priority_class_of_the_same_name_is_refused_and_untouched() {
    let own = OwnApps::start(311);
    own.add_priority_class();
    own.edit("web/core/priority.yaml", "$KUBE_APP-$KUBE_DEPLOY_ID-priority", "$KUBE_APP-priority");
    own.edit("web/core/web.yaml", "$KUBE_APP-$KUBE_DEPLOY_ID-priority", "$KUBE_APP-priority");
    let berth = &own.berth;
    berth.kubectl(&["create", "priorityclass", "web-pr-311-priority", "--value=7"]);
    let theirs =
        || berth.object("priorityclass", "web-pr-311-priority").unwrap()["metadata"]["resourceVersion"].clone();
    let before = theirs();
    let refused = berth.push('1', &berth.lab.image("v1"), &[]);
    assert_eq!(refused.json["verdict"]["failure"], "PolicyDenied", "{refused:?}");
    assert!(
        refused.json["verdict"]["message"].to_string().contains("PriorityClass/web-pr-311-priority"),
        "{refused:?}"
    );
    assert_eq!(berth.preview("close", &[]).code, 0);
    assert_eq!(theirs(), before, "untouched by push and close");
    berth.kubectl(&["delete", "priorityclass", "web-pr-311-priority"]);
}

#[test]
fn edited_or_deleted_app_file_redirects_nothing_until_the_close() {
    let own = OwnApps::start(312);
    let berth = &own.berth;
    assert_eq!(berth.push('1', &berth.lab.image("v1"), &[]).json["url"], "http://pr-312.localhost");
    own.edit("web.yaml", "namespace: pr-{pr}", "namespace: moved-{pr}");
    own.edit("web.yaml", "host: pr-{pr}.localhost", "host: moved-{pr}.localhost");
    let again = berth.push('2', &berth.lab.image("v2"), &[]);
    assert_eq!(
        (again.json["outcome"].as_str(), again.json["url"].as_str()),
        (Some("live"), Some("http://pr-312.localhost"))
    );
    let moved = || berth.kubectl(&["get", "namespace", "moved-312", "--ignore-not-found", "-o", "name"]);
    assert_eq!(moved(), "");

    let text = std::fs::read_to_string(own.apps().join("web.yaml")).unwrap();
    own.remove("web.yaml");
    let closed = berth.preview("close", &[]);
    assert_eq!((closed.code, closed.json["gone"].clone()), (0, json!(["Namespace/pr-312"])), "{closed:?}");
    assert_eq!(berth.object("namespace", "pr-312"), None);

    own.write("web.yaml", &text);
    let next = berth.push('3', &berth.lab.image("v3"), &[]);
    assert_eq!(next.json["url"], "http://moved-312.localhost", "{next:?}");
    assert_eq!(berth.preview("close", &[]).json["gone"], json!(["Namespace/moved-312"]));
    assert_eq!(moved(), "");
}

#[test]
fn two_apps_that_clash_are_refused_by_the_worker_and_by_check() {
    let own = OwnApps::start(313);
    // A file need not be named after its app.
    let web = std::fs::read_to_string(own.apps().join("web.yaml")).unwrap();
    let other = web.replace("app: web\n", "app: other\n").replace("localhost", "other.localhost");
    own.write("second.yaml", &other.replace("web-production", "other-production"));
    let refused = own.berth.push('1', &own.berth.lab.image("v1"), &[]);
    let verdict = &refused.json["verdict"];
    assert_eq!((refused.code, verdict["failure"].as_str()), (1, Some("ManifestInvalid")), "{refused:?}");
    let message = verdict["message"].as_str().unwrap();
    assert!(message.contains("preview.namespace") && message.contains("`other` (second.yaml)"), "{message}");
    assert_eq!(own.berth.object("namespace", "pr-313"), None, "nothing was made");

    let check = Command::new(BERTH).arg("check").arg(own.apps()).output().unwrap();
    let found = String::from_utf8_lossy(&check.stdout).into_owned();
    assert_eq!(check.status.code(), Some(1), "{found}");
    assert!(
        found.contains("web.yaml") && found.contains("second.yaml") && found.contains("preview.namespace"),
        "{found}"
    );

    own.edit("second.yaml", "namespace: pr-{pr}", "namespace: other-pr-{pr}");
    let answer = own.berth.push('2', &own.berth.lab.image("v1"), &[]);
    assert_eq!(answer.json["outcome"], "live", "{answer:?}");
    assert_eq!(own.berth.preview("close", &[]).code, 0);
}

/// A measurement, with the same objects side by side: `cargo test --test cluster -- contested --ignored --nocapture`.
#[test]
#[ignore = "takes minutes"]
fn close_takes_at_most_two_seconds_more_than_kubectl_delete() {
    let (closed, deleted) = (Berth::start(BERTH, 398), Berth::start(BERTH, 399));
    let mut times: Vec<(Duration, Duration)> = Vec::new();
    for _ in 0..12 {
        for berth in [&closed, &deleted] {
            assert_eq!(berth.push('1', &berth.lab.image("v1"), &[]).code, 0);
        }
        let by_berth = || assert_eq!(closed.preview("close", &[]).code, 0);
        let by_hand = || drop(deleted.kubectl(&["delete", "namespace", "pr-399"]));
        times.push((timed(by_berth), timed(by_hand)));
        // Deleting the namespace by hand leaves its workflow.
        assert_eq!(deleted.preview("close", &[]).code, 0);
    }
    let median = |of: fn(&(Duration, Duration)) -> Duration| {
        let mut sorted: Vec<_> = times.iter().map(of).collect();
        sorted.sort();
        sorted[sorted.len() / 2]
    };
    let (berths, hands) = (median(|time| time.0), median(|time| time.1));
    eprintln!("berth {berths:?}, by hand {hands:?}, each: {times:?}");
    assert!(berths < hands + Duration::from_secs(2));
}

fn timed(work: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    work();
    begun.elapsed()
}
