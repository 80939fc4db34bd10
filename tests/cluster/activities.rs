//! Each activity, run twice on the lab's cluster: the second attempt after a worker's death must change nothing.

use std::process::Command;

use berth_activities::{
    Context, Settings, database, environment, gates,
    heartbeat::Progress,
    release::{self, stored_release::StoredRelease},
    rollout, secrets,
};
use berth_lab::{Lab, POSTGRES_PASSWORD, POSTGRES_USER, Postgres};
use berth_manifests::app;
use berth_workflows::contract::{
    apply::{ApplyInput, PruneInput},
    checks::{AwaitInput, CheckGatesInput, Outcome, UNOBSERVED_SECONDS},
    environment::{Database, Environment, EnvironmentKind},
    load_app::LoadAppInput,
    look::LookAtInput,
    preparation::{AwaitGoneInput, NamespaceGone},
    release::{Commit, Image, Release},
    rollout_input::{RolloutInput, Source},
    teardown::{DeleteInput, LeakReport},
    timings::{StartTimings, Timings},
};

use crate::in_process::{client, settings};

const NAMESPACE: &str = "pr-201";

/// The versions of the namespace's objects. If they are equal before and after, nothing was written.
fn versions(lab: &Lab) -> String {
    let kinds =
        "deployments,services,ingresses,configmaps,secrets,resourcequotas,limitranges,networkpolicies,rolebindings";
    let columns = "-o=custom-columns=K:.kind,N:.metadata.name,G:.metadata.generation,U:.metadata.uid,M:.metadata.managedFields[*].time";
    let mut kubectl = Command::new(lab.tool("kubectl"));
    kubectl.arg("--kubeconfig").arg(lab.kubeconfig()).args([
        "get",
        kinds,
        "-n",
        NAMESPACE,
        columns,
        "--show-managed-fields",
    ]);
    let output = kubectl.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // Kubernetes itself writes the status of a Deployment and of a quota.
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().filter(|line| !line.starts_with("Deployment") && !line.starts_with("ResourceQuota")).collect()
}

