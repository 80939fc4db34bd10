//! The Job of a `CronJob`, built from its template. Pure.
//!
//! It is built from JSON: a stored manifest may have numbers as quantities, and fields that this client does not know.

use std::collections::BTreeMap;

use berth_manifests::render::is_berth_key;
use berth_workflows::contract::{script::SCRIPT_SECONDS, script_job::StartScriptInput};
use serde_json::{Map, Value, json};

use super::{
    access::Labels,
    job::{KEPT_SECONDS, LONGEST_GRACE, annotations, job_labels},
};

/// Fields of a Job that give its one pod an index.
const INDEX: [&str; 2] = ["completionMode", "completions"];

/// Returns the labels of a `CronJob`'s pods.
pub(super) fn pod_labels(cron_job: &Value) -> Labels {
    entries(&cron_job["spec"]["jobTemplate"]["spec"]["template"], "labels")
}

/// Builds the Job. Its pod has berth's labels only.
///
/// # Errors
/// A reason, if the `CronJob` runs several pods: there would be several ends.
pub(super) fn job(input: &StartScriptInput, installation: &str, name: &str, cron_job: &Value) -> Result<Value, String> {
    let template = &cron_job["spec"]["jobTemplate"];
    check_single_pod(&template["spec"])?;
    let own = job_labels(input, installation);
    let mut labels = entries(template, "labels");
    labels.extend(own.clone());
    let mut marks = entries(template, "annotations");
    marks.extend(annotations(input, &format!("CronJob/{name}")));
    Ok(json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": input.job,
            "namespace": input.environment.namespace,
            "labels": labels,
            "annotations": marks,
        },
        "spec": job_spec(&template["spec"], own),
    }))
}

fn check_single_pod(spec: &Value) -> Result<(), String> {
    for field in ["completions", "parallelism"] {
        if let Some(pods @ 2..) = spec[field].as_u64() {
            return Err(format!("it runs several pods (`{field}: {pods}`)"));
        }
    }
    Ok(())
}

/// Returns the spec with the bounds of a script. A suspended template, retries and a failure policy are left out.
fn job_spec(spec: &Value, labels: Labels) -> Value {
    let longest = i64::try_from(SCRIPT_SECONDS).unwrap_or(i64::MAX);
    let deadline = spec["activeDeadlineSeconds"].as_i64().map_or(longest, |own| own.min(longest));
    let mut bounded = json!({
        "template": pod_template(&spec["template"], labels),
        "backoffLimit": 0, // Only a person can decide to repeat it, as for a script.
        "activeDeadlineSeconds": deadline,
        "ttlSecondsAfterFinished": KEPT_SECONDS,
    });
    for field in INDEX {
        if !spec[field].is_null() {
            bounded[field] = spec[field].clone();
        }
    }
    bounded
}

fn pod_template(template: &Value, labels: Labels) -> Value {
    let mut spec = template["spec"].clone();
    let grace = spec["terminationGracePeriodSeconds"].as_i64().unwrap_or(LONGEST_GRACE);
    spec["terminationGracePeriodSeconds"] = json!(grace.min(LONGEST_GRACE));
    spec["restartPolicy"] = json!("Never");
    json!({"metadata": {"labels": labels, "annotations": entries(template, "annotations")}, "spec": spec})
}

/// Returns a template's labels or annotations, without those that only berth may set.
fn entries(template: &Value, field: &str) -> BTreeMap<String, String> {
    let entries = template["metadata"][field].as_object().into_iter().flat_map(Map::iter);
    let entries = entries.filter(|(key, _)| !is_berth_key(key));
    entries.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

#[cfg(test)]
mod tests;
