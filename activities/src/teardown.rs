//! Removing an environment, and seeing that it is gone.

use std::time::Duration;

use futures::{StreamExt, pin_mut};
use k8s_openapi::api::core::v1::{Namespace, NamespaceCondition};
use kube::{
    Api, Client, ResourceExt,
    api::ListParams,
    runtime::{WatchStreamExt, watcher},
};

use berth_workflows::{
    activity_definitions::{DeleteInput, LeakReport, Remaining},
    environment::Environment,
    verdict::FailureType,
};

use crate::{apply::api, failure::Failure, heartbeat::Progress, labels, manifests::KINDS, prune::delete};

/// Removes what the environment has outside every namespace, then its namespace, and watches until it is gone.
///
/// Only what carries this workflow's label is touched, and the namespace only under the UID that was looked at.
/// Idempotent: "already gone" is success.
///
/// # Errors
/// Those of the API, to be retried. What does not go away within `teardown_seconds` is no error: the report names it.
pub async fn delete_environment(
    client: &Client,
    delete: &DeleteInput,
    progress: &Progress,
) -> Result<LeakReport, Failure> {
    let environment = &delete.environment;
    let mut report = LeakReport::default();
    delete_cluster_objects(client, environment, &mut report).await?;
    let deadline = Duration::from_secs(delete.timings.teardown_seconds);
    delete_namespace(client, environment, deadline, progress, &mut report).await?;
    Ok(report)
}

async fn delete_cluster_objects(
    client: &Client,
    environment: &Environment,
    report: &mut LeakReport,
) -> Result<(), Failure> {
    let mine = ListParams::default().labels(&format!("{}={}", labels::WORKFLOW, environment.workflow_id));
    for object in &environment.cluster_objects {
        let kind = KINDS.iter().find(|kind| kind.kind == object.kind && kind.api_version() == object.api_version);
        let Some(kind) = kind.filter(|kind| !kind.namespaced) else { continue };
        let api = api(client, &kind.api_resource(), false, "");
        let what = || format!("listing {}", kind.plural);
        let found = api.list_metadata(&mine).await.map_err(|e| Failure::kubernetes(what(), e))?;
        for found in found.items.iter().filter(|found| found.name_any() == object.name) {
            crate::prune::delete(&api, &found.metadata, kind.kind).await?;
        }
        report.gone.push(format!("{}/{}", object.kind, object.name));
    }
    Ok(())
}

async fn delete_namespace(
    client: &Client,
    environment: &Environment,
    deadline: Duration,
    progress: &Progress,
    report: &mut LeakReport,
) -> Result<(), Failure> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let name = &environment.namespace;
    let what = || format!("namespace {name}");
    let found = namespaces.get_opt(name).await.map_err(|e| Failure::kubernetes(what(), e))?;
    // Not there, or somebody else's by now: ours is gone.
    let Some(found) = found.filter(|found| labels::is_owned_by(found, &environment.workflow_id)) else {
        report.gone.push(format!("Namespace/{name}"));
        return Ok(());
    };
    if found.metadata.deletion_timestamp.is_none() {
        delete(&namespaces, &found.metadata, "Namespace").await?;
    }
    progress.say(format!("waiting for namespace {name} to be gone"));
    let uid = found.uid().unwrap_or_default();
    let mut seen = Some(found);
    match tokio::time::timeout(deadline, watch_until_gone(&namespaces, name, &uid, progress, &mut seen)).await {
        Ok(gone) => gone.map(|()| report.gone.push(format!("Namespace/{name}"))),
        Err(_) => {
            report.remaining = remaining(name, seen.as_ref());
            Ok(())
        }
    }
}

async fn watch_until_gone(
    namespaces: &Api<Namespace>,
    name: &str,
    uid: &str,
    progress: &Progress,
    seen: &mut Option<Namespace>,
) -> Result<(), Failure> {
    let changes = watcher::watch_object(namespaces.clone(), name).default_backoff();
    pin_mut!(changes);
    while let Some(change) = changes.next().await {
        // The watcher begins again by itself; an error here is one that it is already backing off from.
        let Ok(change) = change else { continue };
        match change.filter(|namespace| namespace.uid().as_deref() == Some(uid)) {
            None => return Ok(()),
            Some(namespace) => {
                if let Some(words) = blocked_by(&namespace).first() {
                    progress.say(format!("namespace {name}: {}", words.message.as_deref().unwrap_or_default()));
                }
                *seen = Some(namespace);
            }
        }
    }
    Err(Failure::transient(FailureType::KubernetesDenied, format!("the watch of namespace {name} ended")))
}

/// The conditions with which the namespace controller says why a namespace is not gone yet.
fn blocked_by(namespace: &Namespace) -> Vec<&NamespaceCondition> {
    let conditions = namespace.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let mut blocked: Vec<_> = conditions.filter(|condition| condition.status == "True").collect();
    // The finalizer is the reason; that content remains is its consequence.
    blocked.sort_by_key(|condition| match condition.type_.as_str() {
        "NamespaceFinalizersRemaining" => 0,
        "NamespaceContentRemaining" => 1,
        _ => 2,
    });
    blocked
}

/// What is still there, in the words of the namespace controller.
fn remaining(name: &str, namespace: Option<&Namespace>) -> Vec<Remaining> {
    let blocked = namespace.map(blocked_by).unwrap_or_default();
    let reasons: Vec<_> = blocked.iter().filter_map(|condition| condition.message.clone()).collect();
    vec![Remaining {
        object: format!("Namespace/{name}"),
        reason: if reasons.is_empty() { "still terminating".to_owned() } else { reasons.join(" ") },
        command: format!(
            "kubectl api-resources --verbs=list --namespaced -o name | xargs -n1 kubectl get -n {name} --ignore-not-found \
             -o custom-columns=KIND:.kind,NAME:.metadata.name,FINALIZERS:.metadata.finalizers"
        ),
    }]
}
