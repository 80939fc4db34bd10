//! Gates against a fake API server. Requests over a port-forward are tested in `http`, and on real pods.

mod gaps;

use berth_workflows::contract::checks::UNOBSERVED_SECONDS;
use serde_json::{Value, json};

use super::*;
use crate::{
    context::TestContext,
    examples::environment,
    fake_api_server::{FakeApiServer, status_object},
    rollout::fixtures::{case, deployment, pod, replica_set, rolled_out, workload},
};

const POD: &str = "/api/v1/namespaces/pr-1/pods/web-5d8f-abcde";

fn input() -> CheckGatesInput {
    CheckGatesInput {
        environment: environment(),
        workloads: vec![workload("Deployment", "web", 2)],
        stored_release: "berth-release-1".into(),
        secret: "web-secrets-1".into(),
        stability_seconds: 0,
        temporal_server_address: None,
        deploy_id: 1,
        unobserved_seconds: UNOBSERVED_SECONDS,
        observe_seconds: 0,
    }
}

fn put_pod(server: &FakeApiServer, status: &Value) {
    let pod = pod("web-5d8f-abcde", "pod-uid", "web-5d8f", status);
    server.put("/api/v1/namespaces/pr-1/pods", &pod);
}

fn put_endpoints(server: &FakeApiServer, ready: bool) {
    let slice = json!({
        "metadata": {"name": "web-x", "labels": {"kubernetes.io/service-name": "web"}}, "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.88.1.7"], "conditions": {"ready": ready},
            "targetRef": {"kind": "Pod", "name": "web-5d8f-abcde"}}],
    });
    server.put("/apis/discovery.k8s.io/v1/namespaces/pr-1/endpointslices", &slice);
}

fn ingress(name: &str, service: &str) -> Value {
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": name},
        "spec": {"defaultBackend": {"service": {"name": service}}}})
}

/// A release with a Service behind an Ingress.
fn release(gates: &[Gate]) -> StoredRelease {
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {}});
    StoredRelease {
        version: None,
        commit: "c".into(),
        secret: "web-secrets-1".into(),
        objects: vec![service, ingress("web", "web")],
        pod_security: None,
        pull_secret: None,
        gates: gates.to_vec(),
    }
}

/// The same release, serving.
fn live() -> FakeApiServer {
    let server = FakeApiServer::default();
    server.put("/apis/apps/v1/namespaces/pr-1/deployments", &deployment(rolled_out()));
    server.put("/apis/apps/v1/namespaces/pr-1/replicasets", &replica_set("web-5d8f", "2", &json!(null)));
    put_pod(&server, &case("ready")["pod"]);
    let secret = json!({"metadata": {"name": "web-secrets-1"}, "data": {"PASSWORD": "Y29ycmVjdC1ob3JzZQ=="}});
    server.put("/api/v1/namespaces/pr-1/secrets", &secret);
    put_endpoints(&server, true);
    server
}

async fn checked(server: &FakeApiServer, gates: &[Gate], stability: u64) -> Result<GatesChecked, Failure> {
    let input = CheckGatesInput { stability_seconds: stability, ..input() };
    check(TestContext::new(server.client()).context(), input, &release(gates)).await
}

fn gate() -> Gate {
    let gate = json!({"name": "web", "http": {"workload": "web", "port": 8080, "path": "/"}, "deadline": "10s"});
    serde_json::from_value(gate).unwrap()
}

fn verdict(checked: GatesChecked) -> Verdict {
    match checked.outcome {
        Outcome::Failed { verdict } => verdict,
        other => panic!("should have failed: {other:?}"),
    }
}

