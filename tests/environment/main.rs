//! Whole environments on real pods: a web app with a Temporal, a database and two host names of its own.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]
#![expect(clippy::print_stdout, reason = "verdicts are what a person wants to see of this test")]

mod egress;
mod full_app;
mod ingress_gate;
mod places;
mod routes;

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use berth_lab::{Lab, POSTGRES_PASSWORD, POSTGRES_USER};
use berth_test_support::{commit, until};
use full_app::{Environment, api, databases_and_roles, live, pods};
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio_postgres::NoTls;

/// The binary under test.
const BERTH: &str = env!("CARGO_BIN_EXE_berth");

#[test]
fn preview_gets_a_page_temporal_and_database_and_leaves_nothing() {
    let environment = Environment::start(501, &[("GREETING", "Ahoy")]);
    let lab = &environment.berth.lab;
    let before = databases_and_roles(lab, 501);
    environment.live('1', "full-v1");

    let version = environment.api("/api/version");
    assert_eq!(version["commit"], commit('1').as_str(), "{version}");
    let greeting = environment.api("/api/greet?name=Ada");
    assert_eq!(greeting["greeting"], "Ahoy, Ada!", "the worker has Doppler's value: {greeting}");
    let computed_by = greeting["computed_by"].as_str().unwrap();
    assert!(computed_by.starts_with("web-pr-501-temporal-"), "{greeting}");
    let (status, page) = lab.get(&environment.host(), "/").unwrap();
    assert!(status == 200 && page.contains("id=\"root\""), "{status}: {page}");
    let (status, workflows) = lab.get("pr-501-temporal.localhost", "/api/v1/namespaces/default/workflows").unwrap();
    assert!(status == 200 && workflows.contains("Greeting"), "{status}: {workflows}");

    let ran = environment.berth.preview("run", &["send-appointment-reminder"]);
    assert_eq!((ran.code, ran.json["exit_code"].as_i64()), (0, Some(0)), "{ran:?}");
    let events = environment.api("/api/events");
    assert!(events.to_string().contains("reminder"), "the script wrote into the preview's own database: {events}");

    let own = ["web_pr_501", "web_pr_501 (role)", "web_pr_501_temporal", "web_pr_501_visibility"];
    let made: Vec<_> = databases_and_roles(lab, 501).into_iter().filter(|name| !before.contains(name)).collect();
    assert_eq!(made, own);
    let status = environment.berth.status();
    assert_eq!(status["database"]["name"], "web_pr_501", "{status}");
    let in_secret =
        "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'web_pr_501'";
    assert_eq!(lab.psql("postgres", in_secret).unwrap().trim(), "t", "its pods speak to the database encrypted");
    assert_eq!(status["secrets"]["temporal_server_address_from"], "environment");

    let (runtime, client) = hold(lab.postgres(), "web_pr_501");
    let closed = environment.berth.preview("close", &[]);
    assert_eq!(closed.code, 0, "{closed:?}");
    assert_eq!(databases_and_roles(lab, 501), before, "though a client held a connection");
    assert!(runtime.block_on(client.simple_query("SELECT 1")).is_err(), "its connection was ended");
    assert_eq!(environment.berth.object("namespace", "pr-501"), None);
}

#[test]
fn two_previews_are_isolated_from_each_other() {
    let environment = Environment::start(502, &[]);
    let lab = &environment.berth.lab;
    let beside = environment.beside(503);
    environment.live('1', "full-v1");
    live(&beside, '1', "full-v2");
    let computed_by = |pr: u64| api(lab, pr, "/api/greet?name=Ada")["computed_by"].as_str().unwrap().to_owned();
    assert!(computed_by(502).starts_with("web-pr-502-") && computed_by(503).starts_with("web-pr-503-"));

    // From a pod: policies let the node itself through, for probes.
    let reaches = |pr: u64, host: &str, port: u16| {
        let script = format!("import socket; socket.create_connection(('{host}', {port}), 3)");
        let namespace = format!("pr-{pr}");
        let target = format!("deployment/web-pr-{pr}-web");
        lab.kubectl(&["exec", "-n", &namespace, &target, "--", "python", "-c", &script]).is_ok()
    };
    let temporal = |pr: u64| format!("web-temporal.pr-{pr}.svc.cluster.local");
    let web = |pr: u64| format!("web-web.pr-{pr}.svc.cluster.local");
    assert!(reaches(502, &temporal(502), 7233), "its own Temporal is open to the app");
    assert!(!reaches(502, &temporal(503), 7233), "another's is closed");
    assert!(!reaches(502, &web(503), 80), "and so are its pods");

    let database = lab.postgres();
    let login = |own: u64, other: u64| {
        let script = format!(
            "import os, psycopg; psycopg.connect(os.environ['DATABASE_URL'].replace('/web_pr_{own}?', '/web_pr_{other}?'))"
        );
        let (namespace, target) = (format!("pr-{own}"), format!("deployment/web-pr-{own}-web"));
        lab.kubectl(&["exec", "-n", &namespace, &target, "--", "python", "-c", &script]).map_err(|e| format!("{e:#}"))
    };
    login(502, 502).unwrap();
    let refused = login(502, 503).unwrap_err();
    assert!(refused.contains("permission denied for database"), "{database}: {refused}");

    for closed in [environment.berth.preview("close", &[]), beside.preview("close", &[])] {
        assert_eq!(closed.code, 0, "{closed:?}");
    }
}

