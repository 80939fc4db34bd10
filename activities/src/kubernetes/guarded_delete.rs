//! Deletes that are bound to the UID of the object that was read. An object that was recreated under its name is left
//! alone.

use kube::{
    Api,
    api::{DeleteParams, Preconditions, PropagationPolicy},
    core::ObjectMeta,
};

use crate::failure::Failure;

/// Deletes exactly the object that was read. Returns `Ok` if it is already gone.
pub(crate) async fn delete<K>(api: &Api<K>, metadata: &ObjectMeta, kind: &str) -> Result<(), Failure>
where
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    delete_with(api, metadata, kind, PropagationPolicy::Background).await
}

/// Deletes like [`delete`], with a given propagation: it decides whether owned objects go first.
pub(crate) async fn delete_with<K>(
    api: &Api<K>,
    metadata: &ObjectMeta,
    kind: &str,
    propagation: PropagationPolicy,
) -> Result<(), Failure>
where
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let name = metadata.name.clone().unwrap_or_default();
    let params = DeleteParams {
        propagation_policy: Some(propagation),
        preconditions: Some(Preconditions { uid: metadata.uid.clone(), ..Preconditions::default() }),
        ..DeleteParams::default()
    };
    match api.delete(&name, &params).await {
        Ok(_) => Ok(()),
        // 409: another object has the name now.
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        Err(e) => Err(Failure::kubernetes(format!("deleting {kind}/{name}"), e)),
    }
}
