//! Removing an environment, and seeing that it is gone.

use std::time::Duration;

use futures::future::try_join_all;
use k8s_openapi::api::core::v1::Namespace;
use kube::ResourceExt;

use berth_workflows::contract::teardown::{DeleteInput, LeakReport, Remaining};

use crate::{context::Context, database, failure::Failure, kubernetes::own_namespaces::find_namespaces};

mod cluster;
mod namespaces;
mod objects;

/// Removes an environment, in this order: no more traffic, no more pods, what is outside every namespace, the namespace.
///
/// Only what carries the labels of this workflow is touched, and the namespace only under the UID that was looked at.
/// Idempotent: "already gone" is success.
///
/// # Errors
/// Those of the API, to be retried. What does not go away within `teardown_seconds` is no error: the report names it.
pub async fn delete_environment(context: Context<'_>, delete: &DeleteInput) -> Result<LeakReport, Failure> {
    let environment = &delete.environment;
    let mut report = LeakReport::default();
    let found = find_namespaces(context, environment).await?;
    let is_there = |name: &str| found.iter().any(|namespace| namespace.name_any() == name);
    if !environment.namespace.is_empty() && !is_there(&environment.namespace) {
        // Not there, or somebody else's by now: ours is gone.
        report.gone.push(format!("Namespace/{}", environment.namespace));
    }

    // 1. Stop traffic, and then what runs. What has a finalizer is looked up now: berth's rights in a namespace end early
    //    in its deletion.
    let held = stop_all(context, &found).await?;

    // 2. What is outside every namespace: nothing uses it any more.
    cluster::delete_objects(context, environment, &mut report).await?;

    // 3. Databases were dropped before this, by an activity of their own, where they were written down.
    if environment.namespace.is_empty() {
        database::drop_unrecorded(context, environment, &mut report).await?;
    }

    // 4. The namespace with all that is in it.
    let known = [delete.known.as_slice(), held.as_slice()].concat();
    let deadline = Duration::from_secs(delete.timings.teardown_seconds);
    let deleted = found.iter().map(|namespace| namespaces::delete(context, namespace, deadline, &known));
    for (namespace, remaining) in found.iter().zip(try_join_all(deleted).await?) {
        if remaining.is_empty() {
            report.gone.push(format!("Namespace/{}", namespace.name_any()));
        }
        report.remaining.extend(remaining);
    }
    Ok(report)
}

async fn stop_all(context: Context<'_>, found: &[Namespace]) -> Result<Vec<Remaining>, Failure> {
    let stopped = found.iter().map(|namespace| namespaces::stop(context, namespace));
    Ok(try_join_all(stopped).await?.into_iter().flatten().collect())
}
