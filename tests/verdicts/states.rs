//! States that never end by themselves, and releases that berth helps to go live.

use std::time::Instant;

use berth_lab::Lab;
use berth_test_support::{commit, until};
use serde_json::{Value, json};

use crate::{
    SOON, app as named,
    app::{crashing_container, web_container},
    case::{Case, row},
};

/// A deadline that a test can wait for.
const SHORT: u64 = 6;

fn short() -> Value {
    json!({ "rollout_seconds": SHORT })
}

pub(crate) fn an_init_container_that_waits_for_ever_is_named(lab: &Lab) {
    let mut waits = web_container();
    waits["name"] = json!("wait-for-nothing");
    waits.as_object_mut().unwrap().retain(|field, _| !matches!(field.as_str(), "ports" | "readinessProbe"));
    let case = Case::start(lab, 240, named("init-waits", lab)).with_timings(&short()).serving();
    let case = case.then(|app| app.pod("/initContainers", json!([waits])));
    let reported = case.fails("NotReady", "init container never ends, deadline 6 s", SHORT + 4);
    reported.names(&["init container wait-for-nothing", "runs and has not ended", "exited with code 0"]);
    reported.of_container("wait-for-nothing", "listens on");
}

pub(crate) fn a_paused_deployment_is_told_at_once(lab: &Lab) {
    let case = Case::start(lab, 241, named("paused", lab)).serving();
    let change = json!({ "name": "CHANGED", "value": "1" });
    let case = case.then(|app| app.deployment("/spec/paused", json!(true)).container("/env/1", change));
    case.fails("NotReady", "paused Deployment", SOON).names(&["Deployment/paused-pr-241", "its rollout is paused"]);
}

pub(crate) fn a_readiness_gate_that_nobody_sets_is_named(lab: &Lab) {
    let case = Case::start(lab, 242, named("gated", lab)).with_timings(&short()).serving();
    let gates = json!([{ "conditionType": "example.com/in-the-load-balancer" }]);
    let case = case.then(|app| app.pod("/readinessGates", gates));
    let reported = case.fails("NotReady", "readiness gate that nobody sets, deadline 6 s", SHORT + 4);
    reported.names(&["its readiness gate example.com/in-the-load-balancer", "nothing has set it"]);
}

pub(crate) fn a_priority_class_that_does_not_exist_is_named(lab: &Lab) {
    let case = Case::start(lab, 243, named("priority", lab)).serving();
    let case = case.then(|app| app.pod("/priorityClassName", json!("absent")));
    let reported = case.fails("ConfigMissing", "PriorityClass that is not there", SOON);
    reported.names(&["no PriorityClass with name absent", "Correct the class's name"]);
}

pub(crate) fn a_runtime_class_that_does_not_exist_is_named(lab: &Lab) {
    let case = Case::start(lab, 244, named("runtime", lab)).serving();
    let case = case.then(|app| app.pod("/runtimeClassName", json!("absent")));
    let reported = case.fails("ConfigMissing", "RuntimeClass that is not there", SOON);
    reported.names(&["RuntimeClass \"absent\" not found", "Correct the class's name"]);
}

fn job(container: &Value, fields: &Value) -> Value {
    let mut job = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": "$KUBE_APP-migrate-$KUBE_DEPLOY_ID" },
        "spec": { "template": { "spec": { "restartPolicy": "Never", "containers": [container] } } },
    });
    job["spec"].as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    job
}

pub(crate) fn a_suspended_job_is_told_at_once(lab: &Lab) {
    let case = Case::start(lab, 245, named("suspended", lab)).serving();
    let migrate = job(&crashing_container("migrate"), &json!({ "suspend": true }));
    let case = case.then(|app| app.manifest("core/migrate", migrate));
    let reported = case.fails_as_it_serves("NotReady", "suspended Job", SOON);
    reported.names(&["Job/suspended-pr-245-migrate-", "it is suspended"]);
}

