//! Previews on the lab's cluster, as people see them: with the built binary, `kubectl` and `temporal`.

use berth_test_support::{Berth, commit, until};
use serde_json::json;

use crate::BERTH;

/// Leaves the test out where nodes are fake: no image is pulled and no container runs there.
macro_rules! needs_real_pods {
    ($berth:expr) => {
        if !$berth.lab.real_pods() {
            eprintln!("left out: this machine has no real pods");
            return;
        }
    };
}

#[test]
fn preview_goes_live_has_its_objects_and_leaves_nothing() {
    let berth = Berth::start(BERTH, 101);
    let answer = berth.push('1', &berth.lab.image("v1"), &[]);
    assert_eq!((answer.code, answer.json["outcome"].as_str()), (0, Some("live")), "{answer:?}");
    assert_eq!(answer.json["url"], "http://pr-101.localhost");
    if berth.lab.real_pods() {
        assert!(berth.page().contains(commit('1').as_str()));
    }

    let namespace = berth.object("namespace", "pr-101").unwrap();
    let labels = &namespace["metadata"]["labels"];
    assert_eq!(labels["berth.dev/workflow"], "preview-web-101");
    assert_eq!(labels["pod-security.kubernetes.io/enforce"], "baseline");
    for (kind, name) in [
        ("resourcequota", "berth"),
        ("limitrange", "berth"),
        ("rolebinding", "berth"),
        ("networkpolicy", "berth"),
        ("secret", "berth-applyset"),
    ] {
        assert!(berth.object(kind, name).is_some(), "{kind} {name} should be there");
    }
    let members = berth.kubectl(&[
        "get",
        "deployment,service,ingress,configmap",
        "-n",
        "pr-101",
        "-o",
        "name",
        "-l",
        &format!("applyset.kubernetes.io/part-of={}", berth.applyset()),
    ]);
    assert_eq!(members.lines().count(), 4, "{members}");

    let closed = berth.preview("close", &[]);
    assert_eq!((closed.code, closed.data["gone"].clone()), (0, json!(["Namespace/pr-101"])), "{closed:?}");
    assert_eq!(berth.object("namespace", "pr-101"), None);
    assert_eq!(berth.preview("status", &[]).data["phase"], "Closed");
}

#[test]
fn newer_push_supersedes_the_rollout_in_flight() {
    let berth = Berth::start(BERTH, 102);
    needs_real_pods!(berth);
    let slow = berth.begin_push('1', &berth.lab.image("slow"), &[]);
    until("the slow one rolls out", || berth.status()["rolling_out"]["step"] == "awaiting_rollout");
    let quick = berth.push('2', &berth.lab.image("v2"), &[]);
    assert_eq!(quick.json["outcome"], "live", "{quick:?}");
    let slow = slow.wait();
    assert_eq!((slow.code, slow.json["outcome"].as_str()), (3, Some("superseded")), "{slow:?}");
    assert!(berth.page().contains(commit('2').as_str()));
}

#[test]
fn missing_image_is_reported_within_ten_seconds_and_the_old_one_serves() {
    let berth = Berth::start(BERTH, 103);
    needs_real_pods!(berth);
    assert_eq!(berth.push('1', &berth.lab.image("v1"), &[]).code, 0);
    let secrets = || berth.kubectl(&["get", "secrets", "-n", "pr-103", "-o", "name"]);
    let before = secrets();

    let started = std::time::Instant::now();
    let failed = berth.push('2', &berth.lab.missing_image(), &[]);
    assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
    assert_eq!((failed.code, failed.json["verdict"]["failure"].as_str()), (1, Some("ImageUnavailable")), "{failed:?}");
    let status = berth.status();
    assert_eq!(status["serving"]["commit"], commit('1').as_str());
    assert_eq!(status["failed"]["release"]["commit"], commit('2').as_str());
    assert!(berth.page().contains(commit('1').as_str()), "the old release still answers");
    let during = secrets();
    assert!(
        before.lines().all(|secret| during.contains(secret)),
        "nothing that serves was removed: {before}\n{during}"
    );

    assert_eq!(berth.push('3', &berth.lab.image("v3"), &[]).code, 0);
    assert!(berth.page().contains(commit('3').as_str()));
    assert_eq!(berth.status()["failed"], json!(null));
}

#[test]
fn crash_loop_is_reported_with_the_end_of_the_log() {
    let berth = Berth::start(BERTH, 104);
    needs_real_pods!(berth);
    let failed = berth.push('1', &berth.lab.image("crash"), &[]);
    assert_eq!((failed.code, failed.json["verdict"]["failure"].as_str()), (1, Some("CrashLoop")), "{failed:?}");
    let log = failed.json["verdict"]["log_tail"].to_string();
    assert!(log.contains("refusing to start"), "{log}");
}

