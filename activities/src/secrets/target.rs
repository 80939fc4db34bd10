//! Where secrets go: into the namespace that is this environment's own, once, and nowhere else.

use std::time::Duration;

use futures::{StreamExt, pin_mut};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::{
    Api, Client, ResourceExt,
    api::PostParams,
    runtime::{WatchStreamExt, watcher},
};

use berth_workflows::{environment::Environment, verdict::FailureType};

use crate::{failure::Failure, labels};

/// How long one attempt waits for the namespace, which is being made beside it.
const NAMESPACE_TIMEOUT: Duration = Duration::from_secs(30);

/// Waits until the environment's namespace is there and its own.
///
/// # Errors
/// `KubernetesDenied`: for good if the namespace is somebody else's; to be retried if it has not come within 30 s, with
/// what was last seen of it.
pub(super) async fn await_namespace(client: &Client, environment: &Environment) -> Result<(), Failure> {
    let name = &environment.namespace;
    let changes = watcher::watch_object(Api::<Namespace>::all(client.clone()), name).default_backoff();
    pin_mut!(changes);
    let mut seen = "it is not there yet".to_owned();
    let waiting = async {
        while let Some(change) = changes.next().await {
            seen = match change {
                Ok(None) => "it is not there yet".to_owned(),
                Ok(Some(namespace)) if !labels::is_owned_by(&namespace, &environment.workflow_id) => {
                    return Err(foreign(format!("namespace {name}")));
                }
                Ok(Some(namespace)) if namespace.metadata.deletion_timestamp.is_none() => return Ok(()),
                Ok(Some(_)) => "it is terminating".to_owned(),
                // The watcher begins again by itself.
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

/// Creates the Secret, or finds it: its name says what is in it.
///
/// # Errors
/// `KubernetesDenied` for good if what has that name is not berth's or can be changed. Of a fresh namespace a 403 or 404
/// can be had for a moment: they are retried.
pub(super) async fn create_once(client: &Client, secret: &Secret, environment: &Environment) -> Result<(), Failure> {
    let api: Api<Secret> = Api::namespaced(client.clone(), &environment.namespace);
    let what = format!("Secret {} of namespace {}", secret.name_any(), environment.namespace);
    // Asking first, so that a second run sends no write at all.
    if find_own(&api, secret, environment, &what).await? {
        return Ok(());
    }
    let params = PostParams { field_manager: Some(labels::FIELD_MANAGER.to_owned()), ..PostParams::default() };
    match api.create(&params, secret).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 409 => {
            match find_own(&api, secret, environment, &what).await? {
                true => Ok(()),
                false => Err(Failure::transient(FailureType::KubernetesDenied, format!("{what}: made and gone again"))),
            }
        }
        Err(e) => Err(Failure::kubernetes(what, e)),
    }
}

async fn find_own(api: &Api<Secret>, secret: &Secret, environment: &Environment, what: &str) -> Result<bool, Failure> {
    let found = api.get_opt(&secret.name_any()).await.map_err(|e| Failure::kubernetes(what, e))?;
    let Some(found) = found else { return Ok(false) };
    let label = |key| found.labels().get(key).map(String::as_str);
    let ours = label(labels::MANAGED_BY) == Some("berth")
        && label(labels::WORKFLOW) == Some(&environment.workflow_id)
        && found.immutable == Some(true);
    if !ours {
        return Err(foreign(what.to_owned()));
    }
    match found.metadata.deletion_timestamp {
        None => Ok(true),
        Some(_) => Err(Failure::transient(FailureType::KubernetesDenied, format!("{what}: it is being deleted"))),
    }
}

fn foreign(what: String) -> Failure {
    Failure::permanent(FailureType::KubernetesDenied, format!("{what} is not this environment's: no secrets go there"))
}
