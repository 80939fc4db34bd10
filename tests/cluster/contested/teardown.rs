//! Teardowns that something blocks, and environments that a close finds without their workflow or app.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use berth_test_support::{Berth, until};
use serde_json::{Value, json};

use super::{
    own_apps::{OwnApps, apply_by_hand, hold, paste, priority_classes, push_with_short_teardown, remaining},
    rights::least_rights,
};
use crate::BERTH;

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
    let found = paste(&berth.lab, namespace["command"].as_str().unwrap());
    assert!(String::from_utf8_lossy(&found.stdout).contains("example.com/widget"), "{found:?}");

    // Other environments do not wait for it.
    let closed = other.preview("close", &[]);
    assert_eq!((closed.code, closed.data["gone"].clone()), (0, json!(["Namespace/pr-302"])), "{closed:?}");
    assert_eq!(berth.status()["phase"], "TeardownBlocked");
    let finalizers = berth.object("configmap", "held").unwrap()["metadata"]["finalizers"].clone();
    assert_eq!(finalizers, json!(["example.com/hold"]), "berth strips none");

    assert!(paste(&berth.lab, &command).status.success());
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
    assert!(paste(&berth.lab, command.as_str().unwrap()).status.success());
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
    for (workflow, installation, message, is_offered) in [
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
        assert!(verdict["message"].to_string().contains(message), "{failed:?}");
        assert_eq!(verdict["advice"].to_string().contains("kubectl label namespace pr-303"), is_offered, "{failed:?}");
        assert_eq!(berth.preview("close", &[]).code, 0);
        assert_eq!(version(), before, "untouched by push and close: {message}");
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
    assert!(closed.data["gone"].as_array().unwrap().contains(&json!("Namespace/pr-310")), "{closed:?}");
    assert_eq!(own.berth.object("namespace", "pr-310"), None);
    assert_eq!(priority_classes(&own.berth, 310), [""; 0]);
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
