//! Deleting exactly the object that was looked at, and none that has its name since.

use kube::{
    Api,
    api::{DeleteParams, Preconditions, PropagationPolicy},
    core::ObjectMeta,
};

use crate::failure::Failure;

/// Deletes exactly the object that was looked at. Gone already is success.
pub(crate) async fn delete<K>(api: &Api<K>, metadata: &ObjectMeta, kind: &str) -> Result<(), Failure>
where
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    delete_with(api, metadata, kind, PropagationPolicy::Background).await
}

/// The same, where it matters whether what the object owns goes before it.
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
        // 409: what has this name now is another object.
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        Err(e) => Err(Failure::kubernetes(format!("deleting {kind}/{name}"), e)),
    }
}
