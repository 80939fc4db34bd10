mod workloads;

use serde_json::json;

use super::*;
use crate::render::examples;

fn findings(documents: impl IntoIterator<Item = Value>, kind: EnvironmentKind, provided: &Provided) -> Vec<String> {
    let input = match kind {
        EnvironmentKind::Preview => examples::preview(),
        EnvironmentKind::Production => examples::production(),
    };
    let objects = documents.into_iter().map(|document| Object::new("a.yaml", 1, document)).collect();
    let rendered = Rendered { stages: vec![objects], notes: Vec::new() };
    let found = check_references(&rendered, &examples::policy(&input), provided);
    found
        .iter()
        .map(|finding| format!("{:?} {}", finding.severity, finding.field.as_deref().unwrap_or_default()))
        .collect()
}

fn preview(documents: impl IntoIterator<Item = Value>) -> Vec<String> {
    findings(documents, EnvironmentKind::Preview, &Provided::default())
}

fn deployment(spec: Value) -> Value {
    let template = json!({"metadata": {"labels": {"app": "web"}}, "spec": spec});
    json!({"kind": "Deployment", "metadata": {"name": "web"}, "spec": {"template": template}})
}

fn service(port: Value) -> Value {
    json!({"kind": "Service", "metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [port]}})
}

fn ingress(service: &str, port: Value) -> Value {
    let paths = json!([{"backend": {"service": {"name": service, "port": port}}}]);
    json!({"kind": "Ingress", "metadata": {"name": "web"}, "spec": {"rules": [{"http": {"paths": paths}}],
        "tls": [{"secretName": "web-tls"}]}})
}

fn web(port_name: &str) -> Value {
    deployment(json!({"containers": [{"name": "web", "ports": [{"name": port_name, "containerPort": 8080}]}]}))
}

#[test]
fn ingress_needs_its_service_and_its_port() {
    let to = |name: &str, port| {
        [web("http"), service(json!({"name": "www", "port": 80, "targetPort": "http"})), ingress(name, port)]
    };
    assert_eq!(preview(to("web", json!({"number": 80}))), [""; 0]);
    assert_eq!(preview(to("web", json!({"name": "www"}))), [""; 0]);
    let path = "spec.rules[0].http.paths[0].backend.service";
    assert_eq!(preview(to("other", json!({"number": 80}))), [format!("Error {path}.name")]);
    assert_eq!(preview(to("web", json!({"number": 8080}))), [format!("Error {path}.port")]);
    assert_eq!(preview(to("web", json!({"name": "http"}))), [format!("Error {path}.port")]);
}

#[test]
fn named_target_port_must_be_of_a_selected_pod() {
    for (target, expected) in [
        (json!("http"), None),
        (json!(9000), None),
        (json!("9000"), None),
        (json!("https"), Some("Error spec.ports[0].targetPort".to_owned())),
    ] {
        assert_eq!(
            preview([web("http"), service(json!({"port": 80, "targetPort": target}))]),
            Vec::from_iter(expected)
        );
    }
    assert_eq!(preview([service(json!({"port": 80}))]), ["Warning spec.selector"]);
}

#[test]
fn named_target_port_must_be_of_a_container_that_stays() {
    let pod = |init: Value| {
        let ports = json!([{"name": "dns", "containerPort": 53, "protocol": "UDP"}]);
        deployment(json!({"containers": [{"name": "web", "ports": ports}], "initContainers": [init]}))
    };
    let ports = json!([{"name": "https", "containerPort": 8443}]);
    let setup = json!({"name": "setup", "ports": ports});
    let proxy = json!({"name": "proxy", "restartPolicy": "Always", "ports": ports});
    let wrong = ["Error spec.ports[0].targetPort"];
    assert_eq!(preview([pod(setup.clone()), service(json!({"port": 443, "targetPort": "https"}))]), wrong);
    assert_eq!(preview([pod(proxy), service(json!({"port": 443, "targetPort": "https"}))]), [""; 0]);
    assert_eq!(preview([pod(setup.clone()), service(json!({"port": 53, "targetPort": "dns"}))]), wrong);
    let udp = json!({"port": 53, "targetPort": "dns", "protocol": "UDP"});
    assert_eq!(preview([pod(setup), service(udp)]), [""; 0]);
}

#[test]
fn what_nobody_makes_is_named_once() {
    let container = json!({"name": "web",
        "envFrom": [{"secretRef": {"name": "a"}}, {"configMapRef": {"name": "b", "optional": true}}],
        "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "a", "key": "x"}}},
            {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "x"}}}]});
    let spec = json!({"containers": [container], "serviceAccountName": "s", "imagePullSecrets": [{"name": "regcred"}],
        "volumes": [{"persistentVolumeClaim": {"claimName": "data"}}, {"secret": {"secretName": "a"}},
            {"projected": {"sources": [{"configMap": {"name": "kube-root-ca.crt"}}, {"secret": {"name": "d"}}]}}]});
    let at = "spec.template.spec";
    let expected = |claim: &str| {
        vec![
            format!("{claim} {at}.serviceAccountName"),
            format!("Warning {at}.imagePullSecrets[0]"),
            format!("{claim} {at}.volumes[0].persistentVolumeClaim.claimName"),
            format!("Warning {at}.volumes[1].secret.secretName"),
            format!("Warning {at}.volumes[2].projected.sources[1].secret.name"),
            format!("Warning {at}.containers[0].env[1].valueFrom.configMapKeyRef.name"),
        ]
    };
    assert_eq!(preview([deployment(spec.clone())]), expected("Error"));
    let provided = Provided::default();
    assert_eq!(findings([deployment(spec.clone())], EnvironmentKind::Production, &provided), expected("Warning"));
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let provided =
        Provided { secrets: names(&["a", "d", "regcred"]), config_maps: names(&["c"]), claims: names(&["data"]) };
    let account = json!({"kind": "ServiceAccount", "metadata": {"name": "s"}});
    assert_eq!(findings([deployment(spec), account], EnvironmentKind::Preview, &provided), [""; 0]);
}