#[test]
fn only_a_changed_secret_replaces_the_pods_that_read_it() {
    let environment = Environment::start(504, &[("GREETING", "Hello")]);
    environment.live('1', "full-v1");
    let before = environment.pods();
    environment.redeploy();
    assert_eq!(environment.pods(), before, "nothing has changed, so no pod is replaced");

    let status = environment.redeploy_with(&[("GREETING", "Servus")]);
    assert_eq!(status["phase"], "Live", "{status}");
    assert_eq!(environment.api("/api/greet?name=Ada")["greeting"], "Servus, Ada!");
    let after = environment.pods();
    assert!(after.values().all(|uid| !before.values().any(|old| old == uid)), "{before:?} {after:?}");
    environment.redeploy();
    assert_eq!(environment.pods(), after);
    assert_eq!(environment.berth.preview("close", &[]).code, 0);
}

#[test]
fn temporal_address_in_doppler_overrides_the_environments_own() {
    let lab = Lab::full().unwrap();
    // The lab's Temporal is not the environment's own, and its address is private.
    let shared = lab.temporal_address_for_pods().to_owned();
    let (host, port) = shared.rsplit_once(':').unwrap();
    let allow = format!("isolation: {{ egress_allow: [{{ cidr: {host}, ports: [{port}] }}] }}\n");
    let environment = Environment::with_lines(505, &allow);
    environment.live('1', "full-v1");
    let own = "web-temporal.pr-505.svc.cluster.local:7233";
    for container in ["web", "python-worker"] {
        assert_eq!(environment.given(container, "TEMPORAL_SERVER_ADDRESS").trim(), own);
    }
    let status = environment.redeploy_with(&[("TEMPORAL_SERVER_ADDRESS", &shared)]);
    assert_eq!(status["phase"], "Live", "{status}");
    assert_eq!(status["secrets"]["temporal_server_address"], shared.as_str());
    assert_eq!(status["secrets"]["temporal_server_address_from"], "doppler");
    assert_eq!(environment.given("web", "TEMPORAL_SERVER_ADDRESS").trim(), shared);

    let status = environment.redeploy_with(&[]);
    assert_eq!(status["secrets"]["temporal_server_address"], own);
    assert_eq!(status["secrets"]["temporal_server_address_from"], "environment");
    assert_eq!(environment.given("web", "TEMPORAL_SERVER_ADDRESS").trim(), own);
    assert_eq!(environment.berth.preview("close", &[]).code, 0);
}

#[test]
fn teardown_drops_the_databases_after_an_outage_of_their_server() {
    let environment = Environment::alone(506, &[]);
    let lab = &environment.berth.lab;
    let before = databases_and_roles(lab, 506);
    environment.live('1', "full-v1");
    let close = environment.berth.begin("close", &[]);
    lab.stop_postgres().unwrap();
    until("the teardown says that the database server is away", || {
        let status = environment.berth.status();
        status["phase"] == "TeardownBlocked" && status["teardown"].to_string().contains("web_pr_506 on previews")
    });
    assert_eq!(environment.berth.object("namespace", "pr-506"), None, "the namespace need not wait for it");
    lab.start_postgres().unwrap();
    let answer = close.wait();
    assert_eq!(answer.code, 0, "{answer:?}");
    assert_eq!(databases_and_roles(lab, 506), before);
    assert_eq!(pods(lab, 506).len(), 0);
}

/// A client that connects to a database and stays.
fn hold(server: SocketAddr, database: &str) -> (Runtime, tokio_postgres::Client) {
    let runtime = Runtime::new().unwrap();
    let client = runtime.block_on(async {
        let mut config = tokio_postgres::Config::new();
        config.host(server.ip().to_string()).port(server.port()).dbname(database);
        config.user(POSTGRES_USER).password(POSTGRES_PASSWORD);
        let (client, connection) = config.connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    });
    (runtime, client)
}

