//! Every way in which a release fails, on real pods: the verdict, and the time until it is there.
//!
//! Each test takes an app that would go live, breaks one thing, and pushes. Nearly all of the time is the kubelet's own
//! back-off, so more tests run at once than there are processors: this harness chooses the number itself.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

mod app;
mod case;
mod images;
mod record;
mod refused;
mod states;

use std::{
    io::Write as _,
    process::ExitCode,
    time::{Duration, Instant},
};

use app::{App, crashing_container};
use berth_lab::Lab;
use berth_test_support::until;
use case::{Case, table};
use libtest_mimic::{Arguments, Trial};
use serde_json::json;

/// The binary under test.
const BERTH: &str = env!("CARGO_BIN_EXE_berth");

/// The bound in seconds for a permanent cause in a warm environment.
const SOON: u64 = 10;

/// The time for an object that somebody else may make, in seconds.
const MISSING: u64 = 10;

/// The bound for three restarts: the kubelet waits 10 s before the second and 20 s before the third.
const CRASHES: u64 = 75;

macro_rules! trials {
    ($($test:path),* $(,)?) => {
        vec![$(Trial::test(stringify!($test).rsplit("::").next().unwrap(), || {
            let lab = Lab::shared()?;
            if lab.real_pods() {
                $test(&lab);
            } else {
                eprintln!("left out: this machine has no real pods");
            }
            Ok(())
        })),*]
    };
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(8);
    let mut trials = trials![
        // The slowest first: the others run beside them.
        a_container_that_ends_again_and_again_is_a_crash_loop,
        one_that_no_probe_speaks_for_is_a_crash_loop_all_the_same,
        a_container_that_eats_its_memory_is_out_of_memory,
        an_init_container_that_fails_is_named,
        a_container_that_its_liveness_probe_kills_is_a_crash_loop,
        a_program_for_another_machine_is_reported_as_such,
        a_startup_probe_that_never_passes_is_not_ready_at_the_deadline,
        a_readiness_probe_that_never_passes_is_not_ready_at_the_deadline,
        states::a_release_that_is_ready_after_its_verdict_serves_in_the_status,
        states::a_secret_that_an_operator_makes_in_time_is_waited_for,
        states::a_broken_pod_of_a_stateful_set_is_replaced_by_the_next_push,
        states::an_init_container_that_waits_for_ever_is_named,
        states::a_paused_deployment_is_told_at_once,
        states::a_readiness_gate_that_nobody_sets_is_named,
        states::a_priority_class_that_does_not_exist_is_named,
        states::a_runtime_class_that_does_not_exist_is_named,
        states::a_suspended_job_is_told_at_once,
        states::a_job_that_still_tries_is_blamed_at_the_deadline,
        images::an_image_that_does_not_exist_is_unavailable,
        images::an_image_that_the_registry_denies_is_unavailable,
        images::an_image_with_a_wrong_name_is_unavailable,
        images::an_image_that_may_not_be_pulled_is_unavailable,
        a_command_that_does_not_exist_is_a_crash_loop,
        a_secret_that_does_not_exist_is_named,
        a_key_that_does_not_exist_is_named,
        a_volume_of_a_secret_that_does_not_exist_is_named,
        a_quota_that_is_used_up_is_named,
        a_quota_that_was_raised_is_tried_again_at_once,
        a_pod_below_the_security_level_is_refused,
        a_root_user_where_none_may_be_is_refused,
        a_pod_that_no_node_has_room_for_is_not_called_a_bad_release,
        a_job_that_fails_is_a_failed_release,
        refused::an_object_that_an_admission_policy_refuses_is_denied,
        a_pod_that_an_admission_policy_refuses_is_denied,
        refused::a_field_that_cannot_be_changed_is_named,
        refused::an_input_under_another_id_is_invalid,
        refused::an_app_that_nobody_described_is_unknown,
        refused::an_image_of_another_repository_is_not_allowed,
        refused::a_manifest_with_an_unknown_variable_is_invalid,
        refused::a_pod_that_wants_the_nodes_network_is_denied_by_policy,
        refused::a_token_that_doppler_refuses_denies_the_secrets,
        refused::a_namespace_that_berth_has_not_made_is_denied,
        a_gate_that_does_not_pass_is_named,
    ];
    // berth waits three minutes for Doppler.
    let patient = trials![refused::a_doppler_that_does_not_answer_leaves_the_secrets_unavailable];
    trials.extend(patient.into_iter().map(|trial| trial.with_ignored_flag(true)));
    let conclusion = libtest_mimic::run(&arguments, trials);
    std::io::stdout().write_all(table().as_bytes()).unwrap();
    conclusion.exit_code()
}

