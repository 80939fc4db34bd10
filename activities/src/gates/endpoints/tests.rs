//! Endpoints of a Service, as controllers list them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::rollout::fixtures::{case, owner, pod, put, replica_set, snapshot, workload};

fn behind(port: BackendPort) -> Vec<BehindIngress> {
    vec![BehindIngress { service: "web".into(), ingress: "web".into(), port }]
}

fn slice(pod: &str, ready: bool) -> Value {
    json!({"kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": "web-x", "labels": {"kubernetes.io/service-name": "web"}},
        "endpoints": [{"addresses": ["10.88.1.7"], "conditions": {"ready": ready}, "targetRef": {"kind": "Pod", "name": pod}}]})
}

fn with_ports(mut slice: Value, ports: Value) -> Value {
    slice["ports"] = ports;
    slice
}

fn missing_port(snapshot: &Snapshot, workloads: &[Workload], port: BackendPort) -> Option<Missing> {
    let services = behind(port);
    Look { workloads, services: &services, earlier: EarlierOwners::default() }.missing(snapshot)
}

fn missing(snapshot: &Snapshot, workloads: &[Workload]) -> Option<String> {
    missing_port(snapshot, workloads, BackendPort::Any).map(|missing| missing.message)
}

fn web() -> [Workload; 1] {
    [workload("Deployment", "web", 2)]
}

fn named(target: Option<&str>) -> BackendPort {
    BackendPort::Known(ServicePort {
        name: "http".to_owned(),
        number: "80".to_owned(),
        protocol: "TCP".to_owned(),
        named_target: target.map(str::to_owned),
        selector: BTreeMap::from([("app".to_owned(), "web".to_owned())]),
    })
}

#[test]
fn only_a_ready_pod_of_the_new_revision_makes_a_service_serve() {
    let mut snapshot = snapshot("ready");
    let running = case("ready");
    put(&mut snapshot, &replica_set("web-4c7e", "1", &json!(null)));
    put(&mut snapshot, &pod("web-4c7e-fghij", "old-uid", "web-4c7e", &running["pod"]));
    let expected = "Service web of Ingress web had no ready endpoint of the new revision";
    assert_eq!(missing(&snapshot, &web()).as_deref(), Some(expected));
    for (endpoint, serves) in [
        (slice("web-4c7e-fghij", true), false),
        (slice("web-5d8f-abcde", false), false),
        (slice("never-seen", true), false),
        (slice("web-5d8f-abcde", true), true),
    ] {
        put(&mut snapshot, &endpoint);
        assert_eq!(missing(&snapshot, &web()).is_none(), serves, "{endpoint}");
    }
}

#[test]
fn an_endpoint_outside_the_release_always_counts() {
    let mut snapshot = snapshot("ready");
    let mut by_hand = pod("by-hand", "by-hand-uid", "none", &case("ready")["pod"]);
    by_hand["metadata"]["ownerReferences"] = json!([]);
    put(&mut snapshot, &by_hand);
    put(&mut snapshot, &slice("by-hand", true));
    assert_eq!(missing(&snapshot, &web()), None);
}

#[test]
fn an_endpoint_with_an_unknown_owner_does_not_count() {
    let mut snapshot = snapshot("ready");
    put(&mut snapshot, &pod("web-9c9c-abcde", "x-uid", "web-9c9c", &case("ready")["pod"]));
    put(&mut snapshot, &slice("web-9c9c-abcde", true));
    assert!(missing(&snapshot, &web()).is_some());
    put(&mut snapshot, &replica_set("web-5d8f", "1", &json!(null)));
    put(&mut snapshot, &replica_set("web-9c9c", "2", &json!(null)));
    assert!(missing(&snapshot, &web()).is_none(), "its owner is listed now");
}

