//! Fields that bind an object to one thing of the cluster.

use serde_json::{Value, json};

use super::*;

/// The object of a preview, and the fields with a note.
fn in_preview(document: Value) -> (Value, Vec<String>) {
    let (objects, findings) = checked(document, &preview_policy());
    assert!(findings.iter().all(|finding| finding.severity == Severity::Note), "{findings:?}");
    let fields = findings.into_iter().map(|finding| finding.field.unwrap_or_default()).collect();
    (objects[0].document.clone(), fields)
}

fn in_production(document: Value) -> Value {
    let (objects, findings) = checked(document, &production_policy());
    assert_eq!(findings, []);
    objects[0].document.clone()
}

#[test]
fn fixed_address_of_a_service_is_left_out_of_a_preview() {
    let service = |spec: Value| object("v1", "Service", spec);
    for (spec, rest, notes) in [
        (json!({"clusterIP": "10.96.0.77", "clusterIPs": ["10.96.0.77"]}), json!({}), vec!["spec.clusterIP"]),
        (json!({"clusterIPs": ["10.96.0.77"]}), json!({}), vec!["spec.clusterIPs"]),
        (json!({"healthCheckNodePort": 30100}), json!({}), vec!["spec.healthCheckNodePort"]),
        (
            json!({"ports": [{"port": 80}, {"port": 81, "nodePort": 30081}]}),
            json!({"ports": [{"port": 80}, {"port": 81}]}),
            vec!["spec.ports[1].nodePort"],
        ),
        (
            json!({"clusterIP": "None", "clusterIPs": ["None"]}),
            json!({"clusterIP": "None", "clusterIPs": ["None"]}),
            vec![],
        ),
        (json!({"clusterIP": ""}), json!({"clusterIP": ""}), vec![]),
        (json!({"ports": [{"port": 80, "nodePort": 0}]}), json!({"ports": [{"port": 80, "nodePort": 0}]}), vec![]),
    ] {
        let (document, fields) = in_preview(service(spec.clone()));
        assert_eq!((&document["spec"], fields), (&rest, notes.into_iter().map(str::to_owned).collect()));
        assert_eq!(in_production(service(spec.clone()))["spec"], spec);
    }
}

#[test]
fn volume_of_a_claim_is_left_out_of_a_preview() {
    let annotations = json!({"pv.kubernetes.io/bind-completed": "yes", "pv.kubernetes.io/bound-by-controller": "yes",
        "volume.kubernetes.io/selected-node": "node-1", "example.com/a": "b"});
    let claim =
        json!({"metadata": {"name": "x", "annotations": annotations}, "spec": {"volumeName": "pv-1", "resources": {}}});
    let mut whole = object("v1", "PersistentVolumeClaim", claim["spec"].clone());
    whole["metadata"]["annotations"] = annotations.clone();
    let ephemeral = json!({"containers": [], "volumes": [{"name": "a", "ephemeral": {"volumeClaimTemplate": claim}}]});
    for (document, path, pointer) in [
        (whole, "", ""),
        (
            object("apps/v1", "StatefulSet", json!({"volumeClaimTemplates": [claim]})),
            "spec.volumeClaimTemplates[0].",
            "/spec/volumeClaimTemplates/0",
        ),
        (
            pod(ephemeral),
            "spec.template.spec.volumes[0].ephemeral.volumeClaimTemplate.",
            "/spec/template/spec/volumes/0/ephemeral/volumeClaimTemplate",
        ),
    ] {
        let (rendered, fields) = in_preview(document.clone());
        assert_eq!(fields, [format!("{path}spec.volumeName")]);
        let rendered = rendered.pointer(pointer).unwrap();
        assert_eq!(rendered["spec"], json!({"resources": {}}));
        assert_eq!(rendered["metadata"]["annotations"], json!({"example.com/a": "b"}));
        let kept = in_production(document);
        let kept = kept.pointer(pointer).unwrap();
        assert_eq!((&kept["spec"]["volumeName"], &kept["metadata"]["annotations"]), (&json!("pv-1"), &annotations));
    }
    let mut bound = object("v1", "PersistentVolumeClaim", json!({}));
    bound["metadata"]["annotations"] = json!({"pv.kubernetes.io/bind-completed": "yes"});
    assert_eq!(in_preview(bound).1, ["metadata.annotations[pv.kubernetes.io/bind-completed]"]);
}
