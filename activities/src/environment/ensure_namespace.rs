//! The activity `ensure_namespace`: a namespace with limits, policies and berth's own `RoleBinding`, before any
//! manifest.

use futures::{future::try_join_all, try_join};
use kube::ResourceExt;

use berth_manifests::app::App;
use berth_workflows::contract::{environment::Environment, preparation::NamespaceReady};

use crate::{
    context::Context,
    failure::Failure,
    kubernetes::{rbac_lag::Rbac, terminating_namespace::deletion_message},
};

mod apply;
mod isolation;
mod namespace;
mod objects;
mod ownership;

use apply::{apply, pull_secret};
use namespace::create_or_find;

/// Creates the namespace or finds it, and applies its standard objects.
///
/// Idempotent: everything is applied server-side, and the same apply changes nothing. A namespace that is being deleted
/// is only reported. The workflow waits for it, so that `status` can show it.
///
/// # Errors
/// `KubernetesDenied`, permanent, if the namespace exists and does not belong to this workflow. berth adopts only what
/// it has created.
pub async fn ensure_namespace(
    context: Context<'_>,
    app: &App,
    environment: &Environment,
) -> Result<NamespaceReady, Failure> {
    let (namespace, created) = create_or_find(context, app, environment).await?;
    let uid = namespace.uid().unwrap_or_default();
    if namespace.metadata.deletion_timestamp.is_some() {
        return Ok(NamespaceReady { uid, created: false, terminating: Some(deletion_message(&namespace)) });
    }
    context.progress.report(format!("applying limits and policies to namespace {}", environment.namespace));
    let rbac = if created { Rbac::Propagating } else { Rbac::from_age(&namespace) };
    // The RoleBinding grants the rights that all later requests need.
    let binding = objects::role_binding(context.settings, environment);
    let (secret, ()) = try_join!(pull_secret(context, app, environment), apply(context.client, rbac, &binding))?;
    let mut objects = isolation::limits_and_policies(context.settings, app, environment);
    objects.extend(secret);
    try_join_all(objects.iter().map(|object| apply(context.client, rbac, object))).await?;
    Ok(NamespaceReady { uid, created, terminating: None })
}

#[cfg(test)]
mod tests;