#[test]
fn secret_of_berth_is_there() {
    let managed = examples::preview().doppler_managed_secret.unwrap();
    let container = json!({"name": "web", "envFrom": [{"secretRef": {"name": managed}}]});
    assert_eq!(preview([deployment(json!({"containers": [container]}))]), [""; 0]);
}

#[test]
fn key_must_be_in_a_config_map_of_the_manifests() {
    let config = json!({"kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"x": "1"}});
    let with_key = |key: &str| {
        let container =
            json!({"name": "web", "env": [{"name": "B", "valueFrom": {"configMapKeyRef": {"name": "c", "key": key}}}]});
        preview([deployment(json!({"containers": [container]})), config.clone()])
    };
    assert_eq!(with_key("x"), [""; 0]);
    assert_eq!(with_key("y"), ["Error spec.template.spec.containers[0].env[0].valueFrom.configMapKeyRef.key"]);
}

#[test]
fn autoscaler_needs_its_workload() {
    let scaler = |name: &str| {
        json!({"kind": "HorizontalPodAutoscaler", "metadata": {"name": "h"},
            "spec": {"scaleTargetRef": {"kind": "Deployment", "name": name}}})
    };
    assert_eq!(preview([web("http"), scaler("web")]), [""; 0]);
    assert_eq!(preview([web("http"), scaler("other")]), ["Error spec.scaleTargetRef"]);
}

#[test]
fn service_may_select_by_labels_that_controllers_set() {
    let select = |labels: Value| json!({"kind": "Service", "metadata": {"name": "one"}, "spec": {"selector": labels, "ports": [{"port": 80}]}});
    let workload = |kind: &str, name: &str| {
        json!({"kind": kind, "metadata": {"name": name}, "spec": {"template": {
            "metadata": {"labels": {"app": "mongo"}}, "spec": {"containers": [{"name": "web"}]}}}})
    };
    let of = |labels: Value| preview([workload("StatefulSet", "mongo"), workload("Job", "migrate"), select(labels)]);
    assert_eq!(of(json!({"statefulset.kubernetes.io/pod-name": "mongo-0"})), [""; 0]);
    assert_eq!(of(json!({"app": "mongo", "apps.kubernetes.io/pod-index": "1"})), [""; 0]);
    assert_eq!(of(json!({"batch.kubernetes.io/job-name": "migrate"})), [""; 0]);
    for wrong in [json!({"statefulset.kubernetes.io/pod-name": "redis-0"}), json!({"job-name": "mongo"})] {
        assert_eq!(of(wrong.clone()).len(), 1, "{wrong}");
    }
}

#[test]
fn account_of_the_old_field_is_looked_up() {
    let findings = preview([deployment(json!({"serviceAccount": "reporter", "containers": [{"name": "web"}]}))]);
    assert_eq!(findings, ["Error spec.template.spec.serviceAccount"]);
}
