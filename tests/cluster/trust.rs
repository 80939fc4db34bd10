//! Activities that somebody with access to Temporal schedules by themselves, on a real API server with a live preview.

use std::process::Command;

use berth_activities::environment;
use berth_lab::Lab;
use berth_test_support::{Berth, foreign::Foreign, preview::connect_to};
use berth_workflows::contract::{
    environment::{Environment, EnvironmentKind},
    load_app::LoadAppInput,
};
use futures::future::join_all;
use serde_json::{Value, json};

use crate::{BERTH, in_process::settings};

const PR: u64 = 291;
const OWN: &str = "preview-web-291";

/// A field of an input, and its false value.
type Forgery = (&'static str, Value);

/// A live preview, and what its own rollouts give their activities.
struct Live {
    berth: Berth,
    environment: Environment,
    image: String,
    secret: String,
    stored_release: String,
    temporal: String,
}

impl Live {
    fn start() -> Self {
        let berth = Berth::start(BERTH, PR);
        let image = berth.lab.image("v1");
        let pushed = berth.push('1', &image, &[]);
        assert_eq!(pushed.json["outcome"], "live", "{pushed:?}");
        let names = LoadAppInput::names("web", EnvironmentKind::Preview { pr: PR }, OWN);
        let environment = environment::load_app(&settings(&berth.lab), &names).unwrap().environment;
        let secrets = berth.kubectl(&["get", "secrets", "-n", "pr-291", "-o", "name"]);
        let named = |prefix: &str| {
            let name =
                secrets.lines().filter_map(|line| line.strip_prefix("secret/")).find(|name| name.starts_with(prefix));
            name.unwrap_or_else(|| panic!("no {prefix} in {secrets}")).to_owned()
        };
        let (secret, stored_release) = (named("berth-secrets-"), named("berth-release-"));
        let temporal = berth.status()["secrets"]["temporal_server_address"].as_str().unwrap().to_owned();
        Self { berth, environment, image, secret, stored_release, temporal }
    }

    fn deploy(&self) -> Value {
        let release = json!({"commit": "1".repeat(40), "image": self.image});
        json!({"environment": self.environment, "release": release, "number": 1, "deploy_id": 1})
    }

    /// Activities with true inputs, and where each input has the environment and further fields to forge.
    fn activities(&self) -> Vec<(&'static str, Value, &'static str, Vec<Forgery>)> {
        let Self { environment, secret, stored_release, temporal, .. } = self;
        let secrets = json!({"secret": secret, "version": "1", "temporal_server_address": temporal,
            "temporal_server_address_from_doppler": false});
        let job = format!("{OWN}-script-900");
        let outside = json!("../../../kube-system/secrets/x");
        vec![
            ("ensure_namespace", json!(environment), "", vec![]),
            ("ensure_database", json!(environment), "", vec![]),
            ("sync_secrets", json!(environment), "", vec![]),
            (
                "apply_manifests",
                json!({"deploy": self.deploy(), "secrets": secrets}),
                "/deploy/environment",
                vec![
                    ("/deploy/release/image", json!(format!("evil.example.com/web@sha256:{}", "a".repeat(64)))),
                    ("/secrets/secret", json!("berth-secrets-of-others")),
                    ("/secrets/temporal_server_address", json!("evil.example.com:7233")),
                ],
            ),
            (
                "apply_release",
                json!({"deploy": self.deploy(), "stored_release": stored_release}),
                "/deploy/environment",
                vec![("/stored_release", json!(secret)), ("/stored_release", outside.clone())],
            ),
            (
                "await_rollout",
                json!({"environment": environment, "workloads": [], "deadline_ms": 0, "timings": {}, "secret": secret}),
                "/environment",
                vec![("/secret", outside.clone())],
            ),
            (
                "check_gates",
                json!({"environment": environment, "workloads": [], "stored_release": stored_release, "secret": secret}),
                "/environment",
                vec![("/temporal_server_address", json!("evil.example.com:7233")), ("/secret", outside.clone())],
            ),
            (
                "prune",
                json!({"environment": environment, "stored_release": stored_release, "keep": []}),
                "/environment",
                vec![("/stored_release", outside)],
            ),
            (
                "start_script",
                json!({"environment": environment, "script": {"name": "it"}, "job": job, "run_id": "x"}),
                "/environment",
                vec![("/job", json!("web-pr-291"))],
            ),
            (
                "remove_script",
                json!({"environment": environment, "job": job}),
                "/environment",
                vec![("/job", json!("web-pr-291"))],
            ),
            ("delete_environment", json!({"environment": environment, "timings": {}}), "/environment", vec![]),
            ("drop_database", json!(environment), "", vec![]),
        ]
    }
}

/// Each name of an environment, forged.
fn forged_names() -> Vec<Forgery> {
    let other = json!({"mode": "isolated", "server": "previews", "name": "web_pr_1"});
    vec![
        ("/app", json!("shop")),
        ("/pr", json!(292)),
        ("/pr", Value::Null),
        ("/workflow_id", json!("preview-web-292")),
        ("/namespace", json!("pr-292")),
        ("/namespace", json!("kube-system")),
        ("/host", json!("web.example.com")),
        ("/temporal_ui_host", json!("web-temporal.example.com")),
        ("/database", other),
    ]
}

/// The input with another value at that place.
fn with(input: &Value, pointer: &str, value: &Value) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let mut forged = input.clone();
    forged.pointer_mut(parent).unwrap()[key] = value.clone();
    forged
}