fn app(name: &'static str, lab: &Lab) -> App {
    App::new(name, lab.registry())
}

/// Gives an app the secrets of the sample app.
fn with_secrets(app: App) -> App {
    doppler(app, "doppler-web-preview-token")
}

fn doppler(app: App, token: &str) -> App {
    let config = json!({ "project": "web", "config": "preview", "token": { "secret": token } });
    app.file("/secrets/doppler/preview", config)
}

fn a_container_that_ends_again_and_again_is_a_crash_loop(lab: &Lab) {
    let app = app("crash-loop", lab).container("/env/0", json!({ "name": "CRASH", "value": "1" }));
    let case = Case::start(lab, 200, app);
    let reported = case.fails("CrashLoop", "exits with 1 at once", CRASHES);
    reported.names(&["Deployment/crash-loop-pr-200", "exited with code 1", "restarted 3 times"]).exits_with(1);
    reported.of_container("web", "refusing to start");
}

/// Without a readiness probe the container is ready for an instant after each restart.
fn one_that_no_probe_speaks_for_is_a_crash_loop_all_the_same(lab: &Lab) {
    let app = app("no-probe", lab).container("/env/0", json!({ "name": "CRASH", "value": "1" }));
    let case = Case::start(lab, 233, app.container("/readinessProbe", json!(null)));
    let reported = case.fails("CrashLoop", "exits with 1, and has no readiness probe", CRASHES);
    reported.names(&["exited with code 1", "restarted 3 times"]).of_container("web", "refusing to start");
}

fn a_container_that_eats_its_memory_is_out_of_memory(lab: &Lab) {
    let app = app("oom", lab).container("/env/0", json!({ "name": "EAT_MEMORY", "value": "1" }));
    let case = Case::start(lab, 201, app);
    let reported = case.fails("OutOfMemory", "takes more memory than its limit", CRASHES);
    reported.names(&["Deployment/oom-pr-201", "limit of 64Mi"]).exits_with(137);
    reported.of_container("web", "taking memory");
}

fn an_init_container_that_fails_is_named(lab: &Lab) {
    let case = Case::start(lab, 202, app("init", lab).pod("/initContainers", json!([crashing_container("setup")])));
    let reported = case.fails("InitFailed", "init container exits with 1", CRASHES);
    reported
        .names(&["Deployment/init-pr-202", "exited with code 1"])
        .exits_with(1)
        .of_container("setup", "refusing to start");
}

fn a_container_that_its_liveness_probe_kills_is_a_crash_loop(lab: &Lab) {
    let probe = json!({ "httpGet": { "path": "/nope", "port": "http" }, "periodSeconds": 1, "failureThreshold": 1 });
    let case = Case::start(
        lab,
        203,
        app("liveness", lab)
            .container("/livenessProbe", probe)
            .container("/readinessProbe/httpGet/path", json!("/nope")),
    );
    let reported = case.fails("CrashLoop", "liveness probe asks for a page that is not there", CRASHES);
    reported.names(&["Liveness probe failed", "statuscode: 404"]).of_container("web", "listens on");
}

/// The kernel refuses a script without an interpreter line as it refuses a program for another processor.
fn a_program_for_another_machine_is_reported_as_such(lab: &Lab) {
    let script = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "program" }, "data": { "program": "no format\n" },
    });
    let app = app("architecture", lab)
        .manifest("core/program", script)
        .pod("/volumes", json!([{ "name": "program", "configMap": { "name": "program", "defaultMode": 0o555 } }]))
        .container("/volumeMounts", json!([{ "name": "program", "mountPath": "/program" }]))
        .container("/command", json!(["/program/program"]));
    let case = Case::start(lab, 204, app);
    let reported = case.fails("CrashLoop", "program of another processor's format", CRASHES);
    reported.names(&["another processor architecture"]).of_container("web", "exec format error");
}