#[test]
fn pod_kept_by_the_strategy_makes_a_service_serve() {
    let mut snapshot = snapshot("ready");
    let set = |strategy: Value| {
        json!({"kind": "StatefulSet", "metadata": {"name": "db", "uid": "db-uid"},
            "spec": {"selector": {}, "template": {}, "updateStrategy": strategy}, "status": {"replicas": 1, "updateRevision": "new"}})
    };
    let mut old = pod("db-0", "db-0-uid", "none", &case("ready")["pod"]);
    old["metadata"]["ownerReferences"] = json!([owner("StatefulSet", "db", "db-uid")]);
    old["metadata"]["labels"] = json!({"controller-revision-hash": "old"});
    put(&mut snapshot, &old);
    put(&mut snapshot, &slice("db-0", true));
    for (strategy, serves) in [
        (json!({"type": "RollingUpdate"}), false),
        (json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}), true),
        (json!({"type": "OnDelete"}), true),
    ] {
        put(&mut snapshot, &set(strategy.clone()));
        assert_eq!(missing(&snapshot, &[workload("StatefulSet", "db", 1)]).is_none(), serves, "{strategy}");
    }
}

#[test]
fn named_target_port_that_no_pod_has_is_told_at_once() {
    let mut snapshot = snapshot("ready");
    let mut web_pod = serde_json::to_value(snapshot.pods.get("web-5d8f-abcde").unwrap()).unwrap();
    web_pod["kind"] = json!("Pod");
    web_pod["metadata"]["labels"] = json!({"app": "web"});
    web_pod["spec"]["containers"][0]["ports"] = json!([{"name": "dns", "containerPort": 53, "protocol": "UDP"}]);
    put(&mut snapshot, &web_pod);
    // The controller lists the pod without a port.
    put(&mut snapshot, &with_ports(slice("web-5d8f-abcde", true), json!([])));
    for target in ["https", "dns"] {
        let missing = missing_port(&snapshot, &web(), named(Some(target))).unwrap();
        let expected = format!(
            "port 80 of Service web, to which Ingress web leads, has the targetPort {target}, and no container of the pods that \
             it selects has a port with that name"
        );
        assert_eq!((missing.message, missing.is_final), (expected, Some(NO_SUCH_PORT)));
    }
    web_pod["spec"]["initContainers"] = json!([
        {"name": "setup", "ports": [{"name": "once", "containerPort": 1}]},
        {"name": "proxy", "restartPolicy": "Always", "ports": [{"name": "https", "containerPort": 8443}]}]);
    put(&mut snapshot, &web_pod);
    assert!(missing_port(&snapshot, &web(), named(Some("once"))).unwrap().is_final.is_some(), "it has ended");
    let late = missing_port(&snapshot, &web(), named(Some("https"))).unwrap();
    assert_eq!(late.is_final, None, "a sidecar has it, and the slice is late");
    assert!(late.message.ends_with("of the new revision with port 80"), "{late:?}");
    let listed = json!([{"name": "http", "port": 8443, "protocol": "TCP"}]);
    put(&mut snapshot, &with_ports(slice("web-5d8f-abcde", true), listed));
    assert_eq!(missing_port(&snapshot, &web(), named(Some("https"))), None);
}

#[test]
fn each_port_behind_an_ingress_needs_an_endpoint() {
    let mut snapshot = snapshot("ready");
    put(&mut snapshot, &with_ports(slice("web-5d8f-abcde", true), json!([{"name": "metrics", "port": 9090}])));
    let missing = missing_port(&snapshot, &web(), named(None)).unwrap();
    assert_eq!(missing.is_final, None, "the slice may be late: {missing:?}");
    let absent = missing_port(&snapshot, &web(), BackendPort::Missing("8081".into())).unwrap();
    assert_eq!(absent.message, "Ingress web leads to port 8081 of Service web, which has no such port");
    assert_eq!(absent.is_final, Some(NO_SERVICE_PORT));
}

#[test]
fn named_target_port_is_not_judged_without_a_ready_pod_of_the_release() {
    let mut snapshot = snapshot("ready");
    let missing = missing_port(&snapshot, &web(), named(Some("https"))).unwrap();
    assert_eq!(missing.is_final, None, "the Service selects no pod: {missing:?}");
    put(&mut snapshot, &pod("web-9c9c-abcde", "x-uid", "web-9c9c", &case("ready")["pod"]));
    assert_eq!(missing_port(&snapshot, &web(), named(Some("https"))).unwrap().is_final, None);
}
