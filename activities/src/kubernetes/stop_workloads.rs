//! Stopping a namespace: first its traffic, then its pods. It comes before deleting what the pods use.

use std::{collections::BTreeSet, fmt::Debug, time::Duration};

use futures::{StreamExt, future::try_join_all, pin_mut};
use k8s_openapi::api::{
    apps::v1::{DaemonSet, Deployment, StatefulSet},
    autoscaling::v2::HorizontalPodAutoscaler,
    batch::v1::{CronJob, Job},
    core::v1::{Namespace, Pod},
    networking::v1::Ingress,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams},
    core::{NamespaceResourceScope, PartialObjectMeta},
    runtime::{WatchStreamExt, watcher},
};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::{
    context::Context,
    failure::Failure,
    heartbeat::Progress,
    kubernetes::{guarded_delete, labels, permitted::permitted},
};

/// The kubelet reports an ended pod within a second or two after the grace period.
const AFTER_GRACE: Duration = Duration::from_secs(5);
/// Kubernetes' default grace period.
const DEFAULT_GRACE: Duration = Duration::from_secs(30);
/// The longest wait. Pods that are left then are reported by the namespace's deletion.
const LONGEST: Duration = Duration::from_secs(120);

/// Stops the traffic and the pods of namespaces. One that is being deleted is skipped: Kubernetes stops it.
pub(crate) async fn stop_namespaces(context: Context<'_>, namespaces: &[Namespace]) -> Result<(), Failure> {
    let staying = namespaces.iter().filter(|namespace| namespace.metadata.deletion_timestamp.is_none());
    try_join_all(staying.map(async |namespace| stop_workloads(context, &namespace.name_any()).await)).await?;
    Ok(())
}

/// Deletes the Ingresses, scales to zero, and waits until no pod is left, at most for the pods' grace period.
///
/// A refused request is skipped, because berth's rights in the namespace may be gone. The namespace's deletion covers
/// it.
pub(crate) async fn stop_workloads(context: Context<'_>, namespace: &str) -> Result<(), Failure> {
    context.progress.report(format!("stopping traffic to {namespace}"));
    delete_all::<Ingress>(context.client, namespace).await?;
    context.progress.report(format!("scaling {namespace} to zero"));
    // Autoscalers go first: they would scale up again. Workloads are scaled where possible, not deleted: only then does
    // a StatefulSet stop its pods in order.
    delete_all::<HorizontalPodAutoscaler>(context.client, namespace).await?;
    futures::try_join!(
        scale_to_zero::<Deployment>(context.client, namespace),
        scale_to_zero::<StatefulSet>(context.client, namespace),
        delete_all::<CronJob>(context.client, namespace),
        delete_all::<Job>(context.client, namespace),
        delete_all::<DaemonSet>(context.client, namespace),
    )?;
    await_no_pods(context, namespace).await
}

async fn delete_all<K>(client: &Client, namespace: &str) -> Result<(), Failure>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    let deleted = api.delete_collection(&DeleteParams::background(), &ListParams::default()).await;
    permitted(deleted, || format!("deleting every {} of {namespace}", K::kind(&()))).map(drop)
}

async fn scale_to_zero<K>(client: &Client, namespace: &str) -> Result<(), Failure>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    let what = || format!("scaling every {} of {namespace} to zero", K::kind(&()));
    let Some(listed) = permitted(api.list_metadata(&ListParams::default()).await, what)? else { return Ok(()) };
    let params = PatchParams { field_manager: Some(labels::FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let zero = Patch::Merge(json!({"spec": {"replicas": 0}}));
    let scaled = listed
        .items
        .iter()
        .map(async |object| permitted(api.patch_metadata(&object.name_any(), &params, &zero).await, what).map(drop));
    try_join_all(scaled).await.map(drop)
}

/// Waits until no pod is left, or until the longest grace period is over.
async fn await_no_pods(context: Context<'_>, namespace: &str) -> Result<(), Failure> {
    let pods: Api<Pod> = Api::namespaced(context.client.clone(), namespace);
    // A list that is refused means that a watch would be refused too.
    let what = || format!("listing the pods of {namespace}");
    let Some(listed) = permitted(pods.list(&ListParams::default()).await, what)? else { return Ok(()) };
    if listed.items.is_empty() {
        return Ok(());
    }
    for pod in listed.items.iter().filter(|pod| !has_controller(pod)) {
        // Pods without a controller are not scaled down.
        guarded_delete::delete(&pods, &pod.metadata, "Pod").await?;
    }
    let longest = listed.items.iter().map(grace).max().unwrap_or(DEFAULT_GRACE);
    let limit = (longest + AFTER_GRACE).min(LONGEST);
    let pods = Api::namespaced(context.client.clone(), namespace);
    if tokio::time::timeout(limit, watch_until_none(pods, namespace, context.progress)).await.is_err() {
        tracing::warn!("{namespace} still has pods {} s after they were asked to stop", limit.as_secs());
    }
    Ok(())
}

async fn watch_until_none(pods: Api<PartialObjectMeta<Pod>>, namespace: &str, progress: &Progress) {
    let changes = watcher(pods, watcher::Config::default()).default_backoff();
    pin_mut!(changes);
    let mut left: BTreeSet<String> = BTreeSet::new();
    let mut is_complete = false;
    while let Some(change) = changes.next().await {
        match change {
            Ok(watcher::Event::Init) => {
                left.clear();
                is_complete = false;
            }
            Ok(watcher::Event::InitDone) => is_complete = true,
            Ok(watcher::Event::Apply(pod) | watcher::Event::InitApply(pod)) => {
                left.insert(pod.uid().unwrap_or_default());
            }
            Ok(watcher::Event::Delete(pod)) => {
                left.remove(&pod.uid().unwrap_or_default());
            }
            // The watcher restarts by itself.
            Err(_) => {}
        }
        if is_complete && left.is_empty() {
            return;
        }
        progress.report(format!("waiting for {} pods of {namespace} to stop", left.len()));
    }
}

fn grace(pod: &Pod) -> Duration {
    let seconds = pod.spec.as_ref().and_then(|spec| spec.termination_grace_period_seconds);
    seconds.and_then(|seconds| u64::try_from(seconds).ok()).map_or(DEFAULT_GRACE, Duration::from_secs)
}

fn has_controller(pod: &Pod) -> bool {
    pod.owner_references().iter().any(|owner| owner.controller == Some(true))
}
