//! Forged activities: without any workflow, or scheduled by a foreign one. Each is refused, and the API server sees no
//! write.

mod api_server;

use std::process::{Command, Output};

use api_server::ApiServer;
use berth_activities::{
    Activities, Settings,
    janitor::JanitorActivities,
    proof::{ProofKeys, SigningKey},
    secrets::DopplerReader,
};
use berth_test_support::{
    foreign::Foreign,
    preview::{connect, push},
    settings,
};
use berth_workflows::{
    contract::{
        environment::{Environment, EnvironmentKind},
        proof::{CheckProofInput, ProofAction},
        provable::Provable,
        rollout_input::ROLLOUT,
        script::SCRIPT_RUN,
    },
    preview_environment::PreviewEnvironment,
    production_environment::ProductionEnvironment,
    rollout::Rollout,
    script_run::ScriptRun,
};
use futures::future::join_all;
use serde_json::{Value, json};
use temporalio_client::Client;
use temporalio_common::WorkflowDefinition;
use temporalio_sdk::{Runtime, Worker, WorkerOptions, runtime::RuntimeOptions};

const APP_FILE: &str = "app: trust
repository: acme/trust
images: [registry.example.com/trust]
preview: { host: \"pr-{pr}.trust.example.com\" }
production: { namespace: trust-production, host: trust.example.com }
";

/// A worker with berth's activities, on a cluster without objects.
struct Ground {
    client: Client,
    /// `host:port` of the Temporal server.
    address: String,
    task_queue: String,
    cluster: ApiServer,
    /// The key whose proofs the worker believes.
    signing_key: SigningKey,
}

/// Runs a test beside the worker.
async fn with_worker<F: Future<Output = ()>>(task_queue: &str, test: impl FnOnce(Ground) -> F) {
    let (client, address) = connect().await;
    let apps = tempfile::tempdir().unwrap();
    std::fs::write(apps.path().join("trust.yaml"), APP_FILE).unwrap();
    let (signing_key, _) = SigningKey::generate().unwrap();
    std::fs::write(apps.path().join("keys"), signing_key.public_key()).unwrap();
    let cluster = ApiServer::default();
    let (kubernetes, settings) = (cluster.start().await, settings(apps.path()));
    let janitor = JanitorActivities { client: kubernetes.clone(), settings: settings.clone() };
    let activities = Activities {
        client: kubernetes,
        settings: Settings { proof_keys: ProofKeys::read(&apps.path().join("keys")).unwrap(), ..settings },
        doppler: DopplerReader::new("http://127.0.0.1:1").unwrap(),
    };
    let runtime = Runtime::from_current_tokio(RuntimeOptions::default()).unwrap();
    let options = WorkerOptions::new(task_queue).register_activities(activities).register_activities(janitor).build();
    let mut worker = Worker::new(&runtime, client.clone(), options).unwrap();
    let test = test(Ground { client, address, task_queue: task_queue.to_owned(), cluster, signing_key });
    tokio::select! {
        ended = worker.run() => panic!("the worker ended: {ended:?}"),
        () = test => {}
    }
}

/// The preview of pull request 1, with the names that the app file gives it.
fn environment() -> Environment {
    Environment {
        namespace: "trust-pr-1".into(),
        host: "pr-1.trust.example.com".into(),
        scheme: "https".into(),
        ..Environment::unrecorded("trust", EnvironmentKind::Preview { pr: 1 }, "preview-trust-1")
    }
}

/// Production, with the names that the app file gives it.
fn production() -> Environment {
    Environment {
        namespace: "trust-production".into(),
        host: "trust.example.com".into(),
        scheme: "https".into(),
        ..Environment::unrecorded("trust", EnvironmentKind::Production, "production-trust")
    }
}

fn release(repository: &str) -> Value {
    json!({"commit": "a".repeat(40), "image": format!("{repository}@sha256:{}", "a".repeat(64))})
}

fn secrets() -> Value {
    json!({"secret": "berth-secrets-1", "version": "1",
        "temporal_server_address": "evil.example.com:7233", "temporal_server_address_from_doppler": true})
}

fn apply(environment: &Environment, repository: &str) -> Value {
    let deploy = json!({"environment": environment, "release": release(repository), "number": 1, "deploy_id": 1});
    json!({"deploy": deploy, "secrets": secrets()})
}

/// The contract's list of activities.
const CONTRACT: &str = include_str!("../../workflows/src/contract/activity_definitions.rs");

/// Activities that write nothing and answer without a log, so that any caller may have them.
const FOR_ANYONE: [&str; 4] = ["load_app", "recall_preview", "await_namespace_gone", "check_proof"];

/// Activities with a task queue of their own. `activities/src/github/admission.rs` tests their callers.
const ON_GITHUB: [&str; 3] = ["report_to_github", "admit_command", "list_pull_requests"];

/// Every activity for certain callers, and an input with the environment's own names.
fn activities() -> Vec<(&'static str, Value)> {
    let (environment, production) = (environment(), production());
    let job = "preview-trust-1-script-1";
    let started = json!({"job": job, "container": "web", "workload": "Deployment/web"});
    vec![
        ("ensure_namespace", json!(environment)),
        ("look_at_environment", json!({"environment": environment})),
        ("ensure_database", json!(environment)),
        ("drop_database", json!(environment)),
        ("sync_secrets", json!(environment)),
        ("apply_manifests", apply(&environment, "registry.example.com/trust")),
        (
            "await_rollout",
            json!({"environment": environment, "workloads": [], "deadline_ms": 0, "timings": {}, "secret": ""}),
        ),
        (
            "check_gates",
            json!({"environment": environment, "workloads": [], "stored_release": "berth-release-1",
                "secret": "berth-secrets-1", "temporal_server_address": "evil.example.com:7233"}),
        ),
        ("prune", json!({"environment": environment, "stored_release": "berth-release-1", "keep": []})),
        ("delete_environment", json!({"environment": environment, "timings": {}})),
        ("start_script", json!({"environment": environment, "script": {"name": "it"}, "job": job, "run_id": "x"})),
        ("await_script", json!({"environment": environment, "started": started, "deadline_ms": 0})),
        ("remove_script", json!({"environment": environment, "job": job})),
        (
            "apply_release",
            json!({"deploy": apply(&production, "registry.example.com/trust")["deploy"],
                "stored_release": "berth-release-1"}),
        ),
        (
            "plan_release",
            json!({"environment": production, "release": release("registry.example.com/trust"), "deploy_id": 1,
                "secrets": secrets()}),
        ),
        ("find_rollback", json!({"environment": production})),
        (
            "report_stuck",
            json!({"app": "trust", "child": {"workflow": "preview-trust-1-rollout-9", "since_ms": 1, "command": "x"}}),
        ),
        ("recall_production", json!({"environment": production})),
        ("record_production", json!({"environment": production, "record": {}, "marks": []})),
        ("list_environments", json!({"app": "trust"})),
        ("send_facts", json!({"app": "trust", "pull_requests": []})),
        ("report_findings", json!({"app": "trust"})),
    ]
}

/// Whether a message refuses the caller. A `Janitor` has no environment.
fn refuses_caller(activity: &str, message: &str, why: &str) -> bool {
    let is_of_janitor = ["list_environments", "send_facts", "report_findings"].contains(&activity);
    message.contains(if is_of_janitor { "only the Janitor of" } else { why })
}

#[test]
fn every_activity_of_the_contract_admits_its_caller_or_is_for_anyone() {
    let mut contract: Vec<_> = CONTRACT.split("#[activity(name = \"").skip(1).collect();
    contract.iter_mut().for_each(|rest| *rest = rest.split_once('"').unwrap().0);
    let tested = activities();
    let mut known: Vec<_> = tested.iter().map(|(name, _)| *name).chain(FOR_ANYONE).chain(ON_GITHUB).collect();
    contract.sort_unstable();
    known.sort_unstable();
    assert_eq!(contract, known, "a new activity that writes belongs into `activities()`");
}

/// Starts an activity without a workflow, and waits for its end.
async fn execute_alone(ground: &Ground, activity: &'static str, input: &Value) -> Output {
    let mut command = Command::new(berth_lab::temporal_cli().unwrap());
    command.args(["activity", "execute", "--activity-id", activity, "--type", activity, "--input", &input.to_string()]);
    command.args(["--task-queue", &ground.task_queue, "--address", &ground.address]);
    command.args(["--start-to-close-timeout", "10s", "--retry-maximum-attempts", "1"]);
    // The worker runs on this thread, so the command runs on another.
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

#[tokio::test]
async fn activity_without_a_workflow_is_refused_and_writes_nothing() {
    with_worker("test-trust-alone", async |ground: Ground| {
        let all = activities();
        let ends = join_all(all.iter().map(|(activity, input)| execute_alone(&ground, activity, input))).await;
        for ((activity, _), output) in all.iter().zip(ends) {
            let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            assert!(!output.status.success(), "{activity}: {text}");
            assert!(text.contains("PolicyDenied"), "{activity}: {text}");
            assert!(refuses_caller(activity, &text, "no workflow has scheduled"), "{activity}: {text}");
        }
        assert_eq!(ground.cluster.writes(), [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn proof_is_checked_with_the_same_answer_each_time() {
    with_worker("test-trust-proof", async |ground: Ground| {
        let content = push('a').proven_content("production-trust", ProofAction::Release);
        let actor = "octocat".to_owned().try_into().unwrap();
        let proof = ground.signing_key.sign(content.clone().claims(actor, Some(1), 1_000));
        let check = CheckProofInput { proof, content, received_ms: 1_000_000 };
        let copied = CheckProofInput {
            content: push('b').proven_content("production-trust", ProofAction::Release),
            ..check.clone()
        };
        for (check, proved) in [(&check, true), (&check, true), (&copied, false), (&copied, false)] {
            let output = execute_alone(&ground, "check_proof", &json!(check)).await;
            let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            assert!(output.status.success() && text.contains(&format!("\"proved\":{proved}")), "{text}");
        }
    })
    .await;
}

/// Schedules an activity from a foreign workflow, and returns the message of its refusal.
async fn refused(ground: &Ground, workflow: (&str, &str), activity: &str, input: &Value) -> String {
    let foreign = Foreign { workflow, activity, input };
    let Some((kind, message)) = foreign.run(&ground.client, &ground.task_queue).await else {
        panic!("{workflow:?} {activity} succeeded");
    };
    assert_eq!(kind, "PolicyDenied", "{workflow:?} {activity}: {message}");
    message
}

#[tokio::test]
async fn foreign_workflow_is_refused_and_writes_nothing() {
    with_worker("test-trust-foreign", async |ground: Ground| {
        let (ground, all) = (&ground, activities());
        let callers = [
            ("Stranger", "stranger-1"),
            ("Rollout", "preview-trust-2-rollout-1"),
            ("ScriptRun", "production-trust-script-1"),
        ];
        join_all(callers.map(async |workflow| {
            for (activity, input) in &all {
                let message = refused(ground, workflow, activity, input).await;
                let why = format!("{:?} may not do this", workflow.1);
                assert!(refuses_caller(activity, &message, &why), "{activity}: {message}");
            }
        }))
        .await;
        assert_eq!(ground.cluster.writes(), [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn forged_input_under_the_right_id_is_refused_and_writes_nothing() {
    with_worker("test-trust-forged", async |ground: Ground| {
        let own = environment();
        let on_production = Environment { host: "trust.example.com".into(), ..own.clone() };
        let elsewhere = Environment { namespace: "kube-system".into(), ..own.clone() };
        let another = Environment { workflow_id: "preview-other-1".into(), ..own.clone() };
        let rollout = ("Rollout", "preview-trust-1-rollout-1");
        let preview = ("PreviewEnvironment", "preview-trust-1");
        let owner = ("ProductionEnvironment", "production-trust");
        let stranger = ("Stranger", "preview-trust-1");
        let allowed = "registry.example.com/trust";
        for (workflow, activity, input, part) in [
            (rollout, "apply_manifests", apply(&on_production, allowed), "the host of preview-trust-1"),
            (rollout, "apply_manifests", apply(&elsewhere, allowed), "the namespace of preview-trust-1"),
            (rollout, "apply_manifests", apply(&own, "registry.example.com/evil"), "is not an image of app trust"),
            (rollout, "apply_manifests", apply(&own, allowed), "berth-secrets-1"),
            (
                owner,
                "plan_release",
                json!({"environment": production(), "release": release("registry.example.com/evil"), "deploy_id": 1,
                    "secrets": secrets()}),
                "is not an image of app trust",
            ),
            (rollout, "ensure_namespace", json!(elsewhere), "the namespace of preview-trust-1"),
            (rollout, "sync_secrets", json!(elsewhere), "the namespace of preview-trust-1"),
            (rollout, "delete_environment", json!({"environment": own, "timings": {}}), "may not do this"),
            (stranger, "delete_environment", json!({"environment": own, "timings": {}}), "may not do this"),
            (preview, "delete_environment", json!({"environment": another, "timings": {}}), "workflow_id must be"),
        ] {
            let message = refused(&ground, workflow, activity, &input).await;
            assert!(message.contains(part), "{activity} {input}: {message}");
        }
        assert_eq!(ground.cluster.writes(), [""; 0]);

        // With its own names the same caller reaches the cluster.
        let input = json!(own);
        let reached = Foreign { workflow: rollout, activity: "ensure_namespace", input: &input };
        let failed = reached.run(&ground.client, &ground.task_queue).await;
        assert_eq!(ground.cluster.writes(), ["POST /api/v1/namespaces"], "{failed:?}");
    })
    .await;
}

#[test]
fn workflows_have_the_types_that_activities_admit() {
    assert_eq!(PreviewEnvironment::run.name(), EnvironmentKind::Preview { pr: 1 }.workflow_type());
    assert_eq!(ProductionEnvironment::run.name(), EnvironmentKind::Production.workflow_type());
    assert_eq!((Rollout::run.name(), ScriptRun::run.name()), (ROLLOUT, SCRIPT_RUN));
}
