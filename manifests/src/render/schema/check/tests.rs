//! Fields whose text Kubernetes reads further.

use serde_json::{Value, json};

use super::*;

fn errors(document: Value) -> Vec<String> {
    let found = check(&Object::new("a.yaml", 1, document)).into_iter().filter(Finding::is_error);
    found.map(|finding| format!("{}: {}", finding.field.unwrap_or_default(), finding.message)).collect()
}

#[test]
fn quantity_is_checked_wherever_a_kind_has_one() {
    let spec = |memory: &str| {
        let resources = json!({"limits": {"memory": memory, "cpu": 1}});
        json!({"containers": [{"name": "web", "resources": resources}],
            "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": memory}}]})
    };
    let deployment = |memory: &str| {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"},
            "spec": {"selector": {}, "template": {"spec": spec(memory)}}})
    };
    let claim = |storage: &str| {
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "x"},
            "spec": {"resources": {"requests": {"storage": storage}}}})
    };
    let quota = |hard: &str| json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "x"}, "spec": {"hard": {"pods": hard}}});
    assert_eq!(errors(deployment("256Mi")), [""; 0]);
    assert_eq!(errors(claim("10Gi")), [""; 0]);
    assert_eq!(errors(quota("10")), [""; 0]);
    let wrong = errors(deployment("256MB"));
    assert_eq!(wrong.len(), 2, "{wrong:?}");
    assert!(wrong[0].starts_with("spec.template.spec.containers[0].resources.limits.memory: must be a quantity"));
    assert!(wrong[1].starts_with("spec.template.spec.volumes[0].emptyDir.sizeLimit: must be a quantity"));
    assert_eq!(errors(claim("10 Gi")).len(), 1);
    assert_eq!(errors(quota("ten")).len(), 1);
}

#[test]
fn data_that_is_not_base64_is_an_error_without_its_value() {
    let object = |kind: &str, field: &str, value: &str| {
        errors(json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "x"}, field: {"password": value}}))
    };
    for (kind, field, advice) in [("Secret", "data", "`stringData`"), ("ConfigMap", "binaryData", "`data`")] {
        assert_eq!(object(kind, field, "aHVudGVyMg=="), [""; 0]);
        let expected = format!("{field}.password: must be Base64; a text as it is belongs into {advice}");
        assert_eq!(object(kind, field, "hunter2"), [expected]);
    }
    assert_eq!(object("Secret", "stringData", "hunter2"), [""; 0]);
    assert_eq!(object("ConfigMap", "data", "hunter2"), [""; 0]);
}

#[test]
fn field_that_is_missing_or_misspelt_is_named() {
    let backend = json!({"service": {"name": "web", "port": {"number": 80}}});
    let ingress = |path: Value| {
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "x"},
            "spec": {"rules": [{"http": {"paths": [path]}}]}})
    };
    let complete = json!({"path": "/", "pathType": "Prefix", "backend": backend});
    assert_eq!(errors(ingress(complete)), [""; 0]);
    let misspelt = ingress(json!({"path": "/", "pathtype": "Prefix", "backend": backend}));
    assert_eq!(errors(misspelt.clone()), ["spec.rules[0].http.paths[0]: must have a `pathType`"]);
    let found = check(&Object::new("a.yaml", 1, misspelt));
    let warning = found.iter().find(|finding| !finding.is_error()).unwrap();
    assert_eq!(warning.field.as_deref(), Some("spec.rules[0].http.paths[0].pathtype"));
    assert!(warning.message.ends_with("has no such field here; the nearest name is `pathType`"), "{}", warning.message);
}
