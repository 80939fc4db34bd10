//! Settings that a `CronJob`'s Job keeps from its template, and settings that it gets from berth.

use super::*;
use crate::kubernetes::labels;

fn input() -> StartScriptInput {
    StartScriptInput {
        environment: crate::examples::environment(),
        script: serde_json::from_value(json!({"cron": "nightly"})).unwrap(),
        stored_release: Some("berth-release-1".into()),
        job: "preview-web-1-script-1".into(),
        run_id: "run".into(),
    }
}

fn cron_job() -> Value {
    json!({
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "web-pr-1-nightly"},
        "spec": {
            "schedule": "0 3 * * *",
            "suspend": true,
            "jobTemplate": {
                "metadata": {
                    "labels": {"queue": "slow", "berth.dev/workflow": "preview-other-1"},
                    "annotations": {"note": "kept", "berth.dev/run-id": "forged"}},
                "spec": {
                    "suspend": true,
                    "backoffLimit": 6,
                    "ttlSecondsAfterFinished": 10,
                    "podFailurePolicy": {"rules": []},
                    "template": {
                        "metadata": {
                            "labels": {"app": "nightly", "applyset.kubernetes.io/part-of": "x"},
                            "annotations": {"sidecar": "no"}},
                        "spec": {
                            "restartPolicy": "OnFailure",
                            "terminationGracePeriodSeconds": 60,
                            "hostname": "nightly",
                            "fieldOfALaterVersion": true,
                            "containers": [{"name": "nightly", "image": "acme/web@sha256:1", "args": ["report"],
                                "resources": {"limits": {"cpu": 1, "memory": "64Mi"}}}]},
                    },
                },
            },
        },
    })
}

fn with_spec(fields: Value) -> Value {
    let mut cron_job = cron_job();
    let spec = cron_job["spec"]["jobTemplate"]["spec"].as_object_mut().unwrap();
    spec.extend(fields.as_object().unwrap().clone());
    cron_job
}

fn made(cron_job: &Value) -> Value {
    job(&input(), "berth", "web-pr-1-nightly", cron_job).unwrap()
}

#[test]
fn job_has_the_template_and_the_bounds_of_a_script() {
    let spec = &made(&cron_job())["spec"];
    let mut expected = cron_job()["spec"]["jobTemplate"]["spec"]["template"]["spec"].clone();
    expected["restartPolicy"] = json!("Never");
    expected["terminationGracePeriodSeconds"] = json!(10);
    assert_eq!(spec["template"]["spec"], expected);
    let bounds = ["backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished"].map(|field| spec[field].clone());
    assert_eq!(bounds, [json!(0), json!(900), json!(3600)]);
    for left_out in ["suspend", "podFailurePolicy", "completions", "schedule"] {
        assert_eq!(spec[left_out], Value::Null, "{left_out}");
    }
}

#[test]
fn job_belongs_to_berth_and_keeps_the_templates_metadata() {
    let job = made(&cron_job());
    let own = labels::owner_labels(&input().environment, "berth");
    let labels = |value: &Value| -> BTreeMap<String, String> { serde_json::from_value(value.clone()).unwrap() };
    let (of_job, of_pod) = (labels(&job["metadata"]["labels"]), labels(&job["spec"]["template"]["metadata"]["labels"]));
    assert!(own.iter().all(|(key, value)| of_job[key] == *value && of_pod[key] == *value), "{of_job:?} {of_pod:?}");
    assert_eq!((of_job["queue"].as_str(), of_job["berth.dev/cron"].as_str()), ("slow", "nightly"));
    assert!(!of_pod.contains_key("app"), "the app's labels are added when the Services are known: {of_pod:?}");
    let expected = json!({"note": "kept", "berth.dev/cron": "nightly", "berth.dev/run-id": "run",
        "berth.dev/made-after": "CronJob/web-pr-1-nightly"});
    assert_eq!(job["metadata"]["annotations"], expected);
    assert_eq!(job["spec"]["template"]["metadata"]["annotations"], json!({"sidecar": "no"}));
    assert_eq!(job["metadata"]["ownerReferences"], Value::Null, "the schedule's history limits do not count it");
    assert_eq!(pod_labels(&cron_job()), Labels::from([("app".to_owned(), "nightly".to_owned())]));
}

#[test]
fn shorter_deadline_and_grace_period_are_kept() {
    let mut cron_job = with_spec(json!({"activeDeadlineSeconds": 60}));
    cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = json!(0);
    let spec = &made(&cron_job)["spec"];
    assert_eq!(spec["activeDeadlineSeconds"], 60);
    assert_eq!(spec["template"]["spec"]["terminationGracePeriodSeconds"], 0);
    assert_eq!(made(&with_spec(json!({"activeDeadlineSeconds": 7200})))["spec"]["activeDeadlineSeconds"], 900);
}

#[test]
fn cron_job_of_several_pods_is_refused() {
    for (fields, why) in [
        (json!({"completions": 2}), "it runs several pods (`completions: 2`)"),
        (json!({"parallelism": 3}), "it runs several pods (`parallelism: 3`)"),
    ] {
        assert_eq!(job(&input(), "berth", "nightly", &with_spec(fields)).unwrap_err(), why);
    }
    let indexed = made(&with_spec(json!({"completionMode": "Indexed", "completions": 1, "parallelism": 0})));
    assert_eq!((&indexed["spec"]["completionMode"], &indexed["spec"]["completions"]), (&json!("Indexed"), &json!(1)));
    assert_eq!(indexed["spec"]["parallelism"], Value::Null, "a paused one runs");
}
