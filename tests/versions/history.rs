//! Observations of workflows: which there were, how they ended, and how long a failed task lasted.

use std::{collections::BTreeMap, time::Duration};

use berth_lab::Lab;
use berth_test_support::histories::events;
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

/// A workflow of a task queue.
#[derive(Debug)]
pub(crate) struct Execution {
    pub(crate) kind: String,
    pub(crate) workflow_id: String,
    pub(crate) run_id: String,
    pub(crate) status: String,
}

/// All runs of all workflows of a task queue.
pub(crate) fn executions(lab: &Lab, task_queue: &str) -> Vec<Execution> {
    let query = format!("TaskQueue = '{task_queue}'");
    let text = lab.temporal(&["workflow", "list", "--query", &query, "--limit", "1000", "-o", "json"]).unwrap();
    let all: Vec<Value> = serde_json::from_str(&text).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let execution = |info: &Value| Execution {
        kind: text(&info["type"]["name"]),
        workflow_id: text(&info["execution"]["workflowId"]),
        run_id: text(&info["execution"]["runId"]),
        status: text(&info["status"]).replace("WORKFLOW_EXECUTION_STATUS_", ""),
    };
    all.iter().map(execution).collect()
}

/// The history of a run.
pub(crate) struct History {
    pub(crate) run_id: String,
    events: Vec<(String, Timestamp)>,
    activities: BTreeMap<String, usize>,
}

impl History {
    /// Reads the history of a run, of the newest one by default.
    pub(crate) fn read(lab: &Lab, workflow_id: &str, run_id: Option<&str>) -> Self {
        let events = events(lab, workflow_id, run_id);
        let first = &events[0]["workflowExecutionStartedEventAttributes"];
        let mut activities = BTreeMap::new();
        let scheduled = |event: &Value| {
            event["activityTaskScheduledEventAttributes"]["activityType"]["name"].as_str().map(str::to_owned)
        };
        for name in events.iter().filter_map(scheduled) {
            *activities.entry(name).or_default() += 1;
        }
        let event = |event: &Value| {
            let kind = event["eventType"].as_str().unwrap().replace("EVENT_TYPE_", "");
            (kind, event["eventTime"].as_str().unwrap().parse().unwrap())
        };
        Self {
            run_id: first["originalExecutionRunId"].as_str().unwrap().to_owned(),
            events: events.iter().map(event).collect(),
            activities,
        }
    }

    /// Whether a worker has ended a workflow task since then.
    pub(crate) fn is_tried(&self, since: Timestamp) -> bool {
        let ends = ["WORKFLOW_TASK_COMPLETED", "WORKFLOW_TASK_FAILED"];
        self.events.iter().any(|(kind, time)| ends.contains(&kind.as_str()) && *time > since)
    }

    /// For each failed workflow task the time until one completed, counted from `since` at the earliest.
    pub(crate) fn healed_after(&self, since: Timestamp) -> Vec<Duration> {
        let is = |kind: &'static str| move |event: &&(String, Timestamp)| event.0 == kind;
        let failed = self.events.iter().filter(is("WORKFLOW_TASK_FAILED")).map(|(_, time)| *time);
        let completed: Vec<_> =
            self.events.iter().filter(is("WORKFLOW_TASK_COMPLETED")).map(|(_, time)| *time).collect();
        let healed = |failed: Timestamp| {
            let end = completed.iter().find(|time| **time > failed)?;
            Some(Duration::try_from(end.duration_since(failed.max(since))).unwrap_or_default())
        };
        failed.map(|failed| healed(failed).unwrap_or(Duration::MAX)).collect()
    }

    /// Activities that were scheduled more than once.
    pub(crate) fn repeated(&self) -> Vec<&str> {
        self.activities.iter().filter(|(_, times)| **times > 1).map(|(name, _)| name.as_str()).collect()
    }
}
