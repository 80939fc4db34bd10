//! The activity `delete_environment`.

use std::{collections::BTreeSet, time::Duration};

use futures::future::try_join_all;
use k8s_openapi::api::core::v1::Namespace;
use kube::ResourceExt;

use berth_workflows::contract::{
    environment::Environment,
    teardown::{DeleteInput, LeakReport, Remaining},
};

use crate::{
    context::Context,
    database,
    failure::Failure,
    kubernetes::own_namespaces::{OwnNamespaces, find_namespaces, unlabelled_entry},
};

mod blocked;
mod cluster;
mod namespaces;
mod objects;
mod volumes;

/// Removes an environment in this order: traffic, pods, cluster-scoped objects, namespace.
///
/// It touches only objects with the labels of this workflow, and deletes the namespace only under the UID that was
/// read. "Gone" is said of the recorded UID: without the labels the namespace remains, and a person must act.
/// Idempotent: an object that is already gone counts as removed.
///
/// # Errors
/// Errors of the API, which are retried. Objects that are not gone within `teardown_seconds` are no error: the report
/// names them.
pub async fn delete_environment(context: Context<'_>, delete: &DeleteInput) -> Result<LeakReport, Failure> {
    let environment = &delete.environment;
    let mut report = LeakReport::default();
    let found = find_namespaces(context, environment).await?;
    report_recorded(context, environment, &found, &mut report);

    // 1. Stop traffic, then pods. Objects with finalizers are listed now, because berth's rights in a namespace end
    //    early in its deletion.
    let held = stop_all(context, &found.labelled).await?;

    // 2. Delete cluster-scoped objects. No pod uses them any more.
    cluster::delete_objects(context, environment, &mut report).await?;

    // 3. Drop databases on other servers than the recorded one, which an activity of its own has dropped earlier.
    report.add(database::drop_elsewhere(context, delete, &found).await?);

    // 4. Delete the namespace with its content.
    let known = [delete.known.as_slice(), held.as_slice()].concat();
    let deadline = Duration::from_secs(delete.timings.teardown_seconds);
    let deleted = found.labelled.iter().map(|namespace| namespaces::delete(context, namespace, deadline, &known));
    for (namespace, remaining) in found.labelled.iter().zip(try_join_all(deleted).await?) {
        if remaining.is_empty() {
            report.gone.push(format!("Namespace/{}", namespace.name_any()));
        }
        report.remaining.extend(remaining);
    }

    // 5. Name the volumes that outlive their claims.
    let names = found.labelled.iter().map(ResourceExt::name_any).chain([environment.namespace.clone()]);
    for name in names.filter(|name| !name.is_empty()).collect::<BTreeSet<_>>() {
        report.skipped.extend(volumes::retained(context.client, &name).await?);
    }
    Ok(report)
}

/// Reports the recorded namespace, if it does not carry the environment's labels.
fn report_recorded(context: Context<'_>, environment: &Environment, found: &OwnNamespaces, report: &mut LeakReport) {
    let is_recorded = |namespace: &Namespace| namespace.name_any() == environment.namespace;
    if let Some(namespace) = &found.unlabelled {
        report.remaining.push(unlabelled_entry(namespace, environment, &context.settings.installation));
    } else if !environment.namespace.is_empty() && !found.labelled.iter().any(is_recorded) {
        // The name is free, or another owner has it now: this environment's namespace is gone.
        report.gone.push(format!("Namespace/{}", environment.namespace));
    }
}

async fn stop_all(context: Context<'_>, found: &[Namespace]) -> Result<Vec<Remaining>, Failure> {
    let stopped = found.iter().map(|namespace| namespaces::stop(context, namespace));
    Ok(try_join_all(stopped).await?.into_iter().flatten().collect())
}
