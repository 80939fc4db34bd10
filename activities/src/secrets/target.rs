//! The target of secrets: only the environment's own namespace.

use std::time::Duration;

use futures::{StreamExt, pin_mut};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, ResourceExt,
    runtime::{WatchStreamExt, watcher},
};

use berth_workflows::contract::{environment::Environment, verdict::FailureType};

use crate::{
    context::Context,
    failure::Failure,
    kubernetes::{labels, rbac_lag::Rbac},
};

/// The time that one attempt waits for the namespace.
const NAMESPACE_TIMEOUT: Duration = Duration::from_secs(30);

/// Waits until the environment's namespace exists and belongs to it. Its `RoleBinding` may propagate a moment later.
///
/// # Errors
/// `KubernetesDenied`: permanent if the namespace belongs to somebody else, retried with its last state if it does not
/// exist after 30 s.
pub(super) async fn await_namespace(context: Context<'_>, environment: &Environment) -> Result<Rbac, Failure> {
    let name = &environment.namespace;
    let changes = watcher::watch_object(Api::<Namespace>::all(context.client.clone()), name).default_backoff();
    pin_mut!(changes);
    let mut seen = "it does not exist yet".to_owned();
    let waiting = async {
        while let Some(change) = changes.next().await {
            seen = match change {
                Ok(None) => "it does not exist yet".to_owned(),
                // The name will be free, whoever the owner is.
                Ok(Some(namespace)) if namespace.metadata.deletion_timestamp.is_some() => {
                    "it is terminating".to_owned()
                }
                Ok(Some(namespace))
                    if labels::belongs_to(namespace.labels(), environment, &context.settings.installation) =>
                {
                    return Ok(Rbac::from_age(&namespace.metadata));
                }
                Ok(Some(_)) => return Err(foreign(format!("namespace {name}"))),
                // The watcher restarts by itself.
                Err(error) => format!("watching it: {error}"),
            };
        }
        Err(Failure::transient(FailureType::KubernetesDenied, format!("the watch of namespace {name} ended")))
    };
    let waited = tokio::time::timeout(NAMESPACE_TIMEOUT, waiting).await;
    waited.unwrap_or_else(|_| {
        let message = format!("namespace {name} after {} s: {seen}", NAMESPACE_TIMEOUT.as_secs());
        Err(Failure::transient(FailureType::KubernetesDenied, message))
    })
}

fn foreign(what: String) -> Failure {
    Failure::permanent(
        FailureType::KubernetesDenied,
        format!("{what} does not belong to this environment; no secrets are stored there"),
    )
}
