//! Secrets that are named by their content: created once, never changed.

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, ResourceExt, api::PostParams};

use berth_workflows::contract::verdict::FailureType;

use crate::{
    failure::Failure,
    kubernetes::{labels, rbac_lag::Rbac},
};

/// Creates the immutable Secret. An existing one has the same content, because the name is a hash of it.
///
/// # Errors
/// `KubernetesDenied`, permanent, if the existing Secret is mutable or belongs to another environment. A fresh
/// namespace can answer 403 or 404 for a moment: both are retried.
pub(crate) async fn create_once(client: &Client, secret: &Secret) -> Result<(), Failure> {
    create(client, secret, Rbac::InForce).await
}

/// Finds the immutable Secret, or creates it. For content that seldom changes: in an older namespace the Secret most
/// likely exists, and a read costs less than a refused write.
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
    // An exhausted quota answers 403 even if the Secret exists.
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
        let message = format!("{what} does not belong to this environment; berth leaves it alone");
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
    use crate::{examples::environment, fake_api_server::FakeApiServer};

    const SECRETS: &str = "/api/v1/namespaces/pr-1/secrets";

    fn secret() -> Secret {
        let labels = labels::content_labels(&environment(), "berth", labels::RELEASE);
        let metadata = json!({"name": "berth-release-1", "namespace": "pr-1", "labels": labels});
        serde_json::from_value(json!({"metadata": metadata, "immutable": true})).unwrap()
    }

    #[tokio::test]
    async fn a_new_secret_takes_one_request_and_an_existing_one_is_read() {
        let cluster = FakeApiServer::default();
        create_once(&cluster.client(), &secret()).await.unwrap();
        let (post, get) = (format!("POST {SECRETS}"), format!("GET {SECRETS}/berth-release-1"));
        assert_eq!(cluster.requests(), [&*post]);
        create_once(&cluster.client(), &secret()).await.unwrap();
        assert_eq!(cluster.requests(), [&*post, &post, &get]);
        // Content that seldom changes is looked up first.
        find_or_create(&cluster.client(), &secret(), Rbac::InForce).await.unwrap();
        assert_eq!(cluster.requests()[3..], [&*get]);
    }

    #[tokio::test]
    async fn a_mutable_secret_or_one_of_another_owner_is_refused() {
        for (pointer, wrong) in [("/immutable", json!(false)), ("/metadata/labels", json!({}))] {
            let (cluster, mut there) = (FakeApiServer::default(), json!(secret()));
            *there.pointer_mut(pointer).unwrap() = wrong;
            cluster.put(SECRETS, &there);
            let result = create_once(&cluster.client(), &secret()).await;
            let denied = FailureType::KubernetesDenied;
            assert!(matches!(&result, Err(Failure::Permanent(verdict)) if verdict.failure == denied), "{result:?}");
        }
    }
}
