//! Teardowns that the namespace itself, an API or a webhook blocks, and volumes that outlive them.

use std::time::{Duration, Instant};

use berth_lab::Lab;
use berth_test_support::{Berth, until};
use serde_json::{Value, json};

use super::own_apps::{apply_by_hand, paste, push_with_short_teardown, remaining};
use crate::BERTH;

/// Closes the preview, and returns its status once the teardown is blocked, with the time until then.
fn close_until_blocked(berth: &Berth) -> (Value, Duration) {
    let begun = Instant::now();
    assert_eq!(berth.preview("close", &["--no-wait"]).code, 0);
    until("it is blocked", || berth.status()["phase"] == "TeardownBlocked");
    (berth.status(), begun.elapsed())
}

/// Runs the command of an entry, after which the teardown ends by itself.
fn run_and_await_the_end(berth: &Berth, entry: &Value) {
    let ran = paste(&berth.lab, entry["command"].as_str().unwrap());
    assert!(ran.status.success(), "{entry} {ran:?}");
    until("it ends by itself", || berth.status()["phase"] == "Closed");
}

/// Prints the report as a person sees it: `cargo test --test cluster stuck_namespaces -- --nocapture`.
fn show(berth: &Berth, pr: &str) {
    let mut close = berth.commands.command();
    close.args(["preview", "close", "web", pr, "--timeout", "1s", "--task-queue", &berth.commands.task_queue]);
    let closed = close.output().unwrap();
    let text = String::from_utf8_lossy(&[closed.stdout, closed.stderr].concat()).into_owned();
    eprintln!("--- berth preview close web {pr}: {}\n{text}", closed.status);
}

#[test]
fn finalizer_of_the_namespace_is_named_with_a_command_that_removes_it() {
    let berth = Berth::start(BERTH, 321);
    push_with_short_teardown(&berth, 321);
    let add = r#"[{"op":"add","path":"/metadata/finalizers","value":["example.com/hold"]}]"#;
    berth.kubectl(&["patch", "namespace", "pr-321", "--type=json", "-p", add]);
    let (status, after) = close_until_blocked(&berth);
    show(&berth, "321");
    eprintln!("told after {after:?}");
    assert!(after < Duration::from_secs(60), "{after:?}: on a quiet machine it is 15 s");
    let entry = remaining(&status, "Namespace/pr-321").unwrap();
    assert!(entry["reason"].as_str().unwrap().contains("It has the finalizer example.com/hold."), "{entry}");
    assert!(entry["command"].as_str().unwrap().starts_with("kubectl patch namespace pr-321 --type=json"), "{entry}");
    assert_eq!(berth.object("namespace", "pr-321").unwrap()["metadata"]["finalizers"], json!(["example.com/hold"]));
    run_and_await_the_end(&berth, entry);
    assert_eq!(berth.object("namespace", "pr-321"), None);
}

#[test]
fn finalizer_of_the_namespaces_spec_is_named_with_its_own_command() {
    let berth = Berth::start(BERTH, 322);
    push_with_short_teardown(&berth, 322);
    let mut held = berth.object("namespace", "pr-322").unwrap();
    held["spec"]["finalizers"] = json!(["kubernetes", "example.com/hold"]);
    let add = format!("echo '{held}' | kubectl replace --raw /api/v1/namespaces/pr-322/finalize -f -");
    assert!(paste(&berth.lab, &add).status.success());
    let (status, _) = close_until_blocked(&berth);
    show(&berth, "322");
    let entry = remaining(&status, "Namespace/pr-322").unwrap();
    assert!(entry["reason"].as_str().unwrap().contains("example.com/hold"), "{entry}");
    run_and_await_the_end(&berth, entry);
    assert_eq!(berth.object("namespace", "pr-322"), None);
}

#[test]
fn webhook_that_refuses_deletes_is_found_by_the_command() {
    let berth = Berth::start(BERTH, 323);
    push_with_short_teardown(&berth, 323);
    // Nobody listens there.
    let webhook = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "keep-323"},
        "webhooks": [{"name": "keep-323.example.com", "clientConfig": {"url": "https://127.0.0.1:1/"},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["DELETE"], "resources": ["configmaps"]}],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "pr-323"}},
            "failurePolicy": "Fail", "sideEffects": "None", "admissionReviewVersions": ["v1"]}]});
    apply_by_hand(&berth, "webhook-323", &webhook);
    let (status, _) = close_until_blocked(&berth);
    show(&berth, "323");
    let entry = remaining(&status, "Namespace/pr-323").unwrap();
    assert!(entry["reason"].as_str().unwrap().contains("keep-323.example.com"), "{entry}");
    let found = paste(&berth.lab, entry["command"].as_str().unwrap());
    assert!(String::from_utf8_lossy(&found.stdout).contains("keep-323"), "{found:?}");
    berth.kubectl(&["delete", "validatingwebhookconfiguration", "keep-323"]);
    until("it ends by itself", || berth.status()["phase"] == "Closed");
}

#[test]
fn retained_volume_is_named_after_the_close() {
    let berth = Berth::start(BERTH, 324);
    assert_eq!(berth.push('1', &berth.lab.image("v1"), &[]).code, 0);
    for (name, policy) in [("retained-324", "Retain"), ("unbound-324", "Retain"), ("deleted-324", "Delete")] {
        let volume = json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
            "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": name,
                "persistentVolumeReclaimPolicy": policy, "hostPath": {"path": format!("/tmp/{name}")}}});
        apply_by_hand(&berth, name, &volume);
        if name.starts_with("unbound") {
            continue;
        }
        let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": name, "namespace": "pr-324"},
            "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": name,
                "resources": {"requests": {"storage": "1Gi"}}}});
        apply_by_hand(&berth, &format!("claim-{name}"), &claim);
        until("it is bound", || berth.object("pvc", name).unwrap()["status"]["phase"] == "Bound");
    }
    let closed = berth.preview("close", &[]);
    assert_eq!(closed.code, 0, "{closed:?}");
    let skipped = closed.data["skipped"].as_array().unwrap();
    let names: Vec<_> = skipped.iter().map(|entry| entry["object"].as_str().unwrap()).collect();
    assert_eq!(names, ["PersistentVolume/retained-324"], "{closed:?}");
    assert!(paste(&berth.lab, skipped[0]["command"].as_str().unwrap()).status.success());
    berth.kubectl(&["delete", "persistentvolume", "unbound-324", "deleted-324", "--ignore-not-found"]);
}

#[test]
fn api_without_a_server_is_named_with_its_command() {
    // On the shared lab no namespace of another test could be deleted.
    let lab = Lab::with_fake_nodes("stuck", 1).unwrap();
    let berth = Berth::on(lab, BERTH, ("web", 325), |_| {});
    push_with_short_teardown(&berth, 325);
    let api = json!({"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
        "metadata": {"name": "v1beta1.dead.example.com"},
        "spec": {"group": "dead.example.com", "version": "v1beta1", "groupPriorityMinimum": 100, "versionPriority": 15,
            "insecureSkipTLSVerify": true, "service": {"name": "nobody", "namespace": "default"}}});
    apply_by_hand(&berth, "api-325", &api);
    let (status, after) = close_until_blocked(&berth);
    show(&berth, "325");
    eprintln!("told after {after:?}");
    let entry = remaining(&status, "APIService/v1beta1.dead.example.com").unwrap();
    assert!(remaining(&status, "Namespace/pr-325").unwrap()["reason"].to_string().contains("dead.example.com"));
    run_and_await_the_end(&berth, entry);
    assert_eq!(berth.object("namespace", "pr-325"), None);
}
