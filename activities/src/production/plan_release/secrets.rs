//! The keys of secrets that differ between two releases. Values are compared, and never shown.

use std::collections::BTreeMap;

use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{Api, Client};

use berth_workflows::contract::environment::Environment;

use crate::{failure::Failure, release::stored_release::StoredRelease};

/// The most keys in a list.
const MAX_KEYS: usize = 50;

/// Returns the names of the keys whose values differ: of the Secret that runs now, and of the one of a release.
///
/// # Errors
/// A Secret could not be read.
pub(crate) async fn changed_keys(
    client: &Client,
    environment: &Environment,
    serving: Option<&StoredRelease>,
    planned: &StoredRelease,
) -> Result<Vec<String>, Failure> {
    let Some(serving) = serving.filter(|serving| serving.secret != planned.secret) else { return Ok(Vec::new()) };
    let (before, after) =
        futures::try_join!(read(client, environment, &serving.secret), read(client, environment, &planned.secret))?;
    let keys = before.keys().chain(after.keys()).filter(|key| before.get(*key) != after.get(*key));
    let mut keys: Vec<String> = keys.cloned().collect();
    keys.sort();
    keys.dedup();
    keys.truncate(MAX_KEYS);
    Ok(keys)
}

/// Reads the values of a Secret. One that is gone has none.
async fn read(client: &Client, environment: &Environment, name: &str) -> Result<BTreeMap<String, ByteString>, Failure> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &environment.namespace);
    let found = secrets.get_opt(name).await.map_err(|e| Failure::kubernetes(format!("reading Secret/{name}"), e))?;
    Ok(found.and_then(|secret| secret.data).unwrap_or_default())
}
