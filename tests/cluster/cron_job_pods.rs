//! `CronJob`s run by hand in the lab's pods, with the built binary as worker and as command.

use berth_test_support::until;
use serde_json::{Value, json};

use crate::{
    contested::own_apps::OwnApps,
    script_pods::{run, text},
};

/// A `CronJob` that is due each minute, with a script of the sample app. The Service of the web pods selects its labels.
fn manifest(script: &str) -> String {
    format!(
        "apiVersion: batch/v1
kind: CronJob
metadata:
  name: $KUBE_APP-nightly
spec:
  schedule: '* * * * *'
  jobTemplate:
    spec:
      backoffLimit: 3
      template:
        metadata:
          labels: {{app: $KUBE_APP, role: cron}}
        spec:
          restartPolicy: OnFailure
          automountServiceAccountToken: false
          securityContext: {{runAsNonRoot: true, runAsUser: 10001, seccompProfile: {{type: RuntimeDefault}}}}
          containers:
            - name: cron
              image: $KUBE_DEPLOYMENT_IMAGE@$KUBE_DEPLOYMENT_DIGEST
              command: [/app, \"run:{script}\", nightly]
              envFrom: [{{secretRef: {{name: $DOPPLER_MANAGED_SECRET_NAME}}}}]
              env: [{{name: COMMIT, value: $GITHUB_SHA}}]
              ports: [{{name: http, containerPort: 8080}}]
              resources: {{limits: {{cpu: 1, memory: 64Mi}}}}
              securityContext: {{allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}
"
    )
}

/// Starts a preview that is live and has the `CronJob`. `None` where nodes are fake: no container runs there.
fn live(pr: u64, script: &str) -> Option<OwnApps> {
    let apps = OwnApps::start(pr);
    if !apps.berth.lab.real_pods() {
        eprintln!("left out: this machine has no real pods");
        return None;
    }
    apps.write("web/core/nightly.yaml", &manifest(script));
    let pushed = apps.berth.push('1', &apps.berth.lab.image("v1"), &[]);
    assert_eq!(pushed.code, 0, "{pushed:?}");
    Some(apps)
}

/// The objects of `CronJob`s that run by hand in the namespace.
fn by_hand(apps: &OwnApps, namespace: &str) -> String {
    apps.berth.kubectl(&["get", "jobs,pods,networkpolicies", "-n", namespace, "-o", "name", "-l", "berth.dev/cron"])
}

/// The pod of the `CronJob` that runs by hand, once there is one that runs.
fn running_pod(apps: &OwnApps, namespace: &str) -> Value {
    let pods = || -> Value {
        let listed = apps.berth.kubectl(&["get", "pods", "-n", namespace, "-o", "json", "-l", "berth.dev/cron"]);
        serde_json::from_str(&listed).unwrap()
    };
    until("its pod runs", || pods()["items"][0]["status"]["phase"] == "Running");
    pods()["items"][0].clone()
}

#[test]
fn suspended_cron_job_runs_by_hand_and_answers_exit_code_and_log() {
    let Some(apps) = live(8111, "say-greeting") else { return };
    let berth = &apps.berth;
    let suspended = berth.object("cronjob", "web-pr-8111-nightly").unwrap()["spec"]["suspend"].clone();
    assert_eq!(suspended, true);
    for (name, number) in [("nightly", 1), ("web-pr-8111-nightly", 2)] {
        let ran = berth.preview("run", &["--cron", name]);
        let (code, answer) = (ran.code, ran.data);
        assert_eq!((code, &answer["exit_code"]), (0, &json!(0)), "{answer}");
        let tail = answer["log_tail"].as_str().unwrap();
        let commit = berth_test_support::commit('1');
        assert!(tail.contains(&format!("run:say-greeting of {commit} with [\"nightly\"]")), "{tail}");
        assert!(tail.contains("greeting: ***") && !tail.contains(&berth.secret_value("GREETING")), "{tail}");
        assert_eq!(answer["script_run"], format!("preview-web-8111-script-{number}"));
        assert_eq!(by_hand(&apps, "pr-8111"), "", "nothing of it is left");
    }
    let absent = run(berth, 8111, &["--cron", "weekly"]).output().unwrap();
    let expected = "weekly is not a CronJob of the release that serves; it has web-pr-8111-nightly";
    assert!(text(&absent).1.contains(expected) && absent.status.code() == Some(10), "{absent:?}");
    let described =
        berth.temporal(&["workflow", "describe", "--workflow-id", "preview-web-8111-script-1", "-o", "json"]);
    assert!(described.contains("CronJob nightly for web #8111"), "{described}");
    assert_eq!(berth.kubectl(&["get", "jobs", "-n", "pr-8111", "-o", "name"]), "", "its schedule has started none");
    assert_eq!(berth.preview("close", &[]).code, 0);
}

#[test]
fn cron_job_gets_no_traffic_and_a_close_stops_it() {
    let Some(apps) = live(8112, "wait") else { return };
    let berth = &apps.berth;
    let mut waiting = run(berth, 8112, &["--cron", "nightly"]).spawn().unwrap();
    let pod = running_pod(&apps, "pr-8112");
    let labels = &pod["metadata"]["labels"];
    assert_eq!((&labels["role"], &labels["app"]), (&json!("cron"), &Value::Null), "{labels}");
    let (spec, container) = (&pod["spec"], &pod["spec"]["containers"][0]);
    assert_eq!((&spec["restartPolicy"], &container["command"][1]), (&json!("Never"), &json!("run:wait")));
    let address = pod["status"]["podIP"].as_str().unwrap();
    let slices = berth.kubectl(&["get", "endpointslices", "-n", "pr-8112", "-o", "json"]);
    assert!(slices.contains("web-pr-8112") && !slices.contains(&format!("\"{address}\"")), "{slices}");
    let running = &berth.status()["scripts"][0];
    assert_eq!((&running["name"], &running["cron"]), (&json!("nightly"), &json!(true)));

    let refused = run(berth, 8112, &["--cron", "web-pr-8112-nightly"]).output().unwrap();
    assert!(text(&refused).1.contains("is running already") && refused.status.code() == Some(10), "{refused:?}");

    let closed = berth.preview("close", &[]);
    assert_eq!((closed.code, closed.data["gone"].clone()), (0, json!(["Namespace/pr-8112"])), "{closed:?}");
    waiting.wait().unwrap();
    let (stdout, stderr) = text(&waiting.wait_with_output().unwrap());
    assert!(stdout.contains("run:wait of"), "as it came: {stdout}\n{stderr}");
    assert!(stderr.contains("was stopped before it ended"), "{stderr}");
}

#[test]
fn failed_rollout_leaves_the_cron_job_of_the_release_that_serves() {
    let Some(apps) = live(8113, "fail") else { return };
    let berth = &apps.berth;
    assert_eq!(berth.push('2', &berth.lab.image("crash"), &[]).code, 1);
    let image =
        |object: &Value| object["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["image"].clone();
    let applied = image(&berth.object("cronjob", "web-pr-8113-nightly").unwrap());
    let (_, digest) = applied.as_str().unwrap().split_once('@').unwrap();
    assert!(berth.lab.image("crash").ends_with(digest), "the failed release has changed the CronJob: {applied}");
    let failed = berth.preview("run", &["--cron", "nightly"]);
    assert_eq!((failed.code, &failed.json["exit_code"]), (3, &json!(3)), "{failed:?}");
    let tail = failed.data["log_tail"].as_str().unwrap();
    assert!(tail.contains(&format!("run:fail of {}", berth_test_support::commit('1'))), "{tail}");
    assert_eq!(by_hand(&apps, "pr-8113"), "", "it is not tried again");
    assert_eq!(berth.preview("close", &[]).code, 0);
}