pub(crate) fn a_job_that_still_tries_is_blamed_at_the_deadline(lab: &Lab) {
    let case = Case::start(lab, 246, named("tries", lab)).with_timings(&short()).serving();
    let migrate = job(&crashing_container("migrate"), &json!({}));
    let case = case.then(|app| app.manifest("core/migrate", migrate));
    let how = "Job with the default backoffLimit, deadline 6 s";
    let reported = case.fails_as_it_serves("JobFailed", how, SHORT + 4);
    reported.names(&["Job/tries-pr-246-migrate-", "the last exited with code 1", "its backoffLimit is 6"]);
    reported.exits_with(1).of_container("migrate", "refusing to start");
}

/// A push breaks the pod of a `StatefulSet`, and its controller waits for it for ever.
pub(crate) fn a_broken_pod_of_a_stateful_set_is_replaced_by_the_next_push(lab: &Lab) {
    let set = |container: &Value| {
        let selector = json!({ "app": "$KUBE_APP-db" });
        let pod = json!({ "terminationGracePeriodSeconds": 1, "containers": [container] });
        json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": { "name": "$KUBE_APP-db" },
            "spec": {
                "serviceName": "$KUBE_APP-db", "selector": { "matchLabels": selector },
                "template": { "metadata": { "labels": selector }, "spec": pod },
            },
        })
    };
    let (good, mut bad) = (web_container(), web_container());
    bad["command"] = json!(["/nope"]);
    let app = named("healed", lab).manifest("core/db", set(&good));
    let case = Case::start(lab, 247, app).serving().then(|app| app.manifest("core/db", set(&bad)));
    case.fails_as_serving("CrashLoop", "command that is not there, in a StatefulSet", SOON)
        .names(&["StatefulSet/healed-pr-247-db", "/nope"]);
    let case = case.then(|app| app.manifest("core/db", set(&good)));
    let started = Instant::now();
    let answer = case.berth.push('3', &lab.image("v1"), &[]);
    let elapsed = started.elapsed();
    assert_eq!((answer.code, answer.json["outcome"].as_str()), (0, Some("live")), "{answer:?}");
    let notes = case.berth.status()["notes"].to_string();
    assert!(notes.contains("pod healed-pr-247-db-0 of an earlier revision was replaced"), "{notes}");
    row("(live)", "good push after a StatefulSet's pod was broken", elapsed, &notes);
    assert!(elapsed < case.bound(2 * SOON), "{elapsed:?}");
}

pub(crate) fn a_release_that_is_ready_after_its_verdict_serves_in_the_status(lab: &Lab) {
    let case = Case::start(lab, 248, named("late", lab)).with_timings(&short()).serving();
    let slow = json!({ "name": "READY_AFTER_SECONDS", "value": "12" });
    let case = case.then(|app| app.container("/env/1", slow));
    case.fails_as_serving("NotReady", "ready 12 s after its start, deadline 6 s", SHORT + 4);
    let failed = Instant::now();
    until("status says that it serves", || case.berth.status()["serving"]["commit"] == commit('2').as_str());
    let status = case.berth.status();
    assert_eq!(
        (&status["phase"], status["failed"]["verdict"]["failure"].as_str()),
        (&json!("Failed"), Some("NotReady"))
    );
    row("(serves)", "status after that, without a push", failed.elapsed(), &status["notes"].to_string());
}

pub(crate) fn a_secret_that_an_operator_makes_in_time_is_waited_for(lab: &Lab) {
    let app = named("operator", lab).file("/wait_for_missing", json!("1m"));
    let case = Case::start(lab, 249, app).serving();
    let key = json!({ "name": "KEY", "valueFrom": { "secretKeyRef": { "name": "made-elsewhere", "key": "key" } } });
    let case = case.then(|app| app.container("/env/1", key));
    let started = Instant::now();
    let push = case.berth.begin_push('2', &lab.image("v1"), &[]);
    until("the operator has taken longer than the default", || started.elapsed().as_secs() > 15);
    let namespace = case.namespace();
    case.berth.kubectl(&["create", "secret", "generic", "made-elsewhere", "--from-literal=key=1", "-n", &namespace]);
    let answer = push.wait();
    assert_eq!((answer.code, answer.json["outcome"].as_str()), (0, Some("live")), "{answer:?}");
    row("(live)", "Secret that is made after 15 s, wait_for_missing 1m", started.elapsed(), "");
}
