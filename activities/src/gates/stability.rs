//! The last look: for a while after the gates, no container of the release may restart.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::api::core::v1::Pod;
use kube::{Client, ResourceExt};

use berth_workflows::activity_definitions::CheckGatesInput;

use super::{Failed, pods};
use crate::failure::Failure;

/// Looks before and after the window: a restart in between has counted, however short it was.
///
/// # Errors
/// The API's, to be retried.
pub(super) async fn watch(
    client: &Client,
    check: &CheckGatesInput,
    window: Duration,
) -> Result<Option<Failed>, Failure> {
    if window.is_zero() {
        return Ok(None);
    }
    let before = restarts(client, check).await?;
    tokio::time::sleep(window).await;
    let after = restarts(client, check).await?;
    Ok(restarted(&before, &after).map(|pod| Failed {
        why: format!("pod {pod} restarted or went away within {} s after the gates held", window.as_secs()),
        pod: Some(pod),
    }))
}

async fn restarts(client: &Client, check: &CheckGatesInput) -> Result<BTreeMap<String, i32>, Failure> {
    let snapshot = pods::snapshot(client, check).await;
    let snapshot = snapshot.map_err(|e| Failure::kubernetes("looking for restarts", e))?;
    let pods = check.workloads.iter().flat_map(|workload| pods::ready_pods(&snapshot, workload));
    Ok(pods.map(|pod| (pod.name_any(), count(pod))).collect())
}

fn count(pod: &Pod) -> i32 {
    let statuses = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    statuses.map(|status| status.restart_count).sum()
}

fn restarted(before: &BTreeMap<String, i32>, after: &BTreeMap<String, i32>) -> Option<String> {
    before.iter().find(|(pod, restarts)| after.get(*pod) != Some(restarts)).map(|(pod, _)| pod.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_that_restarted_or_is_no_longer_ready_is_told_and_a_new_one_is_not() {
        let pods = |entries: &[(&str, i32)]| entries.iter().map(|(pod, n)| ((*pod).to_owned(), *n)).collect();
        assert_eq!(restarted(&pods(&[("a", 0)]), &pods(&[("a", 0), ("b", 3)])), None);
        assert_eq!(restarted(&pods(&[("a", 0)]), &pods(&[("a", 1)])).as_deref(), Some("a"));
        assert_eq!(restarted(&pods(&[("a", 0)]), &pods(&[])).as_deref(), Some("a"));
    }
}
