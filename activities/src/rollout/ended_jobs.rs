//! The ends of Jobs that no longer exist, from their events.

use std::time::Duration;

use k8s_openapi::api::{batch::v1::Job, core::v1::Event};
use kube::{Api, Client, api::ListParams};
use tokio::time::timeout;

use super::snapshot::event_ms;
use crate::rollout::workload_state::WorkloadState;

/// The time for one request. It is repeated soon, so a slow answer must not block.
const PATIENCE: Duration = Duration::from_secs(3);
/// The event of a Job that has succeeded.
const COMPLETED: &str = "Completed";
/// The events of a Job that has failed.
const FAILED: [&str; 5] =
    ["BackoffLimitExceeded", "DeadlineExceeded", "PodFailurePolicy", "MaxFailedIndexesExceeded", "FailedIndexes"];
/// The event of a Job that has created a pod.
const STARTED: &str = "SuccessfulCreate";

/// Returns what is known of the ends of these Jobs. A Job is left out if it exists after all (a list may be older), or
/// if a request failed.
pub(super) async fn ends(client: &Client, namespace: &str, jobs: &[String]) -> Vec<(String, Option<WorkloadState>)> {
    let mut ends = Vec::new();
    for job in jobs {
        if let Some(end) = end(client, namespace, job).await {
            ends.push((job.clone(), end));
        }
    }
    ends
}

async fn end(client: &Client, namespace: &str, job: &str) -> Option<Option<WorkloadState>> {
    let jobs = Api::<Job>::namespaced(client.clone(), namespace);
    if timeout(PATIENCE, jobs.get_metadata_opt(job)).await.ok()?.ok()?.is_some() {
        return None;
    }
    let events = Api::<Event>::namespaced(client.clone(), namespace);
    let about = ListParams::default().fields(&format!("involvedObject.kind=Job,involvedObject.name={job}"));
    let events = timeout(PATIENCE, events.list(&about)).await.ok()?.ok()?;
    Some(last_report(&events.items))
}

/// Returns the state from the last event about the Job. A start after the end belongs to a later Job of the same name.
fn last_report(events: &[Event]) -> Option<WorkloadState> {
    let reports = events.iter().filter_map(|event| Some((event, event.reason.as_deref()?)));
    let reports = reports.filter(|(_, reason)| *reason == STARTED || *reason == COMPLETED || FAILED.contains(reason));
    let (event, reason) = reports.max_by_key(|(event, reason)| (event_ms(event), *reason != STARTED))?;
    match reason {
        STARTED => None,
        COMPLETED => Some(WorkloadState::Complete),
        _ => Some(WorkloadState::JobFailed(format!(
            "{reason}: {}",
            event.message.as_deref().unwrap_or("the Job failed")
        ))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(reason: &str, second: u32) -> Event {
        serde_json::from_value(json!({
            "metadata": {"name": reason}, "involvedObject": {}, "reason": reason, "message": "details",
            "lastTimestamp": format!("2026-11-24T09:00:{second:02}Z"),
        }))
        .unwrap()
    }

    #[test]
    fn the_last_event_decides_and_only_if_it_reports_an_end() {
        let failed = Some(WorkloadState::JobFailed("BackoffLimitExceeded: details".to_owned()));
        for (events, expected) in [
            (vec![], None),
            (vec![event("SuccessfulCreate", 1)], None),
            (vec![event("SuccessfulCreate", 1), event("Completed", 1)], Some(WorkloadState::Complete)),
            (vec![event("Completed", 1), event("SuccessfulCreate", 2)], None),
            (vec![event("BackoffLimitExceeded", 3), event("Completed", 1), event("SuccessfulDelete", 4)], failed),
        ] {
            assert_eq!(last_report(&events), expected, "{events:?}");
        }
    }
}