/// Why nothing was seen of the release.
fn unobserved(checked: GatesChecked) -> String {
    match checked.outcome {
        Outcome::NotObserved { reason, .. } => reason,
        other => panic!("should not have been observed: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn endpoints_are_checked_without_gates_of_the_app() {
    let checked = checked(&live(), &[], 0).await.unwrap();
    assert_eq!(checked.outcome, Outcome::Complete);
    assert_eq!(checked.gates, [GatePassed { name: "endpoints".into(), ms: 0 }]);
}

#[tokio::test(start_paused = true)]
async fn an_ingress_left_by_a_failed_release_is_not_checked() {
    let server = live();
    server.put("/apis/networking.k8s.io/v1/namespaces/pr-1/ingresses", &ingress("left", "gone"));
    let checked = checked(&server, &[], 0).await.unwrap();
    assert_eq!(checked.outcome, Outcome::Complete);
    let asked = server.requests();
    assert!(!asked.iter().any(|r| r.contains("/ingresses") || r.contains("/services")), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn late_endpoints_are_waited_for_and_missing_ones_are_a_verdict() {
    let server = live();
    put_endpoints(&server, false);
    let late = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        put_endpoints(&server, true);
    };
    let (passed, ()) = tokio::join!(checked(&server, &[], 0), late);
    assert_eq!(passed.unwrap().gates, [GatePassed { name: "endpoints".into(), ms: 3000 }]);

    put_endpoints(&server, false);
    let verdict = verdict(checked(&server, &[], 0).await.unwrap());
    assert_eq!(verdict.failure, FailureType::GateFailed);
    assert!(verdict.message.starts_with("gate endpoints: Service web of Ingress web"), "{}", verdict.message);
}

#[tokio::test(start_paused = true)]
async fn a_gate_with_an_unreachable_pod_fails_at_its_deadline_with_its_log() {
    let server = live();
    server.answer(&format!("{POD}/portforward"), 500, "no correct-horse for you");
    server.answer(&format!("{POD}/log"), 200, "using correct-horse\n");
    let begun = Instant::now();
    let checked = checked(&server, &[gate()], 0).await.unwrap();
    assert!(begun.elapsed() <= Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(checked.gates.iter().map(|gate| gate.name.as_str()).collect::<Vec<_>>(), ["endpoints"]);
    let verdict = verdict(checked);
    assert!(verdict.message.starts_with("gate web: GET / on port 8080 of web: the port-forward to pod"), "{verdict:?}");
    assert_eq!((verdict.workload.as_deref(), verdict.container.as_deref()), (Some("Deployment/web"), Some("web")));
    assert_eq!(verdict.log_tail, ["using ***"]);
}

#[tokio::test(start_paused = true)]
async fn secret_of_another_pod_is_removed_from_a_gates_verdict() {
    let server = live();
    let mut other = pod("db-0", "db-uid", "none", &case("ready")["pod"]);
    other["spec"]["containers"][0]["envFrom"] = json!([{"secretRef": {"name": "db"}}]);
    server.put("/api/v1/namespaces/pr-1/pods", &other);
    let secret = json!({"metadata": {"name": "db"}, "data": {"POSTGRES_PASSWORD": "YmF0dGVyeS1zdGFwbGU="}});
    server.put("/api/v1/namespaces/pr-1/secrets", &secret);
    server.answer(&format!("{POD}/portforward"), 500, "no");
    server.answer(&format!("{POD}/log"), 200, "the database said: battery-staple is wrong\n");
    let failed = verdict(checked(&server, &[gate()], 0).await.unwrap());
    assert_eq!(failed.log_tail, ["the database said: *** is wrong"]);

    server.refuse("GET /api/v1/namespaces/pr-1/secrets/db", 500);
    let failed = verdict(checked(&server, &[gate()], 0).await.unwrap());
    assert!(failed.log_tail.is_empty(), "it cannot be redacted: {failed:?}");
    assert!(failed.message.starts_with("gate web: GET / on port 8080 of web: "), "{}", failed.message);
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_berth_may_not_check_is_not_observed() {
    let server = live();
    server.answer(&format!("{POD}/portforward"), 403, status_object(403, "pods/portforward is forbidden"));
    let begun = Instant::now();
    let reason = unobserved(checked(&server, &[gate()], 0).await.unwrap());
    assert!(reason.contains("pods/portforward is forbidden"), "{reason}");
    assert!((30..=33).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn only_a_release_without_restarts_passes_the_stability_window() {
    let passed = checked(&live(), &[], 10).await.unwrap();
    assert_eq!(passed.outcome, Outcome::Complete);
    assert_eq!(passed.gates[1], GatePassed { name: "stability".into(), ms: 10_000 });

    let server = live();
    server.answer(&format!("{POD}/log"), 200, "out of correct-horse\n");
    let restart = async {
        tokio::time::sleep(Duration::from_secs(4)).await;
        let mut status = case("ready")["pod"].clone();
        status["containerStatuses"][0]["restartCount"] = json!(1);
        status["containerStatuses"][0]["lastState"] = json!({"terminated": {"exitCode": 2}});
        put_pod(&server, &status);
    };
    let (failed, ()) = tokio::join!(checked(&server, &[], 10), restart);
    let verdict = verdict(failed.unwrap());
    assert_eq!((verdict.failure, verdict.exit_code), (FailureType::GateFailed, Some(2)));
    assert!(verdict.message.starts_with("gate stability: container web of pod"), "{}", verdict.message);
    assert_eq!(verdict.log_tail, ["out of ***"]);
}