#[tokio::test]
async fn each_activity_run_twice_answers_the_same_and_changes_nothing() {
    let lab = Lab::shared().unwrap();
    let client = client(&lab).await;
    let settings = settings(&lab);
    let image = Image::try_from(lab.image("v1")).unwrap();
    let names = LoadAppInput::names("web", EnvironmentKind::Preview { pr: 201 }, "preview-web-201");
    let load = LoadAppInput { image: Some(image.clone()), ..names };
    let loaded = environment::load_app(&settings, &load).unwrap();
    assert_eq!(environment::load_app(&settings, &load).unwrap(), loaded);
    let environment = loaded.environment;
    let app = app::load_apps(&settings.apps).unwrap().remove(0);
    let progress = Progress::new();
    let context = Context { client: &client, settings: &settings, progress: &progress };

    let make = || environment::ensure_namespace(context, &app, &environment);
    let made = make().await.unwrap();
    assert!(made.created);
    let before = versions(&lab);
    let again = make().await.unwrap();
    assert_eq!((again.uid, again.created, versions(&lab)), (made.uid.clone(), false, before));

    let doppler = secrets::DopplerReader::new(lab.doppler_url()).unwrap();
    let sync = || secrets::sync_secrets(context, &doppler, &app, &environment);
    let synced = sync().await.unwrap();
    let before = versions(&lab);
    assert_eq!((sync().await.unwrap(), versions(&lab)), (synced.clone(), before));

    let release = Release::new(Commit::try_from("2".repeat(40)).unwrap(), image);
    let timings = Timings::default();
    let deploy = RolloutInput {
        environment: environment.clone(),
        release,
        number: 1,
        deploy_id: 1,
        keep: Vec::new(),
        timings: StartTimings::default(),
        app_timings: None,
        serving: None,
        source: Source::default(),
        keep_proven: 0,
    };
    let input = ApplyInput { deploy, secrets: synced.clone(), waited_for: None };
    let applying = || release::apply_manifests(context, &app, &input);
    let applied = applying().await.unwrap();
    assert_eq!(applied.plan.created.len(), 4, "{:?}", applied.plan);
    let before = versions(&lab);
    let again = applying().await.unwrap();
    assert_eq!((again.plan.unchanged, again.plan.changed.len() + again.plan.created.len()), (4, 0), "{:?}", again.plan);
    assert_eq!((again.stored_release, versions(&lab)), (applied.stored_release.clone(), before));

    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let wait = AwaitInput {
        environment: environment.clone(),
        workloads: applied.workloads.clone(),
        deadline_ms: now.as_millis() as u64 + 90_000,
        started_ms: 0,
        unobserved_seconds: UNOBSERVED_SECONDS,
        timings: timings.clone(),
        secret: synced.secret.clone(),
        deploy_id: 1,
        late: false,
    };
    for _ in 0..2 {
        assert_eq!(rollout::await_rollout(context, wait.clone()).await.unwrap(), Outcome::Complete);
    }

    let check = CheckGatesInput {
        environment: environment.clone(),
        workloads: applied.workloads,
        stored_release: applied.stored_release.clone(),
        secret: synced.secret,
        stability_seconds: 1,
        temporal_server_address: None,
        deploy_id: 1,
        unobserved_seconds: UNOBSERVED_SECONDS,
        observe_seconds: 0,
    };
    let stored = StoredRelease::load(&client, NAMESPACE, &applied.stored_release).await.unwrap();
    for _ in 0..2 {
        let checked = gates::check_gates(context, check.clone(), &stored).await.unwrap();
        assert_eq!(checked.outcome, Outcome::Complete);
        let names: Vec<_> = checked.gates.iter().map(|gate| gate.name.as_str()).collect();
        assert!(names.contains(&"endpoints") && stored.gates.iter().all(|gate| names.contains(&gate.name.as_str())));
    }

    let input = PruneInput {
        environment: environment.clone(),
        stored_release: applied.stored_release,
        keep: Vec::new(),
        keep_proven: 0,
        deploy_id: 1,
        rollback: false,
    };
    release::prune(context, &input).await.unwrap();
    let before = versions(&lab);
    let again = release::prune(context, &input).await.unwrap();
    assert_eq!((again.removed, versions(&lab)), (Vec::new(), before));

    let look = LookAtInput {
        environment: Environment { namespace_uid: Some(made.uid.clone()), ..environment.clone() },
        stored_release: Some(input.stored_release.clone()),
    };
    sees_what_is_missing(&lab, context, &look).await;

    let delete = DeleteInput { environment, timings, known: Vec::new() };
    for _ in 0..2 {
        let report = environment::delete_environment(context, &delete).await.unwrap();
        assert_eq!(report, LeakReport { gone: vec![format!("Namespace/{NAMESPACE}")], ..LeakReport::default() });
    }

    let wait = AwaitGoneInput { namespace: NAMESPACE.into(), uid: made.uid, said: "it is terminating".into() };
    for _ in 0..2 {
        let seen = environment::await_namespace_gone(context, &wait).await.unwrap();
        assert_eq!(seen, NamespaceGone::default());
    }
    assert_eq!(missing(context, &look).await, Some((format!("namespace {NAMESPACE}"), true)));
}

/// What a look misses, and whether that is the namespace.
async fn missing(context: Context<'_>, look: &LookAtInput) -> Option<(String, bool)> {
    let seen = environment::look_at_environment(context, look).await.unwrap();
    assert_eq!(environment::look_at_environment(context, look).await.unwrap(), seen);
    seen.missing.map(|missing| (missing.what, missing.is_namespace))
}

async fn sees_what_is_missing(lab: &Lab, context: Context<'_>, look: &LookAtInput) {
    let before = versions(lab);
    assert_eq!(missing(context, look).await, None);
    assert_eq!(versions(lab), before);
    let uid = Some("another".to_owned());
    let other =
        LookAtInput { environment: Environment { namespace_uid: uid, ..look.environment.clone() }, ..look.clone() };
    assert_eq!(missing(context, &other).await, Some((format!("namespace {NAMESPACE} with the recorded UID"), true)));
    let other = LookAtInput { stored_release: Some("berth-release-none".to_owned()), ..look.clone() };
    assert!(missing(context, &other).await.is_some_and(|(what, is_namespace)| what.contains("none") && !is_namespace));
    let deployments = lab.kubectl(&["get", "deployments", "-n", NAMESPACE, "-o", "name"]).unwrap();
    let deployment = deployments.lines().next().unwrap().trim_start_matches("deployment.apps/").to_owned();
    lab.kubectl(&["delete", "deployment", &deployment, "-n", NAMESPACE]).unwrap();
    assert_eq!(missing(context, look).await, Some((format!("Deployment/{deployment}"), false)));
}

