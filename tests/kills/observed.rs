//! Observations before and after a kill: activities from a history, and the state of each object.

use std::{collections::BTreeMap, process::Command};

use berth_lab::Lab;
use berth_test_support::histories::events;
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

/// The kinds that berth writes into an environment.
const KINDS: &str = "configmap,secret,service,deployment,ingress,networkpolicy,resourcequota,limitrange,rolebinding";

/// An activity from a workflow's history.
#[derive(Debug, Clone)]
pub(crate) struct Activity {
    pub(crate) name: String,
    pub(crate) scheduled: Timestamp,
    pub(crate) ended: Timestamp,
    /// The number of attempts, 1 if the first succeeded.
    pub(crate) attempts: u64,
}

/// The completed activities of a workflow.
pub(crate) fn activities(lab: &Lab, workflow_id: &str) -> Vec<Activity> {
    let history = events(lab, workflow_id, None);
    let scheduled = history.iter().filter(|event| event["eventType"] == "EVENT_TYPE_ACTIVITY_TASK_SCHEDULED");
    scheduled.filter_map(|event| activity(&history, event)).collect()
}

fn activity(history: &[Value], scheduled: &Value) -> Option<Activity> {
    let of_it = |kind: &str| {
        history.iter().find(|event| {
            let attributes = event.as_object().unwrap().values().find(|value| value["scheduledEventId"].is_string());
            event["eventType"].as_str().unwrap().starts_with(kind)
                && attributes.is_some_and(|attributes| attributes["scheduledEventId"] == scheduled["eventId"])
        })
    };
    let started = of_it("EVENT_TYPE_ACTIVITY_TASK_STARTED")?;
    Some(Activity {
        name: scheduled["activityTaskScheduledEventAttributes"]["activityType"]["name"].as_str()?.to_owned(),
        scheduled: time(scheduled),
        ended: time(of_it("EVENT_TYPE_ACTIVITY_TASK_COMPLETED")?),
        attempts: started["activityTaskStartedEventAttributes"]["attempt"].as_u64()?,
    })
}

fn time(event: &Value) -> Timestamp {
    event["eventTime"].as_str().unwrap().parse().unwrap()
}

/// True if both the API server and Temporal answer.
pub(crate) fn both_answer(lab: &Lab) -> bool {
    let mut kubectl = Command::new(lab.tool("kubectl"));
    kubectl.arg("--kubeconfig").arg(lab.kubeconfig()).args(["get", "--raw", "/readyz"]);
    let mut temporal = Command::new(lab.tool("temporal"));
    temporal.args(["operator", "namespace", "describe", "-n", "default", "--address", lab.temporal_address()]);
    [kubectl, temporal].iter_mut().all(|command| command.output().unwrap().status.success())
}

/// The time of the first task that a worker started after that moment.
pub(crate) fn went_on(lab: &Lab, workflow_id: &str, after: Timestamp) -> Option<Timestamp> {
    let of_a_worker = ["EVENT_TYPE_ACTIVITY_TASK_STARTED", "EVENT_TYPE_WORKFLOW_TASK_STARTED"];
    let events = events(lab, workflow_id, None);
    let started = events.iter().filter(|event| of_a_worker.iter().any(|kind| event["eventType"] == *kind));
    started.map(time).filter(|time| *time > after).min()
}

/// Each object that berth has written in the environment: `Kind/name`, and a text that changes with each write.
pub(crate) type Objects = BTreeMap<String, String>;

pub(crate) fn objects(lab: &Lab, namespace: &str) -> Objects {
    let arguments = ["get", KINDS, "-n", namespace, "--show-managed-fields", "--ignore-not-found", "-o", "json"];
    let text = lab.kubectl(&arguments).unwrap();
    let list: Value = if text.trim().is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() };
    let items = list["items"].as_array().cloned().unwrap_or_default();
    items.iter().filter(|object| of_berth(object).next().is_some()).map(seen).collect()
}

fn of_berth(object: &Value) -> impl Iterator<Item = &Value> {
    let managers = object["metadata"]["managedFields"].as_array().into_iter().flatten();
    managers.filter(|entry| entry["manager"] == "berth" && entry["subresource"].is_null())
}

/// The object's version. Where controllers write its status, the times of berth's own writes.
fn seen(object: &Value) -> (String, String) {
    let metadata = &object["metadata"];
    let kind = object["kind"].as_str().unwrap();
    let version = match kind {
        "Deployment" | "ResourceQuota" | "Ingress" => {
            let times: Vec<_> = of_berth(object).map(|entry| entry["time"].to_string()).collect();
            format!("generation {} written {}", metadata["generation"], times.join(" "))
        }
        _ => metadata["resourceVersion"].to_string(),
    };
    (format!("{kind}/{}", metadata["name"].as_str().unwrap()), format!("{} {version}", metadata["uid"]))
}

/// Objects that are in both, and differ.
pub(crate) fn changed(before: &Objects, after: &Objects) -> Vec<String> {
    let differs = |(name, seen): &(&String, &String)| after.get(*name).is_some_and(|now| now != *seen);
    before.iter().filter(differs).map(|(name, seen)| format!("{name}: {seen} -> {}", after[name])).collect()
}

/// Names without the parts that differ between environments: the number, and hashes of content.
pub(crate) fn names(objects: &Objects, pr: u64) -> Vec<String> {
    let plain = |name: &String| {
        // Hashes first: a hash may contain the number.
        let is_hash = |hash: &str| hash.len() > 7 && hash.chars().all(|c| c.is_ascii_hexdigit());
        let unhashed = name.rsplit_once('-').filter(|(_, hash)| is_hash(hash)).map(|(stem, _)| format!("{stem}-HASH"));
        unhashed.as_ref().unwrap_or(name).replace(&pr.to_string(), "N")
    };
    let mut names: Vec<_> = objects.keys().map(plain).collect();
    names.sort();
    names
}
