//! A preview's namespace: berth creates it, or finds it with its labels, and limits and isolates it.

use futures::{future::try_join_all, try_join};
use kube::ResourceExt;

use berth_manifests::app::App;
use berth_workflows::contract::{environment::Environment, preparation::NamespaceReady};

use super::{
    apply::{apply, pull_secret},
    isolation::isolation_objects,
    namespace::create_or_find,
    objects,
};
use crate::{
    context::Context,
    environment::default_requests,
    failure::Failure,
    kubernetes::{rbac_lag::Rbac, service_accounts::add_pull_secret, terminating_namespace::deletion_message},
};

/// Creates the namespace or finds it, and applies its standard objects.
///
/// # Errors
/// As for [`super::ensure_namespace()`].
pub(super) async fn ensure(
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
    let rbac = if created { Rbac::Propagating } else { Rbac::from_age(&namespace.metadata) };
    // The RoleBinding grants the rights that all later requests need.
    let binding = objects::role_binding(context.settings, environment);
    let (secret, _) = try_join!(pull_secret(context, app, environment), apply(context.client, rbac, &binding))?;
    let mut objects = isolation_objects(context.settings, app, environment);
    objects.extend(secret);
    let applied = try_join_all(objects.iter().map(|object| apply(context.client, rbac, object)));
    let account = async {
        match &app.image_pull_secret {
            Some(secret) => add_pull_secret(context.client, rbac, &environment.namespace, &secret.copy).await,
            None => Ok(()),
        }
    };
    try_join!(applied, account, default_requests::ensure(context, environment, rbac, created))?;
    Ok(NamespaceReady { uid, created, terminating: None })
}