fn a_startup_probe_that_never_passes_is_not_ready_at_the_deadline(lab: &Lab) {
    let probe = json!({ "httpGet": { "path": "/nope", "port": "http" }, "periodSeconds": 1, "failureThreshold": 60 });
    let case = Case::start(lab, 205, app("startup", lab).container("/startupProbe", probe));
    let case = case.with_timings(&json!({ "rollout_seconds": 6 }));
    let reported = case.fails("NotReady", "startup probe never passes, deadline 6 s", 6 + SOON);
    reported.names(&[
        "Deployment/startup-pr-205",
        "0 of 1 pods ready",
        "startup probe has not passed",
        "statuscode: 404",
    ]);
    reported.of_container("web", "listens on");
}

fn a_readiness_probe_that_never_passes_is_not_ready_at_the_deadline(lab: &Lab) {
    let case = Case::start(lab, 206, app("readiness", lab)).with_timings(&json!({ "rollout_seconds": 6 })).serving();
    let case = case.then(|app| app.container("/readinessProbe/httpGet/path", json!("/nope")));
    let reported = case.fails("NotReady", "readiness probe never passes, deadline 6 s", 6 + 4);
    reported
        .names(&["0 of 1 new pods ready, 1 old pod still there", "readiness probe has not passed", "statuscode: 404"])
        .of_container("web", "listens on");
}

fn a_command_that_does_not_exist_is_a_crash_loop(lab: &Lab) {
    let case = Case::start(lab, 211, app("command", lab)).serving();
    let case = case.then(|app| app.container("/command", json!(["/nope"])));
    let reported = case.fails("CrashLoop", "command that is not in the image", SOON);
    reported.names(&["the command could not be started", "/nope", "no such file or directory"]).exits_with(128);
}

fn a_secret_that_does_not_exist_is_named(lab: &Lab) {
    let case = Case::start(lab, 212, app("secret", lab)).serving();
    let case = case.then(|app| app.container("/envFrom", json!([{ "secretRef": { "name": "absent" } }])));
    case.fails("ConfigMissing", "Secret that is not there", MISSING + SOON)
        .names(&["web", "secret \"absent\" not found"]);
}

fn a_key_that_does_not_exist_is_named(lab: &Lab) {
    let case = Case::start(lab, 213, with_secrets(app("key", lab))).serving();
    let key = json!({ "secretKeyRef": { "name": "$DOPPLER_MANAGED_SECRET_NAME", "key": "NOPE" } });
    let case = case.then(|app| app.container("/env/1", json!({ "name": "NOPE", "valueFrom": key })));
    let reported = case.fails("ConfigMissing", "key that Doppler does not have", SOON);
    reported.names(&["web", "couldn't find key NOPE in Secret key-pr-213/", "Doppler"]);
}

fn a_volume_of_a_secret_that_does_not_exist_is_named(lab: &Lab) {
    let case = Case::start(lab, 214, app("volume", lab)).serving();
    let case = case.then(|app| {
        app.pod("/volumes", json!([{ "name": "keys", "secret": { "secretName": "absent" } }]))
            .container("/volumeMounts", json!([{ "name": "keys", "mountPath": "/keys" }]))
    });
    let reported = case.fails("ConfigMissing", "volume of a Secret that is not there", MISSING + SOON);
    reported.names(&["volume \"keys\"", "secret \"absent\" not found"]);
}

fn a_quota_that_is_used_up_is_named(lab: &Lab) {
    let case = Case::start(lab, 215, app("quota", lab).file("/preview/quota/pods", json!(1))).serving();
    let reported = case.fails("QuotaExceeded", "one pod more than the quota", SOON);
    reported.names(&["Deployment/quota-pr-215", "exceeded quota: berth", "pods=1"]);
}

