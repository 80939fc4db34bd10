//! Which pods are the release's own and ready: those of the new revision of a workload.

use k8s_openapi::api::{
    apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet},
    core::v1::Pod,
};
use kube::{Api, Client, api::ListParams};

use berth_workflows::activity_definitions::{CheckGatesInput, Workload};

use crate::rollout::snapshot::{Snapshot, is_ready};

/// What is there now of the workloads in question and of their pods.
pub(super) async fn snapshot(client: &Client, check: &CheckGatesInput) -> kube::Result<Snapshot> {
    let namespace = &check.environment.namespace;
    let all = ListParams::default();
    let deployments = Api::<Deployment>::namespaced(client.clone(), namespace);
    let replica_sets = Api::<ReplicaSet>::namespaced(client.clone(), namespace);
    let stateful_sets = Api::<StatefulSet>::namespaced(client.clone(), namespace);
    let daemon_sets = Api::<DaemonSet>::namespaced(client.clone(), namespace);
    let pods = Api::<Pod>::namespaced(client.clone(), namespace);
    let has = |kind: &str| check.workloads.iter().any(|workload| workload.kind == kind);
    let mut snapshot = Snapshot::default();
    let (found_pods, ()) = futures::try_join!(pods.list(&all), async {
        if has("Deployment") {
            let (found, sets) = futures::try_join!(deployments.list(&all), replica_sets.list(&all))?;
            found.items.into_iter().for_each(|object| snapshot.deployments.put(object));
            sets.items.into_iter().for_each(|object| snapshot.replica_sets.put(object));
        }
        if has("StatefulSet") {
            stateful_sets.list(&all).await?.items.into_iter().for_each(|object| snapshot.stateful_sets.put(object));
        }
        if has("DaemonSet") {
            daemon_sets.list(&all).await?.items.into_iter().for_each(|object| snapshot.daemon_sets.put(object));
        }
        Ok(())
    })?;
    found_pods.items.into_iter().for_each(|object| snapshot.pods.put(object));
    Ok(snapshot)
}

/// The ready pods of a workload's new revision.
pub(super) fn ready_pods<'a>(snapshot: &'a Snapshot, workload: &Workload) -> Vec<&'a Pod> {
    let is_usable = |pod: &&Pod| pod.metadata.deletion_timestamp.is_none() && is_ready(pod);
    snapshot.new_pods(workload).into_iter().filter(is_usable).collect()
}