#[test]
fn push_replaces_temporal_within_seconds_and_the_page_stays() {
    let environment = Environment::alone(510, &[]);
    let lab = environment.berth.lab.clone();
    environment.live('1', "full-v1");
    let is_done = AtomicBool::new(false);
    let asks = |path: &'static str| {
        let (mut longest, mut since) = (Duration::ZERO, Instant::now());
        while !is_done.load(Ordering::Relaxed) {
            match lab.get(&environment.host(), path) {
                Ok((200, _)) => (longest, since) = (longest.max(since.elapsed()), Instant::now()),
                _ => std::thread::sleep(Duration::from_millis(50)),
            }
        }
        longest
    };
    let (page, greeting) = std::thread::scope(|scope| {
        let (page, greeting) = (scope.spawn(|| asks("/")), scope.spawn(|| asks("/api/greet?name=Ada")));
        environment.live('2', "full-v2");
        // The first greeting after the push ends the gap in the other thread, too.
        until("the new worker greets", || {
            lab.get(&environment.host(), "/api/greet?name=Ada").is_ok_and(|(s, _)| s == 200)
        });
        is_done.store(true, Ordering::Relaxed);
        (page.join().unwrap(), greeting.join().unwrap())
    });
    println!("in a push: the longest time without a page {page:.1?}, without a greeting {greeting:.1?}");
    // A page that went down with Temporal would be away as long as Temporal.
    assert!(page < Duration::from_secs(5), "the page stays: {page:?}");
    assert!(greeting < Duration::from_secs(60), "Temporal is back: {greeting:?}");
    assert_eq!(environment.berth.preview("close", &[]).code, 0);
}

/// Prints and returns the verdict of the last rollout, which failed.
pub(crate) fn verdict(what: &str, status: &Value) -> Value {
    let verdict = status["failed"]["verdict"].clone();
    let ms = status["rollouts"].as_array().and_then(|rollouts| rollouts.last()).map(|rollout| rollout["ms"].clone());
    println!("{what}: after {} ms: {verdict:#}", ms.unwrap_or_default());
    verdict
}

#[test]
fn idle_or_crashing_worker_is_reported_with_its_log() {
    let environment = Environment::start(507, &[("FAIL_WORKER", "by-not-polling")]);
    let pushed = environment.berth.push('1', &environment.berth.lab.image("full-v1"), &[]);
    assert_eq!(pushed.json["outcome"], "failed", "{pushed:?}");
    let idle = verdict("a worker that takes no work", &environment.berth.status());
    assert_eq!(idle["failure"], "GateFailed");
    assert!(idle["message"].as_str().unwrap().contains("gate python-worker"), "{idle}");
    assert!(idle["log_tail"].to_string().contains("takes no work"), "{idle}");

    let ended =
        verdict("a worker that does not start", &environment.redeploy_with(&[("FAIL_WORKER", "by-not-starting")]));
    // The container counts as ready between two crashes, so either the rollout or the gate may fail first.
    assert!(["CrashLoop", "GateFailed"].contains(&ended["failure"].as_str().unwrap()), "{ended}");
    assert_eq!(ended["container"], "python-worker");
    assert!(ended["log_tail"].to_string().contains("cannot start"), "{ended}");
    assert_eq!(environment.berth.preview("close", &[]).code, 0);
}

#[test]
fn absent_temporal_database_fails_the_gate_until_the_next_push() {
    let environment = Environment::start(508, &[]);
    environment.live('1', "full-v1");
    environment.berth.lab.psql("postgres", "DROP DATABASE web_pr_508_temporal WITH (FORCE)").unwrap();
    let lost = verdict("a server without its database", &environment.redeploy());
    assert_eq!(lost["failure"], "GateFailed");
    assert!(lost["message"].as_str().unwrap().contains("gate temporal-server"), "{lost}");
    environment.live('2', "full-v2");
    assert_eq!(environment.api("/api/greet?name=Ada")["greeting"], "Hello, Ada!");
    assert_eq!(environment.berth.preview("close", &[]).code, 0);
}

#[test]
fn workflow_gate_fails_on_another_result_than_expected() {
    let gate = |expect: &str| {
        format!(
            "  gates: [{{ name: greets, temporal_workflow: \
             {{ task_queue: $KUBE_APP, type: Greeting, input: Ada, expect: {expect} }} }}]\n"
        )
    };
    let environment = Environment::with_lines(509, &gate("Goodbye"));
    let pushed = environment.berth.push('1', &environment.berth.lab.image("full-v1"), &[]);
    assert_eq!(pushed.json["outcome"], "failed", "{pushed:?}");
    let other = verdict("a workflow with another result", &environment.berth.status());
    assert_eq!(other["failure"], "GateFailed");
    assert!(other["message"].as_str().unwrap().contains("gate greets"), "{other}");
    environment.set_lines(&gate("Ada"));
    assert_eq!(environment.redeploy()["phase"], "Live");
    assert_eq!(environment.berth.preview("close", &[]).code, 0);
}
