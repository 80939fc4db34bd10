//! Rules for traffic.

use serde_json::{Value, json};

use super::*;
use crate::render::template;

#[test]
fn ingress_with_other_hosts_is_refused() {
    let ingress = |spec: Value| object("networking.k8s.io/v1", "Ingress", spec);
    let good = json!({
        "tls": [{"hosts": ["pr-123.example.com"]}],
        "rules": [{"host": "pr-123.example.com"}, {"host": "pr-123-temporal.example.com"}],
    });
    assert_eq!(refused(ingress(good)), [""; 0]);
    for (spec, field) in [
        (json!({"rules": [{"host": "pr-124.example.com"}]}), "spec.rules[0].host"),
        (json!({"rules": [{"host": "*.example.com"}]}), "spec.rules[0].host"),
        (json!({"rules": [{"http": {}}]}), "spec.rules[0]"),
        (json!({"rules": [{"host": ""}]}), "spec.rules[0]"),
        (json!({"tls": [{"hosts": ["app.example.com"]}]}), "spec.tls[0].hosts[0]"),
        (json!({"defaultBackend": {"service": {"name": "web"}}}), "spec.defaultBackend"),
        (
            json!({"rules": [{"host": "pr-123.example.com", "http": {"paths": [{"backend": {"resource": {"kind": "X"}}}]}}]}),
            "spec.rules[0].http.paths[0].backend.resource",
        ),
    ] {
        assert_eq!(refused(ingress(spec)), [field]);
    }
}

#[test]
fn annotations_that_leave_the_environment_are_refused() {
    for (key, value) in [
        ("nginx.ingress.kubernetes.io/configuration-snippet", "x"),
        ("nginx.org/server-snippets", "x"),
        ("nginx.ingress.kubernetes.io/server-alias", "app.example.com"),
        ("nginx.ingress.kubernetes.io/from-to-www-redirect", "true"),
        ("nginx.ingress.kubernetes.io/auth-secret", "other/secret"),
        ("external-dns.alpha.kubernetes.io/hostname", "pr-123.example.com,app.example.com"),
        ("cert-manager.io/alt-names", "app.example.com"),
    ] {
        let document = named("networking.k8s.io/v1", "Ingress", json!({"name": "x", "annotations": {key: value}}));
        assert_eq!(refused(document), [format!("metadata.annotations[{key}]")]);
    }
    for (key, value) in [
        ("nginx.ingress.kubernetes.io/rewrite-target", "/"),
        ("nginx.ingress.kubernetes.io/auth-secret", "secret"),
        ("external-dns.alpha.kubernetes.io/hostname", "pr-123.example.com"),
    ] {
        let document = named("networking.k8s.io/v1", "Ingress", json!({"name": "x", "annotations": {key: value}}));
        assert_eq!(refused(document), [""; 0]);
    }
}

#[test]
fn host_with_a_final_dot_is_the_same_host() {
    let refused = |key: &str, value: &str| {
        refused(named("networking.k8s.io/v1", "Ingress", json!({"name": "x", "annotations": {key: value}}))).len()
    };
    for (key, value, errors) in [
        ("external-dns.alpha.kubernetes.io/hostname", "pr-123.example.com.", 0),
        ("external-dns.alpha.kubernetes.io/hostname", "pr-123.example.com., pr-123.example.com", 0),
        ("external-dns.alpha.kubernetes.io/internal-hostname", "pr-123.example.com.", 0),
        ("cert-manager.io/common-name", "pr-123.example.com.", 0),
        ("external-dns.alpha.kubernetes.io/hostname", "app.example.com.", 1),
        ("external-dns.alpha.kubernetes.io/hostname", "pr-123.example.com..", 1),
        ("external-dns.alpha.kubernetes.io/hostname", ".", 1),
        ("nginx.ingress.kubernetes.io/server-alias-regex", "pr-123.example.com.", 1),
    ] {
        assert_eq!(refused(key, value), errors, "{key}: {value}");
    }
}

#[test]
fn preview_service_outside_the_cluster_is_refused() {
    let service = |spec: Value| object("v1", "Service", spec);
    assert_eq!(refused(service(json!({"type": "ClusterIP", "ports": [{"port": 7233}]}))), [""; 0]);
    assert_eq!(refused(service(json!({"clusterIP": "None"}))), [""; 0]);
    for kind in ["LoadBalancer", "ExternalName", "nodeport", "NodePort "] {
        let document = service(json!({"type": kind}));
        assert_eq!(refused(document.clone()), ["spec.type"]);
        assert_eq!(refused_by(document, &production_policy()), [""; 0]);
    }
    assert_eq!(refused(service(json!({"externalIPs": ["1.2.3.4"]}))), ["spec.externalIPs"]);
}

#[test]
fn preview_node_port_service_becomes_cluster_ip_with_a_note() {
    let spec = json!({
        "type": "NodePort",
        "externalTrafficPolicy": "Local",
        "ports": [{"port": 8080, "targetPort": "http", "nodePort": 30080}],
    });
    let (objects, findings) = checked(object("v1", "Service", spec.clone()), &preview_policy());
    assert_eq!(
        objects[0].document["spec"],
        json!({"type": "ClusterIP", "ports": [{"port": 8080, "targetPort": "http"}]})
    );
    let notes: Vec<_> = findings.iter().map(|finding| (finding.severity, finding.field.as_deref())).collect();
    assert_eq!(notes, [(Severity::Note, Some("spec.type")), (Severity::Note, Some("spec.ports[0].nodePort"))]);

    let (objects, findings) = checked(object("v1", "Service", spec.clone()), &production_policy());
    assert_eq!((&objects[0].document["spec"], findings), (&spec, vec![]));
    let mut outside = spec;
    outside["externalIPs"] = json!(["1.2.3.4"]);
    assert_eq!(refused(object("v1", "Service", outside)), ["spec.externalIPs"]);
}

#[test]
fn temporal_port_outside_the_cluster_is_refused() {
    let temporal = "
apiVersion: v1
kind: Service
metadata: {name: temporal}
spec: {type: NodePort, ports: [{name: front, port: 80, targetPort: grpc}, {name: ui, port: 8080}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: temporal}
spec: {template: {spec: {containers: [{name: temporal, ports: [{name: grpc, containerPort: 7233}]}]}}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  rules:
  - host: app.example.com
    http:
      paths:
      - backend: {service: {name: temporal, port: {number: 80}}}
      - backend: {service: {name: temporal, port: {name: front}}}
      - backend: {service: {name: temporal, port: {number: 8080}}}
      - backend: {service: {name: elsewhere, port: {number: 7233}}}
";
    let (documents, _) = template::documents("web/core/app.yaml", temporal, None);
    let mut findings = Vec::new();
    let objects: Vec<_> = documents
        .into_iter()
        .flat_map(|document| Object::from_document("web/core/app.yaml", document, &mut findings))
        .collect();
    let Checked { findings, .. } = check(objects, &production_policy());
    let positions: Vec<_> = findings.iter().map(|finding| (finding.line, finding.field.as_deref().unwrap())).collect();
    assert_eq!(
        positions,
        [
            (5, "spec.ports[0]"),
            (20, "spec.rules[0].http.paths[0].backend.service.port"),
            (21, "spec.rules[0].http.paths[1].backend.service.port"),
            (23, "spec.rules[0].http.paths[3].backend.service.port"),
        ]
    );
}
