//! Before anything is deleted that others use: no more traffic, and no more pods.

use std::{collections::BTreeSet, fmt::Debug, time::Duration};

use futures::{StreamExt, future::try_join_all, pin_mut};
use k8s_openapi::api::{
    apps::v1::{DaemonSet, Deployment, StatefulSet},
    autoscaling::v2::HorizontalPodAutoscaler,
    batch::v1::{CronJob, Job},
    core::v1::Pod,
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

use berth_workflows::contract::environment::Environment;

use crate::{
    context::Context,
    failure::Failure,
    heartbeat::Progress,
    kubernetes::{guarded_delete, labels, own_namespaces::find_namespaces, permitted::permitted},
};

/// Beyond the pods' own grace period: the kubelet reports an end within a second or two.
const AFTER_GRACE: Duration = Duration::from_secs(5);
/// Kubernetes' default grace period.
const DEFAULT_GRACE: Duration = Duration::from_secs(30);
/// What has not ended by then is left to the namespace's deletion, which names it.
const LONGEST: Duration = Duration::from_secs(120);

/// Stops an environment's traffic, and then what runs in it. Of a namespace that is being deleted already there is nothing
/// to stop.
pub(crate) async fn stop_environment(context: Context<'_>, environment: &Environment) -> Result<(), Failure> {
    let found = find_namespaces(context, environment).await?;
    let staying = found.iter().filter(|namespace| namespace.metadata.deletion_timestamp.is_none());
    try_join_all(staying.map(async |namespace| stop_workloads(context, &namespace.name_any()).await)).await?;
    Ok(())
}

/// Takes the Ingresses away, then scales to zero and waits until no pod is left, within the pods' grace period.
///
/// What berth may not do (its rights in the namespace may be gone already) is left to the namespace's deletion.
pub(crate) async fn stop_workloads(context: Context<'_>, namespace: &str) -> Result<(), Failure> {
    context.progress.say(format!("stopping traffic to {namespace}"));
    delete_all::<Ingress>(context.client, namespace).await?;
    context.progress.say(format!("scaling {namespace} to zero"));
    // An autoscaler first: it would scale up again. Scaled and not deleted where that can be: a StatefulSet ends its pods
    // in their order only so.
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

/// Until no pod is left, or until the longest grace period of those seen is over.
async fn await_no_pods(context: Context<'_>, namespace: &str) -> Result<(), Failure> {
    let pods: Api<Pod> = Api::namespaced(context.client.clone(), namespace);
    // What may not be listed cannot be watched either.
    let what = || format!("listing the pods of {namespace}");
    let Some(listed) = permitted(pods.list(&ListParams::default()).await, what)? else { return Ok(()) };
    if listed.items.is_empty() {
        return Ok(());
    }
    for pod in listed.items.iter().filter(|pod| !has_controller(pod)) {
        // Nobody scales it down.
        guarded_delete::delete(&pods, &pod.metadata, "Pod").await?;
    }
    let longest = listed.items.iter().map(grace).max().unwrap_or(DEFAULT_GRACE);
    let limit = (longest + AFTER_GRACE).min(LONGEST);
    let pods = Api::namespaced(context.client.clone(), namespace);
    if tokio::time::timeout(limit, watch_until_none(pods, namespace, context.progress)).await.is_err() {
        tracing::warn!("{namespace} still has pods {} s after they were told to end", limit.as_secs());
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
            // The watcher begins again by itself.
            Err(_) => {}
        }
        if is_complete && left.is_empty() {
            return;
        }
        progress.say(format!("waiting for {} pods of {namespace} to end", left.len()));
    }
}

fn grace(pod: &Pod) -> Duration {
    let seconds = pod.spec.as_ref().and_then(|spec| spec.termination_grace_period_seconds);
    seconds.and_then(|seconds| u64::try_from(seconds).ok()).map_or(DEFAULT_GRACE, Duration::from_secs)
}

fn has_controller(pod: &Pod) -> bool {
    pod.owner_references().iter().any(|owner| owner.controller == Some(true))
}
