//! Scripts run by hand in the lab's pods, with the built binary as worker and as command.

use std::process::{Command, Output};

use berth_activities::{Context, heartbeat::Progress, script};
use berth_manifests::app;
use berth_test_support::{Berth, until};
use berth_workflows::contract::{
    environment::{Environment, EnvironmentKind},
    script::ScriptOutcome,
    script_job::{AwaitScriptInput, RemoveScriptInput, StartScriptInput},
};
use serde_json::{Value, json};

use crate::{
    BERTH,
    in_process::{client, settings},
};

/// Starts a preview that is live. Leaves the test out where nodes are fake: no container runs there.
macro_rules! live {
    ($pr:expr) => {{
        let berth = Berth::start(BERTH, $pr);
        if !berth.lab.real_pods() {
            eprintln!("left out: this machine has no real pods");
            return;
        }
        assert_eq!(berth.push('1', &berth.lab.image("v1"), &[]).code, 0);
        berth
    }};
}

/// The command as a person types it.
pub(crate) fn run(berth: &Berth, pr: u64, arguments: &[&str]) -> Command {
    let mut command = berth.commands.command();
    command
        .args(["preview", "--task-queue", &berth.commands.task_queue, "run", "web", &pr.to_string()])
        .args(arguments)
        .env("KUBECONFIG", berth.lab.kubeconfig());
    command
}

pub(crate) fn text(output: &Output) -> (String, String) {
    (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Allows egress to the database for pods with the web pod's label, as a team's manifests may.
fn allow_out(berth: &Berth, namespace: &str, app: &str) {
    let policy = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": "to-database", "namespace": namespace},
        "spec": {"podSelector": {"matchLabels": {"app": app}}, "policyTypes": ["Egress"],
            "egress": [{"ports": [{"port": 5432, "protocol": "TCP"}]}]},
    });
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), policy.to_string()).unwrap();
    berth.kubectl(&["apply", "-f", file.path().to_str().unwrap()]);
}

/// The objects of scripts in the namespace.
fn jobs_and_pods(berth: &Berth, namespace: &str) -> String {
    berth.kubectl(&["get", "jobs,pods,networkpolicies", "-n", namespace, "-o", "name", "-l", "berth.dev/script"])
}

#[test]
fn script_runs_as_the_web_pod_and_answers_exit_code_and_log() {
    let berth = live!(8101);
    let ran = berth.preview("run", &["say-greeting", "--dry-run", "a b; exit 9"]);
    let (code, answer) = (ran.code, ran.data);
    assert_eq!((code, &answer["exit_code"]), (0, &json!(0)), "{answer}");
    let tail = answer["log_tail"].as_str().unwrap();
    let commit = berth_test_support::commit('1');
    assert!(tail.contains(&format!("run:say-greeting of {commit} with [\"--dry-run\" \"a b; exit 9\"]")), "{tail}");
    assert!(tail.contains("greeting: ***") && !tail.contains(&berth.secret_value("GREETING")), "{tail}");
    assert_eq!(answer["script_run"], "preview-web-8101-script-1");
    assert_eq!(jobs_and_pods(&berth, "pr-8101"), "", "nothing of it is left");

    let failed = berth.preview("run", &["fail"]);
    assert_eq!((failed.code, &failed.json["exit_code"]), (3, &json!(3)));
    let history = berth.temporal(&["workflow", "show", "--workflow-id", "preview-web-8101-script-1", "-o", "json"]);
    assert!(!history.contains(&berth.secret_value("GREETING")));
    assert_eq!(berth.status()["scripts"], json!([]));
    assert_eq!(berth.preview("close", &[]).code, 0);
}