/// The template is the same again, and its `ReplicaSet` still reports the refusal of its pods.
fn a_quota_that_was_raised_is_tried_again_at_once(lab: &Lab) {
    let case = Case::start(lab, 232, app("quota-raised", lab).file("/preview/quota/pods", json!(1))).serving();
    case.fails("QuotaExceeded", "one pod more than the quota, which is then raised", SOON);
    let refused = Instant::now();
    let case = case.then(|app| app.file("/preview/quota/pods", json!(2)));
    // The controller tries again by itself 10 s and 20 s after the first refusal (its pauses double from 5 ms on). The
    // redeploy comes between the two. Within five seconds a refusal could be this rollout's own: clocks may differ by that.
    until("it is of before", || refused.elapsed() > Duration::from_secs(9));
    let started = Instant::now();
    case.berth.temporal(&["workflow", "signal", "--workflow-id", &case.workflow(), "--name", "redeploy"]);
    until("both rollouts are done", || case.berth.status()["rollouts"].as_array().is_some_and(|all| all.len() == 3));
    let status = case.berth.status();
    assert_eq!((&status["phase"], &status["failed"]), (&json!("Live"), &json!(null)), "{status:#}");
    // The controller's own back-off would take minutes.
    assert!(started.elapsed() < case.bound(2 * SOON), "{:?}", started.elapsed());
    let web = case.berth.object("deployment", "quota-raised-pr-232").unwrap();
    assert!(web["metadata"]["annotations"]["berth.dev/tried-again-until"].is_string(), "it was asked for: {web:#}");
}

fn a_pod_below_the_security_level_is_refused(lab: &Lab) {
    let case = Case::start(lab, 216, app("pod-security", lab)).serving();
    let case = case.then(|app| app.file("/isolation/pod_security", json!("restricted")));
    let reported = case.fails("PolicyDenied", "root container where `restricted` holds", SOON);
    reported.names(&["violates PodSecurity \"restricted:latest\"", "runAsNonRoot", "isolation"]);
}

fn a_root_user_where_none_may_be_is_refused(lab: &Lab) {
    let case = Case::start(lab, 217, app("root", lab)).serving();
    let context = json!({ "runAsNonRoot": true, "runAsUser": 0 });
    let case = case.then(|app| app.container("/securityContext", context));
    case.fails("PolicyDenied", "runAsNonRoot with user 0", SOON).names(&["web", "non-root"]);
}

fn a_pod_that_no_node_has_room_for_is_not_called_a_bad_release(lab: &Lab) {
    let app = app("capacity", lab).file("/preview/quota/cpu", json!("2000"));
    let case = Case::start(lab, 218, app).with_timings(&json!({ "capacity_seconds": 5 })).serving();
    let case = case.then(|app| app.container("/resources/requests/cpu", json!("1000")));
    let reported = case.fails("NoCapacity", "asks for 1000 processors, deadline 5 s", 5 + 6);
    reported.names(&["no node has room", "Insufficient cpu", "not at fault"]);
}

fn a_job_that_fails_is_a_failed_release(lab: &Lab) {
    let pod = json!({ "restartPolicy": "Never", "containers": [crashing_container("migrate")] });
    let job = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": "$KUBE_APP-migrate-$KUBE_DEPLOY_ID" },
        "spec": { "backoffLimit": 0, "template": { "spec": pod } },
    });
    let case = Case::start(lab, 219, app("job", lab)).serving();
    let case = case.then(|app| app.manifest("core/migrate", job));
    // The Deployment completes meanwhile, so the release before no longer serves.
    let reported = case.fails_as_it_serves("JobFailed", "Job exits with 1, backoffLimit 0", SOON);
    reported
        .names(&["Job/job-pr-219-migrate-", "backoff limit"])
        .exits_with(1)
        .of_container("migrate", "refusing to start");
}

fn a_pod_that_an_admission_policy_refuses_is_denied(lab: &Lab) {
    let case = Case::start(lab, 221, app("admission-pod", lab)).serving();
    let rules = json!({ "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"] });
    let validation = json!({ "expression": "has(object.spec.priorityClassName)", "message": "every pod has a class" });
    let violates = ["run", "x", "-n", "admission-pod-pr-221", "--image", "x", "--dry-run=server"];
    let case = case.with_admission_policy(&rules, &validation, &violates);
    let reported = case.fails("AdmissionDenied", "policy of the cluster refuses the pods", SOON);
    reported.names(&["Deployment/admission-pod-pr-221", "berth-verdicts-221", "every pod has a class"]);
}

fn a_gate_that_does_not_pass_is_named(lab: &Lab) {
    let case = Case::start(lab, 231, app("gate", lab)).serving();
    let http = json!({ "workload": "$KUBE_APP", "port": 8080, "path": "/nope" });
    let gates = json!([{ "name": "nope", "http": http, "deadline": "2s" }]);
    let case = case.then(|app| app.file("/preview/gates", gates));
    let reported = case.fails_as_it_serves("GateFailed", "gate asks for a page that is not there, deadline 2 s", SOON);
    reported.names(&["nope", "404"]);
}
