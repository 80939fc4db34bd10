//! Parts of a workload that must agree with each other.

use serde_json::{Value, json};

use super::preview;

fn workload(kind: &str, spec: Value) -> Value {
    let api_version = if kind.ends_with("Job") { "batch/v1" } else { "apps/v1" };
    json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}, "spec": spec})
}

#[test]
fn restart_policy_fits_the_kind_of_workload() {
    let pods = |policy: Option<&str>| {
        let mut spec = json!({"containers": []});
        if let Some(policy) = policy {
            spec["restartPolicy"] = json!(policy);
        }
        json!({"template": {"metadata": {"labels": {"app": "x"}}, "spec": spec}})
    };
    for (policy, of_job, of_others) in [
        (None, false, true),
        (Some("Always"), false, true),
        (Some("Never"), true, false),
        (Some("OnFailure"), true, false),
    ] {
        let spec = pods(policy);
        let field = "spec.template.spec.restartPolicy";
        let job = preview([workload("Job", spec.clone())]);
        assert_eq!(job, if of_job { vec![] } else { vec![format!("Error {field}")] }, "{policy:?}");
        let cron_job = preview([workload("CronJob", json!({"jobTemplate": {"spec": spec.clone()}}))]);
        assert_eq!(
            cron_job,
            if of_job { vec![] } else { vec![format!("Error spec.jobTemplate.{field}")] },
            "{policy:?}"
        );
        for kind in ["Deployment", "StatefulSet", "DaemonSet"] {
            let mut spec = spec.clone();
            spec["selector"] = json!({"matchLabels": {"app": "x"}});
            let found = preview([workload(kind, spec)]);
            assert_eq!(found, if of_others { vec![] } else { vec![format!("Error {field}")] }, "{kind} {policy:?}");
        }
    }
}

#[test]
fn selector_matches_the_labels_of_the_pods() {
    let expression = |key: &str, operator: &str, values: &[&str]| json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]});
    for (selector, fits) in [
        (json!({"matchLabels": {"app": "web"}}), true),
        (json!({"matchLabels": {"app": "web", "tier": "front"}}), true),
        (json!({"matchLabels": {"app": "api"}}), false),
        (json!({"matchLabels": {"app": "web", "version": "1"}}), false),
        (expression("app", "In", &["api", "web"]), true),
        (expression("app", "In", &["api"]), false),
        (expression("app", "NotIn", &["api"]), true),
        (expression("app", "NotIn", &["web"]), false),
        (expression("tier", "Exists", &[]), true),
        (expression("version", "Exists", &[]), false),
        (expression("version", "DoesNotExist", &[]), true),
        (json!({}), false),
        (json!({"matchLabels": {}}), false),
    ] {
        for kind in ["Deployment", "StatefulSet", "DaemonSet"] {
            let template = json!({"metadata": {"labels": {"app": "web", "tier": "front"}}, "spec": {"containers": []}});
            let found = preview([workload(kind, json!({"selector": selector, "template": template}))]);
            assert_eq!(found, if fits { vec![] } else { vec!["Error spec.selector"] }, "{kind} {selector}");
        }
    }
    let without_labels = json!({"selector": {"matchLabels": {"app": "web"}}, "template": {"spec": {"containers": []}}});
    assert_eq!(preview([workload("Deployment", without_labels)]), ["Error spec.selector"]);
}

#[test]
fn mount_needs_a_volume_of_its_pod() {
    let mounts = json!([{"name": "tmp", "mountPath": "/tmp"}, {"name": "data", "mountPath": "/data"}]);
    let spec = json!({"restartPolicy": "Never", "volumes": [{"name": "tmp", "emptyDir": {}}],
        "containers": [{"name": "web", "volumeMounts": mounts}],
        "initContainers": [{"name": "init", "volumeDevices": [{"name": "disk", "devicePath": "/dev/x"}]}]});
    let job = workload("Job", json!({"template": {"spec": spec}}));
    let missing_disk = "Error spec.template.spec.initContainers[0].volumeDevices[0].name";
    let missing_data = "Error spec.template.spec.containers[0].volumeMounts[1].name";
    let mut found = preview([job]);
    found.sort();
    assert_eq!(found, [missing_data, missing_disk]);
    let claims = json!([{"metadata": {"name": "data"}}, {"metadata": {"name": "disk"}}]);
    let mut spec = spec;
    spec["restartPolicy"] = json!("Always");
    let stateful = json!({"selector": {"matchLabels": {"app": "x"}}, "volumeClaimTemplates": claims,
        "template": {"metadata": {"labels": {"app": "x"}}, "spec": spec}});
    assert_eq!(preview([workload("StatefulSet", stateful)]), [""; 0]);
}

#[test]
fn workload_of_a_further_kind_is_not_compared() {
    let template = json!({"spec": {"containers": [{"name": "a", "volumeMounts": [{"name": "b", "mountPath": "/b"}]}]}});
    let job = json!({"apiVersion": "batch.volcano.sh/v1alpha1", "kind": "Job", "metadata": {"name": "x"},
        "spec": {"template": template}});
    assert_eq!(preview([job]), [""; 0]);
}