#[test]
fn script_output_is_shown_live_and_its_pod_gets_no_traffic() {
    let berth = live!(8102);
    allow_out(&berth, "pr-8102", "web-pr-8102");
    let mut waiting = run(&berth, 8102, &["wait"]).spawn().unwrap();
    until("the script runs", || !berth.status()["scripts"].as_array().unwrap().is_empty());
    let pod = || jobs_and_pods(&berth, "pr-8102").lines().find(|line| line.starts_with("pod/")).map(str::to_owned);
    let running =
        |pod: &str| berth.kubectl(&["get", pod, "-n", "pr-8102", "-o", "jsonpath={.status.phase}"]) == "Running";
    until("its pod runs", || pod().is_some_and(|pod| running(&pod)));

    let pod: Value =
        serde_json::from_str(&berth.kubectl(&["get", &pod().unwrap(), "-n", "pr-8102", "-o", "json"])).unwrap();
    let web: Value =
        serde_json::from_str(&berth.kubectl(&["get", "deployment", "web-pr-8102", "-n", "pr-8102", "-o", "json"]))
            .unwrap();
    let (container, of_web) = (&pod["spec"]["containers"][0], &web["spec"]["template"]["spec"]["containers"][0]);
    for same in ["image", "envFrom", "env", "securityContext", "resources"] {
        assert_eq!(container[same], of_web[same], "{same}");
    }
    assert_eq!((&container["command"], &container["readinessProbe"]), (&json!(["/app", "run:wait"]), &json!(null)));
    assert_eq!(pod["metadata"]["labels"]["app"], json!(null));
    let address = pod["status"]["podIP"].as_str().unwrap();
    let slices = berth.kubectl(&["get", "endpointslices", "-n", "pr-8102", "-o", "json"]);
    assert!(slices.contains("web-pr-8102") && !slices.contains(&format!("\"{address}\"")), "{slices}");

    let policy = "preview-web-8102-script-1";
    let policy = berth.kubectl(&["get", "networkpolicy", policy, "-n", "pr-8102", "-o", "jsonpath={.spec.egress}"]);
    assert_eq!(
        policy, r#"[{"ports":[{"port":5432,"protocol":"TCP"}]}]"#,
        "it may go where the web pod's label lets one"
    );

    // A second run of the same name is refused.
    let refused = run(&berth, 8102, &["wait"]).output().unwrap();
    assert!(text(&refused).1.contains("is running already"), "{refused:?}");
    assert_eq!(refused.status.code(), Some(10));

    berth.temporal(&["workflow", "cancel", "--workflow-id", "preview-web-8102-script-1"]);
    waiting.wait().unwrap();
    let (stdout, stderr) = text(&waiting.wait_with_output().unwrap());
    assert!(stdout.contains("run:wait of"), "as it came: {stdout}\n{stderr}");
    assert!(stderr.contains("was stopped before it ended"), "{stderr}");
    assert_eq!(jobs_and_pods(&berth, "pr-8102"), "");
    assert_eq!(berth.preview("close", &[]).code, 0);
}

