//! `CronJob`s of previews and of production.

use super::*;

fn cron_job(spec: Value) -> Value {
    let template = json!({"spec": {"template": {"spec": {"containers": [{"name": "x", "image": "redis:7"}]}}}});
    let mut document = object("batch/v1", "CronJob", json!({"schedule": "0 3 * * *", "jobTemplate": template}));
    document["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    document
}

/// `spec.suspend` as it is applied, and the fields with a note.
fn suspended(spec: Value, input: &PolicyInput) -> (Value, Vec<String>) {
    let (objects, findings) = checked(cron_job(spec), input);
    assert!(findings.iter().all(|finding| finding.severity == Severity::Note), "{findings:?}");
    (objects[0].document["spec"]["suspend"].clone(), findings.into_iter().filter_map(|found| found.field).collect())
}

#[test]
fn cron_job_of_a_preview_is_suspended_with_a_note() {
    let noted = (json!(true), vec!["spec.suspend".to_owned()]);
    for spec in [json!({}), json!({"suspend": false}), json!({"suspend": null})] {
        assert_eq!(suspended(spec, &preview_policy()), noted);
    }
    assert_eq!(suspended(json!({"suspend": true}), &preview_policy()), (json!(true), Vec::new()));
    let (_, findings) = checked(cron_job(json!({})), &preview_policy());
    assert!(findings[0].message.contains("`preview.cron_jobs: run`"), "{findings:?}");
}

#[test]
fn cron_job_runs_as_written_in_production() {
    assert_eq!(suspended(json!({}), &production_policy()), (Value::Null, Vec::new()));
    assert_eq!(suspended(json!({"suspend": true}), &production_policy()), (json!(true), Vec::new()));
}

#[test]
fn cron_job_of_a_preview_runs_where_the_app_file_lets_it() {
    let input = PolicyInput { suspend_cron_jobs: false, ..preview_policy() };
    assert_eq!(suspended(json!({}), &input), (Value::Null, Vec::new()));
    assert_eq!(suspended(json!({"suspend": false}), &input), (json!(false), Vec::new()));
}

#[test]
fn job_is_not_suspended_in_a_preview() {
    let template = json!({"spec": {"containers": [{"name": "x", "image": "redis:7"}]}});
    let (objects, findings) = checked(object("batch/v1", "Job", json!({"template": template})), &preview_policy());
    assert_eq!((&objects[0].document["spec"]["suspend"], findings), (&Value::Null, Vec::new()));
}