/// Starts a database server for the test, and makes the Secret with its admin's credentials.
fn with_database_server(lab: &Lab, settings: &mut Settings) -> Postgres {
    let postgres = Postgres::start(50).unwrap();
    let admin = &*format!("database-admin-{}", postgres.address.port());
    let credentials = [format!("username={POSTGRES_USER}"), format!("password={POSTGRES_PASSWORD}")];
    let literals = credentials.map(|literal| format!("--from-literal={literal}"));
    lab.kubectl(&["create", "secret", "generic", admin, "-n", "berth-system", &literals[0], &literals[1]]).unwrap();
    let server = database::Server {
        host: postgres.address.ip().to_string(),
        port: postgres.address.port(),
        tls: database::Tls::Disable,
        server_name: None,
        database: None,
        admin_secret: admin.into(),
        connections: 5,
        networks: Vec::new(),
    };
    settings.database_servers.insert("previews".into(), server);
    postgres
}

#[tokio::test]
async fn database_activities_can_run_twice_and_report_an_absent_server() {
    let lab = Lab::shared().unwrap();
    let (client, mut settings) = (client(&lab).await, settings(&lab));
    let mut postgres = with_database_server(&lab, &mut settings);
    let app = app::load_apps(&settings.apps).unwrap().remove(0);
    let load = LoadAppInput::names("web", EnvironmentKind::Preview { pr: 202 }, "preview-web-202");
    let isolated = Database::Isolated { server: "previews".into(), name: "web_pr_202".into() };
    let environment =
        Environment { database: Some(isolated), ..environment::load_app(&settings, &load).unwrap().environment };
    let progress = Progress::new();
    let context = Context { client: &client, settings: &settings, progress: &progress };
    environment::ensure_namespace(context, &app, &environment).await.unwrap();

    let make = || database::ensure_database(context, &environment);
    postgres.stop().unwrap();
    let away = make().await.unwrap();
    assert!(away.unavailable.unwrap().contains("refused"));
    postgres.start_again().unwrap();
    assert_eq!(make().await.unwrap().created.len(), 4);
    assert_eq!(make().await.unwrap(), Default::default());

    let doppler = secrets::DopplerReader::new(lab.doppler_url()).unwrap();
    let sync = || secrets::sync_secrets(context, &doppler, &app, &environment);
    let synced = sync().await.unwrap();
    assert!(synced.set_by_berth.contains(&"DATABASE_URL".to_owned()), "{synced:?}");
    assert_eq!(sync().await.unwrap(), synced, "the password is the same each time");

    let drop = || database::drop_database(context, &environment);
    postgres.stop().unwrap();
    let away = drop().await.unwrap();
    assert!(away.gone.is_empty() && away.remaining[0].reason.contains("refused"), "{away:?}");
    postgres.start_again().unwrap();
    for _ in 0..2 {
        let report = drop().await.unwrap();
        assert_eq!((report.gone.len(), report.remaining.len()), (4, 0), "{report:?}");
    }
    let delete = DeleteInput { environment, timings: Timings::default(), known: Vec::new() };
    assert!(environment::delete_environment(context, &delete).await.unwrap().remaining.is_empty());
}

#[tokio::test]
async fn teardown_finds_an_unrecorded_database_by_its_owner() {
    let lab = Lab::shared().unwrap();
    let (client, mut settings) = (client(&lab).await, settings(&lab));
    let _postgres = with_database_server(&lab, &mut settings);
    let isolated = Database::Isolated { server: "previews".into(), name: "web_pr_203".into() };
    let unrecorded = Environment::unrecorded("web", EnvironmentKind::Preview { pr: 203 }, "preview-web-203");
    let named = Environment { database: Some(isolated), namespace: "pr-203".into(), ..unrecorded.clone() };
    let app = app::load_apps(&settings.apps).unwrap().remove(0);
    let progress = Progress::new();
    let context = Context { client: &client, settings: &settings, progress: &progress };
    environment::ensure_namespace(context, &app, &named).await.unwrap();
    database::ensure_database(context, &named).await.unwrap();

    let delete = DeleteInput { environment: unrecorded, timings: Timings::default(), known: Vec::new() };
    let report = environment::delete_environment(context, &delete).await.unwrap();
    for gone in ["Database/web_pr_203_temporal on previews", "Role/web_pr_203 on previews", "Namespace/pr-203"] {
        assert!(report.gone.contains(&gone.to_owned()), "{report:?}");
    }
}