#[test]
fn close_stops_the_script_and_leaves_nothing() {
    let berth = live!(8103);
    let mut script = run(&berth, 8103, &["wait"]).spawn().unwrap();
    until("its pod is there", || jobs_and_pods(&berth, "pr-8103").contains("pod/"));

    // Ctrl-C ends the command, not the script.
    let interrupted = Command::new("kill").args(["-INT", &script.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    assert_eq!(script.wait().unwrap().code(), Some(130));
    let stderr = text(&script.wait_with_output().unwrap()).1;
    assert!(stderr.contains("temporal workflow cancel --workflow-id preview-web-8103-script-1"), "{stderr}");
    assert_eq!(berth.status()["scripts"][0]["name"], "wait");

    let closed = berth.preview("close", &[]);
    assert_eq!((closed.code, closed.data["gone"].clone()), (0, json!(["Namespace/pr-8103"])), "{closed:?}");
    let described =
        berth.temporal(&["workflow", "describe", "--workflow-id", "preview-web-8103-script-1", "-o", "json"]);
    assert!(described.contains("CANCELED"), "{described}");
}

#[test]
fn refused_or_unstartable_script_is_explained() {
    let berth = live!(8104);
    let refused = run(&berth, 8104, &["rm"]).output().unwrap();
    let stderr = text(&refused).1;
    assert!(stderr.contains("rm is not a script that app web allows; it allows say-greeting, fail, wait"), "{stderr}");
    assert_eq!(refused.status.code(), Some(10));

    let missing = berth.preview("run", &["missing"]);
    assert_eq!((missing.code, &missing.json["exit_code"]), (127, &json!(127)), "{missing:?}");

    // Without a kubeconfig the end of the log is shown after the run.
    let unseen = run(&berth, 8104, &["fail"]).env("KUBECONFIG", "/nonexistent/config").output().unwrap();
    let (stdout, stderr) = text(&unseen);
    assert!(stdout.contains("failing as asked") && unseen.status.code() == Some(3), "{unseen:?}");
    assert_eq!(stderr.matches("cannot be shown while the script runs").count(), 1, "{stderr}");

    let patch = r#"{"spec":{"hard":{"pods":"1"}}}"#;
    berth.kubectl(&["patch", "resourcequota", "berth", "-n", "pr-8104", "--type", "merge", "-p", patch]);
    let full = berth.preview("run", &["fail"]);
    let verdict = &full.json["verdict"];
    assert_eq!(
        (full.code, &full.data["exit_code"], &verdict["failure"]),
        (10, &json!(null), &json!("QuotaExceeded")),
        "{full:?}"
    );
    assert!(verdict["message"].as_str().unwrap().contains("exceeded quota"), "{verdict}");
    assert_eq!(jobs_and_pods(&berth, "pr-8104"), "");
    assert_eq!(berth.preview("close", &[]).code, 0);
    let gone = run(&berth, 8104, &["fail"]).output().unwrap();
    assert_eq!(gone.status.code(), Some(4), "{gone:?}");
}

#[tokio::test]
async fn each_activity_run_twice_answers_the_same_and_changes_nothing() {
    let berth = live!(8105);
    let (client, settings) = (client(&berth.lab).await, settings(&berth.lab));
    let app = app::load_apps(&settings.apps).unwrap().into_iter().find(|app| app.app == "web").unwrap();
    let mut environment = Environment::unrecorded("web", EnvironmentKind::Preview { pr: 8105 }, "preview-web-8105");
    environment.namespace = "pr-8105".into();
    let progress = Progress::new();
    let context = Context { client: &client, settings: &settings, progress: &progress };
    let job = "preview-web-8105-script-7";
    let start = StartScriptInput {
        environment: environment.clone(),
        script: serde_json::from_value(json!({"name": "fail"})).unwrap(),
        stored_release: None,
        job: job.into(),
        run_id: "a".into(),
    };
    let identity = || berth.object("job", job).unwrap()["metadata"]["uid"].clone();

    let starting = |start: StartScriptInput| {
        let app = &app;
        async move { script::start_script(context, app, &start).await }
    };
    let started = starting(start.clone()).await.unwrap();
    let uid = identity();
    assert_eq!((starting(start.clone()).await.unwrap(), identity()), (started.clone(), uid.clone()));
    assert_eq!((started.container.as_str(), started.workload.as_str()), ("web", "Deployment/web-pr-8105"));

    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let deadline_ms = u64::try_from(now.as_millis()).unwrap() + 90_000;
    let wait = AwaitScriptInput { environment: environment.clone(), started, deadline_ms };
    for _ in 0..2 {
        let ended = script::await_script(context, wait.clone()).await.unwrap();
        let ScriptOutcome::Ended { exit_code: 3, log_tail } = ended else { panic!("{ended:?}") };
        assert!(log_tail.ends_with("failing as asked"), "{log_tail}");
    }

    // A Job of an earlier run of the same id is deleted first.
    let next = StartScriptInput { run_id: "b".into(), ..start };
    starting(next.clone()).await.unwrap_err();
    until("the earlier run's Job is gone", || berth.object("job", job).is_none());
    starting(next).await.unwrap();
    assert_ne!(identity(), uid);

    let remove = RemoveScriptInput { environment, job: job.into() };
    for _ in 0..2 {
        let removed = script::remove_script(context, &remove).await.unwrap();
        assert_eq!(removed.gone, [format!("Job/{job}")]);
        assert_eq!(jobs_and_pods(&berth, "pr-8105"), "");
    }
    assert_eq!(berth.preview("close", &[]).code, 0);
}