#[test]
fn rollout_of_a_killed_worker_goes_on_with_the_next_one() {
    let mut berth = Berth::start(BERTH, 105);
    needs_real_pods!(berth);
    let push = berth.begin_push('1', &berth.lab.image("slow"), &[]);
    until("it waits for the pods", || berth.status()["rolling_out"]["step"] == "awaiting_rollout");
    berth.restart_worker(|_| {});
    let answer = push.wait();
    assert_eq!(answer.json["outcome"], "live", "{answer:?}");
    let generation = &berth.object("deployment", "web-pr-105").unwrap()["metadata"]["generation"];
    assert_eq!(*generation, 1, "it was applied once");
}

#[test]
fn foreign_namespace_is_left_alone() {
    let berth = Berth::start(BERTH, 106);
    berth.kubectl(&["create", "namespace", "pr-106"]);
    let before = berth.object("namespace", "pr-106").unwrap()["metadata"]["resourceVersion"].clone();
    let failed = berth.push('1', &berth.lab.image("v1"), &[]);
    assert_eq!((failed.code, failed.json["verdict"]["failure"].as_str()), (1, Some("KubernetesDenied")), "{failed:?}");
    assert!(failed.json["verdict"]["advice"].to_string().contains("kubectl label namespace pr-106"));
    assert_eq!(berth.preview("close", &[]).code, 0);
    let after = berth.object("namespace", "pr-106").unwrap();
    assert_eq!(after["metadata"]["resourceVersion"], before, "untouched by push and close");
    assert_eq!(berth.kubectl(&["get", "all,secrets", "-n", "pr-106", "-o", "name"]), "");
    berth.kubectl(&["delete", "namespace", "pr-106"]);
}

#[test]
fn temporal_cli_alone_drives_a_preview() {
    let berth = Berth::start(BERTH, 107);
    let id = "preview-web-107";
    let push = json!({"commit": commit('1'), "image": berth.lab.image("v1"), "author": "octocat"}).to_string();
    berth.temporal(&[
        "workflow",
        "signal-with-start",
        "--type",
        "PreviewEnvironment",
        "--workflow-id",
        id,
        "--task-queue",
        &berth.commands.task_queue,
        "--input",
        r#"{"app":"web","pr":107}"#,
        "--signal-name",
        "push",
        "--signal-input",
        &push,
    ]);
    until("live", || berth.temporal(&["workflow", "query", "--workflow-id", id, "--type", "status"]).contains("Live"));
    let found = || {
        berth.temporal(&[
            "workflow",
            "list",
            "--query",
            "WorkflowType = 'PreviewEnvironment' AND BerthPullRequest = 107 AND BerthPhase = 'Live' AND BerthAuthor = 'octocat'",
        ])
    };
    until("found by its search attributes", || found().contains(id));
    berth.temporal(&["workflow", "signal", "--workflow-id", id, "--name", "close"]);
    let result = berth.temporal(&["workflow", "result", "--workflow-id", id]);
    assert!(result.contains("Namespace/pr-107"), "{result}");
}

#[test]
fn redeploy_of_the_same_release_changes_no_object() {
    let berth = Berth::start(BERTH, 108);
    assert_eq!(berth.push('1', &berth.lab.image("v1"), &[]).code, 0);
    let versions = || {
        berth.kubectl(&[
            "get",
            "deployment,service,ingress,configmap,resourcequota,limitrange,networkpolicy,rolebinding",
            "-n",
            "pr-108",
            "-o",
            "custom-columns=K:.kind,N:.metadata.name,G:.metadata.generation,U:.metadata.uid",
        ])
    };
    let before = versions();
    berth.temporal(&["workflow", "signal", "--workflow-id", "preview-web-108", "--name", "redeploy"]);
    until("rolled out twice", || berth.status()["rollouts"].as_array().is_some_and(|all| all.len() == 2));
    assert_eq!(versions(), before);
    let history = berth.temporal(&["workflow", "result", "--workflow-id", "preview-web-108-rollout-2", "-o", "json"]);
    let result: serde_json::Value = serde_json::from_str(&history).unwrap();
    let plan = &result["result"]["plan"];
    assert_eq!(
        (plan["created"].clone(), plan["changed"].clone(), plan["unchanged"].clone()),
        (json!(null), json!(null), json!(4)),
        "{plan}"
    );
}

#[test]
fn secret_values_are_in_no_history_status_or_log() {
    let berth = Berth::start_with(BERTH, 109, |worker| {
        worker.env("BERTH_LOG", "debug");
    });
    assert_eq!(berth.push('1', &berth.lab.image("v1"), &[]).code, 0);
    let canary = berth.secret_value("GREETING");
    assert!(canary.len() >= 8, "the pods got it: {canary}");
    let mut seen = berth.status().to_string();
    for id in ["preview-web-109", "preview-web-109-rollout-1"] {
        seen += &berth.temporal(&["workflow", "show", "--workflow-id", id, "-o", "json"]);
    }
    seen += &berth.kubectl(&["get", "events", "-n", "pr-109", "-o", "json"]);
    seen += &berth.worker.log();
    assert!(seen.contains("apply_manifests") && !seen.contains(&canary));
}
