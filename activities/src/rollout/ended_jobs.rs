//! How Jobs ended that are not there any more: their events outlive them.

use std::time::Duration;

use k8s_openapi::api::{batch::v1::Job, core::v1::Event};
use kube::{Api, Client, api::ListParams};
use tokio::time::timeout;

use super::snapshot::event_ms;
use crate::rollout::workload_state::WorkloadState;

/// Asked again soon: what does not answer at once holds nothing up.
const PATIENCE: Duration = Duration::from_secs(3);
/// What the Job controller says of a Job that has succeeded.
const COMPLETED: &str = "Completed";
/// What it says of one that it has given up.
const FAILED: [&str; 5] =
    ["BackoffLimitExceeded", "DeadlineExceeded", "PodFailurePolicy", "MaxFailedIndexesExceeded", "FailedIndexes"];
/// What it says of one that it has made a pod for.
const STARTED: &str = "SuccessfulCreate";

/// What there is to be known of the end of these Jobs. Missing are those that are there after all (a list may be older
/// than they are), and those that could not be asked for.
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
    Some(told(&events.items))
}

/// The last word on the Job. One that was started after it belongs to a later Job of the same name.
fn told(events: &[Event]) -> Option<WorkloadState> {
    let words = events.iter().filter_map(|event| Some((event, event.reason.as_deref()?)));
    let words = words.filter(|(_, reason)| *reason == STARTED || *reason == COMPLETED || FAILED.contains(reason));
    let (event, reason) = words.max_by_key(|(event, reason)| (event_ms(event), *reason != STARTED))?;
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
            "metadata": {"name": reason}, "involvedObject": {}, "reason": reason, "message": "words",
            "lastTimestamp": format!("2026-11-24T09:00:{second:02}Z"),
        }))
        .unwrap()
    }

    #[test]
    fn the_last_word_on_a_job_counts_and_only_if_it_is_one_on_its_end() {
        let failed = Some(WorkloadState::JobFailed("BackoffLimitExceeded: words".to_owned()));
        for (events, expected) in [
            (vec![], None),
            (vec![event("SuccessfulCreate", 1)], None),
            (vec![event("SuccessfulCreate", 1), event("Completed", 1)], Some(WorkloadState::Complete)),
            (vec![event("Completed", 1), event("SuccessfulCreate", 2)], None),
            (vec![event("BackoffLimitExceeded", 3), event("Completed", 1), event("SuccessfulDelete", 4)], failed),
        ] {
            assert_eq!(told(&events), expected, "{events:?}");
        }
    }
}