/// The versions of objects that a forged activity could have written.
fn versions(lab: &Lab) -> String {
    let kinds = "deployments,jobs,services,ingresses,configmaps,secrets,resourcequotas,networkpolicies,rolebindings";
    let columns =
        "-o=custom-columns=K:.kind,N:.metadata.name,S:.metadata.namespace,U:.metadata.uid,G:.metadata.generation";
    let of = |namespace: &str| lab.kubectl(&["get", kinds, "-n", namespace, columns]).unwrap();
    ["pr-291", "pr-292", "kube-system", "default"].map(of).concat()
}

#[tokio::test]
async fn forged_activity_changes_nothing_of_a_live_preview() {
    let live = tokio::task::spawn_blocking(Live::start).await.unwrap();
    let (lab, queue) = (live.berth.lab.clone(), live.berth.commands.task_queue.clone());
    let client = connect_to(lab.temporal_address()).await;
    let (before, all) = (versions(&lab), live.activities());

    // None forged, by strangers: without a workflow, and from a workflow of another type or environment.
    for (activity, input, ..) in &all {
        let mut command = Command::new(lab.tool("temporal"));
        command.args(["activity", "execute", "--activity-id", &format!("alone-{activity}"), "--type", activity]);
        command.args(["--input", &input.to_string(), "--task-queue", &queue, "--address", lab.temporal_address()]);
        command.args(["--start-to-close-timeout", "10s", "--retry-maximum-attempts", "1"]);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(text.contains("PolicyDenied") && text.contains("no workflow has scheduled"), "{activity}: {text}");
    }
    let strangers = [("Stranger", "preview-web-291-rollout-800"), ("Rollout", "preview-web-292-rollout-800")];
    join_all(strangers.map(async |workflow| {
        for (activity, input, ..) in &all {
            let (kind, message) = Foreign { workflow, activity, input }.run(&client, &queue).await.unwrap();
            assert_eq!(kind, "PolicyDenied", "{workflow:?} {activity}: {message}");
        }
    }))
    .await;

    // Under the id of a rollout or a script of the preview: each field forged in turn.
    let mut forged = Vec::new();
    for (activity, input, environment, more) in &all {
        let names = forged_names().into_iter().map(|(name, value)| (format!("{environment}{name}"), value));
        let more = more.iter().map(|(pointer, value)| ((*pointer).to_owned(), value.clone()));
        forged.extend(names.chain(more).map(|(pointer, value)| (*activity, with(input, &pointer, &value), pointer)));
    }
    let forged = forged.iter().enumerate().map(async |(index, (activity, input, pointer))| {
        let (kind, word) = if activity.ends_with("_script") { ("ScriptRun", "script") } else { ("Rollout", "rollout") };
        let id = format!("{OWN}-{word}-{}", 1000 + index);
        let mut input = input.clone();
        // The Job of a script has the id of its run.
        if kind == "ScriptRun" && !pointer.ends_with("/job") {
            input["job"] = json!(id);
        }
        let input = &input;
        let ended = Foreign { workflow: (kind, &id), activity, input }.run(&client, &queue).await;
        let (kind, message) = ended.unwrap_or_else(|| panic!("{activity} with {pointer} = {input} succeeded"));
        assert_eq!(kind, "PolicyDenied", "{activity} {pointer}: {message}");
    });
    join_all(forged).await;
    assert_eq!(versions(&lab), before, "nothing was written");

    // With true inputs the same caller is admitted.
    let input = json!(live.environment);
    let own =
        Foreign { workflow: ("Rollout", "preview-web-291-rollout-700"), activity: "ensure_namespace", input: &input };
    assert_eq!(own.run(&client, &queue).await, None);
    tokio::task::spawn_blocking(move || assert_eq!(live.berth.preview("close", &[]).code, 0)).await.unwrap();
}
