//! Priority classes and pods that could evict the pods of others.

use serde_json::{Value, json};

use super::*;

fn class(policy: &Value) -> Value {
    let mut class = named("scheduling.k8s.io/v1", "PriorityClass", json!({"name": "web-pr-123-7-priority"}));
    class["value"] = json!(20_000_000);
    if !policy.is_null() {
        class["preemptionPolicy"] = policy.clone();
    }
    class
}

/// The notes about an object, and the object.
fn noted(document: Value, input: &PolicyInput) -> (Value, Vec<String>) {
    let (mut objects, findings) = checked(document, input);
    assert!(findings.iter().all(|finding| finding.severity == Severity::Note), "{findings:?}");
    let fields = findings.into_iter().map(|finding| finding.field.unwrap_or_default()).collect();
    (objects.remove(0).document, fields)
}

#[test]
fn preview_class_never_preempts() {
    for (policy, notes) in [
        (json!(null), vec!["preemptionPolicy".to_owned()]),
        (json!("PreemptLowerPriority"), vec!["preemptionPolicy".to_owned()]),
        (json!("Never"), vec![]),
    ] {
        let (document, fields) = noted(class(&policy), &preview_policy());
        assert_eq!((&document["preemptionPolicy"], fields), (&json!("Never"), notes), "{policy}");
        assert_eq!(document["value"], 20_000_000);
        let (document, fields) = noted(class(&policy), &production_policy());
        assert_eq!((document.get("preemptionPolicy").cloned().unwrap_or_default(), fields), (policy, vec![]));
    }
}

#[test]
fn preview_pods_lose_a_preemption_policy_of_their_own() {
    let spec = json!({"preemptionPolicy": "PreemptLowerPriority", "containers": []});
    let (document, fields) = noted(pod(spec.clone()), &preview_policy());
    assert_eq!(document["spec"]["template"]["spec"], json!({"containers": []}));
    assert_eq!(fields, ["spec.template.spec.preemptionPolicy"]);
    let cron_job = object("batch/v1", "CronJob", json!({"jobTemplate": {"spec": {"template": {"spec": spec}}}}));
    let (document, fields) = noted(cron_job, &PolicyInput { suspend_cron_jobs: false, ..preview_policy() });
    assert_eq!(document["spec"]["jobTemplate"]["spec"]["template"]["spec"], json!({"containers": []}));
    assert_eq!(fields, ["spec.jobTemplate.spec.template.spec.preemptionPolicy"]);
    let (document, fields) = noted(pod(spec.clone()), &production_policy());
    assert_eq!((&document["spec"]["template"]["spec"], fields), (&spec, vec![]));
}

#[test]
fn class_of_the_cluster_is_noted_in_previews() {
    let pods = |name: &str| pod(json!({"priorityClassName": name, "containers": []}));
    let fields = |objects: Vec<Value>, input: &PolicyInput| {
        let objects = objects.into_iter().map(|document| Object::new("web/core/app.yaml", 1, document)).collect();
        let findings = check(objects, input).findings.into_iter();
        findings.filter_map(|finding| finding.field).collect::<Vec<_>>()
    };
    let own = || class(&json!("Never"));
    assert_eq!(fields(vec![own(), pods("web-pr-123-7-priority")], &preview_policy()), [""; 0]);
    let expected = "spec.template.spec.priorityClassName";
    assert_eq!(fields(vec![own(), pods("high")], &preview_policy()), [expected]);
    assert_eq!(fields(vec![pods("high")], &production_policy()), [""; 0]);
}
