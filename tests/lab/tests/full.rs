//! Checks of a full lab's additions.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use std::{
    io::Write as _,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use berth_lab::Lab;
use serde_json::{Value, json};

const WITHIN: Duration = Duration::from_secs(60);

/// The full lab. `None`, with a message on stderr, where this machine cannot have one.
fn lab() -> Option<Lab> {
    Lab::can_be_full().then(|| Lab::full().unwrap())
}

#[test]
fn stopped_database_server_stays_down_and_a_killed_one_is_restarted() {
    let Some(lab) = lab() else { return };
    lab.psql("postgres", "create table if not exists lab_kept (n int); insert into lab_kept values (1)").unwrap();

    lab.stop_postgres().unwrap();
    assert!(lab.psql("postgres", "select 1").is_err());
    lab.start_postgres().unwrap();
    assert_eq!(lab.psql("postgres", "select distinct n from lab_kept").unwrap().trim(), "1");

    lab.kill("postgres").unwrap();
    until("the database server to answer", || lab.psql("postgres", "select 1").is_ok());
    lab.psql("postgres", "drop table lab_kept").unwrap();
}

#[test]
fn policy_closes_a_pod_and_an_ingress_opens_it_to_this_machine() {
    let Some(lab) = lab() else { return };
    let [home, elsewhere] = ["lab-full-home", "lab-full-elsewhere"];
    let mut objects = vec![policy(home), ingress(home)];
    for namespace in [home, elsewhere] {
        objects.extend(serving_pod(namespace, &lab.image("full-v1")));
    }
    apply(&lab, &objects);
    for namespace in [home, elsewhere] {
        lab.kubectl(&["wait", "--for=condition=Ready", "pod/server", "-n", namespace, "--timeout=120s"]).unwrap();
    }

    let address = format!("server.{home}.svc.cluster.local");
    until("its own namespace to be let in", || connects(&lab, home, &address));
    until("another namespace to be kept out", || !connects(&lab, elsewhere, &address));
    until("the ingress controller to be let in", || {
        lab.get("lab-full.localhost", "/").is_ok_and(|(status, _)| status == 200)
    });
    lab.kubectl(&["delete", "namespace", home, elsewhere]).unwrap();
}

/// Whether the pod of a namespace can connect to an address.
fn connects(lab: &Lab, namespace: &str, address: &str) -> bool {
    let program = format!("import socket; socket.create_connection(('{address}', 80), 2)");
    lab.kubectl(&["exec", "-n", namespace, "server", "--", "python", "-c", &program]).is_ok()
}

fn serving_pod(namespace: &str, image: &str) -> Vec<Value> {
    vec![
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}),
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "server", "namespace": namespace, "labels": {"app": "server"}},
            "spec": {
                "terminationGracePeriodSeconds": 0,
                "containers": [{
                    "name": "server",
                    "image": image,
                    "command": ["python", "-m", "http.server", "8080", "--directory", "/tmp"],
                    "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
                }],
            },
        }),
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "server", "namespace": namespace},
            "spec": {"selector": {"app": "server"}, "ports": [{"port": 80, "targetPort": 8080}]},
        }),
    ]
}

fn policy(namespace: &str) -> Value {
    let controller = json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}});
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "home", "namespace": namespace},
        "spec": {"podSelector": {}, "ingress": [{"from": [{"podSelector": {}}, controller]}]},
    })
}

fn ingress(namespace: &str) -> Value {
    let backend = json!({"service": {"name": "server", "port": {"number": 80}}});
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "server", "namespace": namespace},
        "spec": {"rules": [{
            "host": "lab-full.localhost",
            "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]},
        }]},
    })
}

/// Applies objects, namespaces first.
fn apply(lab: &Lab, objects: &[Value]) {
    let mut sorted = objects.to_vec();
    sorted.sort_by_key(|object| object["kind"] != "Namespace");
    let mut kubectl = Command::new(lab.tool("kubectl"));
    kubectl.arg("--kubeconfig").arg(lab.kubeconfig()).args(["apply", "-f", "-"]).stdin(Stdio::piped());
    let mut kubectl = kubectl.spawn().unwrap();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": sorted});
    kubectl.stdin.take().unwrap().write_all(list.to_string().as_bytes()).unwrap();
    assert!(kubectl.wait().unwrap().success());
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < WITHIN, "waiting for {what}");
        thread::sleep(Duration::from_millis(100));
    }
}
