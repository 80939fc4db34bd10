//! Secrets that are named by their content: made once, never changed.

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, ResourceExt, api::PostParams};

use berth_workflows::contract::verdict::FailureType;

use crate::{
    failure::Failure,
    kubernetes::{labels, rbac_lag::Rbac},
};

/// Creates the immutable Secret, or finds it: its name says what is in it.
///
/// # Errors
/// `KubernetesDenied` for good if what has that name is not the same environment's or can be changed. Of a fresh namespace
/// a 403 or 404 can be had for a moment: they are retried.
pub(crate) async fn create_once(client: &Client, secret: &Secret) -> Result<(), Failure> {
    create(client, secret, Rbac::InForce).await
}

/// The same for content that seldom changes: in a namespace that is not new it is most likely there, and to look costs
/// less than a write in vain.
pub(crate) async fn find_or_create(client: &Client, secret: &Secret, rbac: Rbac) -> Result<(), Failure> {
    let (api, what) = place(client, secret);
    if rbac == Rbac::InForce && find_own(&api, secret, &what).await? {
        return Ok(());
    }
    create(client, secret, rbac).await
}

async fn create(client: &Client, secret: &Secret, rbac: Rbac) -> Result<(), Failure> {
    let (api, what) = place(client, secret);
    let params = PostParams { field_manager: Some(labels::FIELD_MANAGER.to_owned()), ..PostParams::default() };
    let refused = match rbac.request(|| api.create(&params, secret)).await {
        Ok(_) => return Ok(()),
        Err(refused) => refused,
    };
    // A quota that is used up refuses, with a 403, what is there as well.
    let may_be_there = matches!(&refused, kube::Error::Api(status) if matches!(status.code, 403 | 409));
    if may_be_there && find_own(&api, secret, &what).await? {
        return Ok(());
    }
    Err(Failure::kubernetes(what, refused))
}

fn place(client: &Client, secret: &Secret) -> (Api<Secret>, String) {
    let namespace = secret.namespace().unwrap_or_default();
    let what = format!("Secret {} of namespace {namespace}", secret.name_any());
    (Api::namespaced(client.clone(), &namespace), what)
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::secrets::{example_environment, fake::Cluster};

    const SECRETS: &str = "/api/v1/namespaces/pr-1/secrets";

    fn secret() -> Secret {
        let labels = labels::content_labels(&example_environment(), "berth", labels::RELEASE);
        let metadata = json!({"name": "berth-release-1", "namespace": "pr-1", "labels": labels});
        serde_json::from_value(json!({"metadata": metadata, "immutable": true})).unwrap()
    }

    #[tokio::test]
    async fn what_is_new_is_one_request_and_what_is_there_is_looked_at() {
        let cluster = Cluster::default();
        create_once(&cluster.client(), &secret()).await.unwrap();
        let (post, get) = (format!("POST {SECRETS}"), format!("GET {SECRETS}/berth-release-1"));
        assert_eq!(cluster.requests(), [&*post]);
        create_once(&cluster.client(), &secret()).await.unwrap();
        assert_eq!(cluster.requests(), [&*post, &post, &get]);
        // Of what changes seldom the question comes first.
        find_or_create(&cluster.client(), &secret(), Rbac::InForce).await.unwrap();
        assert_eq!(cluster.requests()[3..], [&*get]);
    }

    #[tokio::test]
    async fn what_can_be_changed_or_is_anothers_is_left_alone() {
        for (pointer, wrong) in [("/immutable", json!(false)), ("/metadata/labels", json!({}))] {
            let (cluster, mut there) = (Cluster::default(), json!(secret()));
            *there.pointer_mut(pointer).unwrap() = wrong;
            cluster.put(&format!("{SECRETS}/berth-release-1"), there);
            let result = create_once(&cluster.client(), &secret()).await;
            let denied = FailureType::KubernetesDenied;
            assert!(matches!(&result, Err(Failure::Permanent(verdict)) if verdict.failure == denied), "{result:?}");
        }
    }
}
