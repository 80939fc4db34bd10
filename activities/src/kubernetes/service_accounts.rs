//! The pull secret of pods without a `ServiceAccount` of their own: those of `default`, which Kubernetes makes in each namespace.

use k8s_openapi::api::core::v1::{LocalObjectReference, ServiceAccount};
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;

use crate::{
    failure::Failure,
    kubernetes::{
        labels,
        rbac_lag::Rbac,
        versioned::{self, Conflicts},
    },
};

const DEFAULT: &str = "default";

/// Adds a pull secret to the `ServiceAccount` `default`. What others have put there stays.
///
/// The list is one field for the API server, so that no two writers may each own an entry: it is read, and written only if
/// the account is still as it was read. A new namespace has no account for a moment; then this one makes it.
///
/// Idempotent: an account that names the Secret is not written.
///
/// # Errors
/// The API server's. A conflict that lasts is transient.
pub(crate) async fn add_pull_secret(client: &Client, rbac: Rbac, namespace: &str, secret: &str) -> Result<(), Failure> {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    let what = || format!("pull secret of ServiceAccount/{DEFAULT} in namespace {namespace}");
    let mut conflicts = Conflicts::new();
    loop {
        let found = rbac.request(|| accounts.get_opt(DEFAULT)).await.map_err(|e| Failure::kubernetes(what(), e))?;
        let written = match found {
            Some(account) if names(&account, secret) => return Ok(()),
            Some(account) => add(&accounts, &account, secret).await,
            None => create(&accounts, rbac, secret).await,
        };
        match written {
            Ok(()) => return Ok(()),
            Err(e) if versioned::is_conflict(&e) => conflicts.pause(&format!("ServiceAccount/{DEFAULT}")).await?,
            Err(e) => return Err(Failure::kubernetes(what(), e)),
        }
    }
}

fn names(account: &ServiceAccount, secret: &str) -> bool {
    account.image_pull_secrets.iter().flatten().any(|named| named.name == secret)
}

async fn add(accounts: &Api<ServiceAccount>, account: &ServiceAccount, secret: &str) -> kube::Result<()> {
    let mut named = account.image_pull_secrets.clone().unwrap_or_default();
    named.push(LocalObjectReference { name: secret.to_owned() });
    let patch = json!({"metadata": {"resourceVersion": account.resource_version()}, "imagePullSecrets": named});
    let params = PatchParams { field_manager: Some(labels::FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    accounts.patch(DEFAULT, &params, &Patch::Merge(&patch)).await.map(drop)
}

async fn create(accounts: &Api<ServiceAccount>, rbac: Rbac, secret: &str) -> kube::Result<()> {
    let mut account = ServiceAccount {
        image_pull_secrets: Some(vec![LocalObjectReference { name: secret.to_owned() }]),
        ..ServiceAccount::default()
    };
    account.metadata.name = Some(DEFAULT.to_owned());
    let params = PostParams { field_manager: Some(labels::FIELD_MANAGER.to_owned()), ..PostParams::default() };
    rbac.request(|| accounts.create(&params, &account)).await.map(drop)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::fake_api_server::FakeApiServer;

    const ACCOUNTS: &str = "/api/v1/namespaces/pr-1/serviceaccounts";

    async fn add_to(cluster: &FakeApiServer) -> Result<Value, Failure> {
        add_pull_secret(&cluster.client(), Rbac::InForce, "pr-1", "regcred").await?;
        Ok(cluster.get(&format!("{ACCOUNTS}/default")).unwrap()["imagePullSecrets"].clone())
    }

    fn account(named: &Value) -> Value {
        json!({"metadata": {"name": "default"}, "imagePullSecrets": named})
    }

    #[tokio::test]
    async fn pull_secret_is_added_once_besides_those_of_others() {
        let (theirs, both) = (json!([{"name": "theirs"}]), json!([{"name": "theirs"}, {"name": "regcred"}]));
        for (before, after) in [(json!(null), json!([{"name": "regcred"}])), (theirs, both)] {
            let cluster = FakeApiServer::default();
            cluster.put(ACCOUNTS, &account(&before));
            assert_eq!(add_to(&cluster).await.unwrap(), after);
            assert_eq!((add_to(&cluster).await.unwrap(), cluster.writes().len()), (after, 1));
        }
    }

    #[tokio::test]
    async fn account_is_made_where_there_is_none_yet() {
        let cluster = FakeApiServer::default();
        assert_eq!(add_to(&cluster).await.unwrap(), json!([{"name": "regcred"}]));
        // Its controller was first.
        let cluster = FakeApiServer::default();
        cluster.put_before(&format!("POST {ACCOUNTS}"), ACCOUNTS, &account(&json!(null)));
        assert_eq!(add_to(&cluster).await.unwrap(), json!([{"name": "regcred"}]));
    }

    #[tokio::test(start_paused = true)]
    async fn conflicts_of_some_seconds_only_repeat_the_write() {
        let cluster = FakeApiServer::default();
        cluster.put(ACCOUNTS, &account(&json!([])));
        cluster.refuse_times(&format!("PATCH {ACCOUNTS}/default"), 409, 9);
        assert_eq!(add_to(&cluster).await.unwrap(), json!([{"name": "regcred"}]));
    }

    #[tokio::test]
    async fn entry_that_another_writer_adds_meanwhile_stays() {
        let cluster = FakeApiServer::default();
        cluster.put(ACCOUNTS, &account(&json!([])));
        let theirs = account(&json!([{"name": "theirs"}]));
        cluster.put_before(&format!("PATCH {ACCOUNTS}/default"), ACCOUNTS, &theirs);
        assert_eq!(add_to(&cluster).await.unwrap(), json!([{"name": "theirs"}, {"name": "regcred"}]));
    }
}
