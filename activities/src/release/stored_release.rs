//! A rendered release, stored in the environment for prune, gates and rollback.

mod packing;
mod secrets;

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, ResourceExt};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use berth_manifests::{
    app::{Gate, PodSecurity},
    render::{Identity, Object},
};
use berth_workflows::contract::{environment::Environment, preparation::SyncedSecrets, release::Release};

pub use packing::why_too_large;
pub use secrets::ReleaseSecrets;

use crate::{context::Context, failure::Failure, kubernetes::labels};

/// The stored content of a release.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StoredRelease {
    pub commit: String,
    /// The release with its number, and the facts about its Secret: in production, where it may serve again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Box<ReleaseVersion>>,
    /// The Secret with the environment's secrets that the release's pods read.
    pub secret: String,
    /// The objects, in the order in which they are applied.
    pub objects: Vec<Value>,
    /// The Pod Security level of the namespace, in production with isolation. `None` leaves the level to its people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_security: Option<PodSecurity>,
    /// The Secret among the objects that pods without a `ServiceAccount` of their own pull images with, in production.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_secret: Option<String>,
    /// The gates, with their variables replaced.
    #[serde(default)]
    pub gates: Vec<Gate>,
}

/// A release of production, as its rollout needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseVersion {
    pub release: Release,
    pub secrets: SyncedSecrets,
    /// `KUBE_DEPLOY_ID` in its objects.
    #[serde(default)]
    pub deploy_id: u64,
}

impl StoredRelease {
    /// A release without objects: what serves before the first one.
    pub(crate) fn empty() -> Self {
        Self::default()
    }

    /// Returns the identities of the release's objects.
    pub fn identities(&self) -> BTreeSet<Identity> {
        self.objects.iter().map(|document| Object::new("", 0, document.clone()).identity()).collect()
    }

    /// Returns the same release with another Secret: each text that names the old one names the new one. Both names are
    /// hashes of their content, so that nothing else looks like them.
    pub fn with_secrets(&self, secrets: &SyncedSecrets) -> Self {
        let mut release = Self { secret: secrets.secret.clone(), ..self.clone() };
        release.objects.iter_mut().for_each(|object| rename(object, &self.secret, &secrets.secret));
        if let Some(version) = &mut release.version {
            version.secrets = secrets.clone();
        }
        release
    }

    /// Returns the same release without the names of its Secret and the number of its deploy, to compare it with another.
    pub fn comparable(&self) -> Self {
        let mut release = self.clone();
        let deploy_id = self.version.as_ref().map_or(0, |version| version.deploy_id);
        for object in &mut release.objects {
            rename(object, &self.secret, "secret");
            if deploy_id > 0 {
                rename(object, &deploy_id.to_string(), "deploy-id");
            }
        }
        release
    }

    /// Reads a stored release.
    ///
    /// # Errors
    /// `KubernetesDenied`: retried if it cannot be read, permanent if its content is damaged.
    pub async fn load(client: &Client, namespace: &str, name: &str) -> Result<Self, Failure> {
        let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
        let secret = secrets.get(name).await.map_err(|e| Failure::kubernetes(format!("stored release {name}"), e))?;
        Self::read(client, namespace, secret).await
    }

    /// Reads a stored release, or returns `None` if there is none of that name.
    ///
    /// # Errors
    /// As [`StoredRelease::load`].
    pub async fn find(client: &Client, namespace: &str, name: &str) -> Result<Option<Self>, Failure> {
        let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
        let found = secrets.get_opt(name).await;
        let found = found.map_err(|e| Failure::kubernetes(format!("stored release {name}"), e))?;
        match found {
            Some(secret) => Self::read(client, namespace, secret).await.map(Some),
            None => Ok(None),
        }
    }

    /// Reads a stored release of the environment. A Secret of that name that berth has not made counts as none: manifests
    /// may have Secrets, and a release in one would not have been checked.
    ///
    /// # Errors
    /// As [`StoredRelease::load`].
    pub async fn find_own(
        context: Context<'_>,
        environment: &Environment,
        name: &str,
    ) -> Result<Option<Self>, Failure> {
        let secrets: Api<Secret> = Api::namespaced(context.client.clone(), &environment.namespace);
        let found = secrets.get_opt(name).await;
        let found = found.map_err(|e| Failure::kubernetes(format!("stored release {name}"), e))?;
        let own = labels::content_labels(environment, &context.settings.installation, labels::RELEASE);
        let is_own = |secret: &Secret| own.iter().all(|(key, value)| secret.labels().get(key) == Some(value));
        match found.filter(is_own) {
            Some(secret) => Self::read(context.client, &environment.namespace, secret).await.map(Some),
            None => Ok(None),
        }
    }
}

/// Replaces a text wherever it stands in a document: in texts, and as a number.
fn rename(value: &mut Value, old: &str, new: &str) {
    match value {
        Value::String(text) if text.contains(old) => *text = text.replace(old, new),
        Value::Number(number) if number.to_string() == old => *value = Value::from(new),
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, old, new)),
        Value::Object(fields) => fields.values_mut().for_each(|field| rename(field, old, new)),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
