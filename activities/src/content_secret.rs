//! Secrets that are named by their content: made once, never changed.

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, ResourceExt, api::PostParams};

use berth_workflows::verdict::FailureType;

use crate::{failure::Failure, labels};

/// Creates the immutable Secret, or finds it: its name says what is in it.
///
/// # Errors
/// `KubernetesDenied` for good if what has that name is not the same environment's or can be changed. Of a fresh namespace
/// a 403 or 404 can be had for a moment: they are retried.
pub(crate) async fn create_once(client: &Client, secret: &Secret) -> Result<(), Failure> {
    let namespace = secret.namespace().unwrap_or_default();
    let api: Api<Secret> = Api::namespaced(client.clone(), &namespace);
    let what = format!("Secret {} of namespace {namespace}", secret.name_any());
    // Asking first, so that a second run sends no write at all.
    if find_own(&api, secret, &what).await? {
        return Ok(());
    }
    let params = PostParams { field_manager: Some(labels::FIELD_MANAGER.to_owned()), ..PostParams::default() };
    match api.create(&params, secret).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 409 => match find_own(&api, secret, &what).await? {
            true => Ok(()),
            false => Err(Failure::transient(FailureType::KubernetesDenied, format!("{what}: made and gone again"))),
        },
        Err(e) => Err(Failure::kubernetes(what, e)),
    }
}

async fn find_own(api: &Api<Secret>, secret: &Secret, what: &str) -> Result<bool, Failure> {
    let found = api.get_opt(&secret.name_any()).await.map_err(|e| Failure::kubernetes(what, e))?;
    let Some(found) = found else { return Ok(false) };
    if found.immutable != Some(true) || !labels::is_same_owner(found.labels(), secret.labels()) {
        let message = format!("{what} is not this environment's: it is left alone");
        return Err(Failure::permanent(FailureType::KubernetesDenied, message));
    }
    match found.metadata.deletion_timestamp {
        None => Ok(true),
        Some(_) => Err(Failure::transient(FailureType::KubernetesDenied, format!("{what}: it is being deleted"))),
    }
}
