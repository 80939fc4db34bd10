//! A rendered release, stored in the environment for prune, gates and rollback.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read, Write},
};

use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{Api, Client, ResourceExt};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use berth_manifests::{
    app::{Gate, PodSecurity},
    render::{Identity, Object},
};
use berth_workflows::contract::{
    environment::Environment, preparation::SyncedSecrets, release::Release, verdict::FailureType,
};

use crate::{context::Context, failure::Failure, kubernetes::labels};

/// The key of the gzipped JSON in the Secret.
const KEY: &str = "release.json.gz";

/// The most bytes of an unpacked release. It bounds the memory that a damaged Secret can take.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// The stored content of a release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    /// The Secret among the objects that pods without a ServiceAccount of their own pull images with, in production.
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
        Self {
            commit: String::new(),
            version: None,
            secret: String::new(),
            objects: Vec::new(),
            pod_security: None,
            pull_secret: None,
            gates: Vec::new(),
        }
    }

    /// Returns the identities of the release's objects.
    pub fn identities(&self) -> BTreeSet<Identity> {
        self.objects.iter().map(|document| Object::new("", 0, document.clone()).identity()).collect()
    }

    /// Returns the release as an immutable Secret, named by its content. Storing it twice has the effect of storing it
    /// once.
    ///
    /// # Errors
    /// `ManifestInvalid` if it exceeds the size of a Secret.
    pub fn to_secret(&self, environment: &Environment, installation: &str) -> Result<Secret, Failure> {
        let invalid = |why: String| Failure::permanent(FailureType::ManifestInvalid, why);
        let json = serde_json::to_vec(self).map_err(|e| invalid(format!("the release is not JSON: {e}")))?;
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        let packed = encoder.write_all(&json).and_then(|()| encoder.finish());
        let packed = packed.map_err(|e| invalid(format!("the release cannot be compressed: {e}")))?;
        if packed.len() > 1000 * 1000 {
            let bytes = packed.len();
            return Err(invalid(format!("the rendered manifests are {bytes} bytes compressed; a Secret holds 1 MB")));
        }
        let mut secret = Secret {
            immutable: Some(true),
            data: Some(BTreeMap::from([(KEY.to_owned(), ByteString(packed))])),
            ..Secret::default()
        };
        secret.metadata.name = Some(format!("berth-release-{}", labels::short_hash(&json)));
        secret.metadata.namespace = Some(environment.namespace.clone());
        secret.annotations_mut().extend([
            (labels::COMMIT.to_owned(), self.commit.clone()),
            (labels::SECRET_OF_RELEASE.to_owned(), self.secret.clone()),
        ]);
        let number = self.version.as_ref().and_then(|version| version.release.number);
        secret.annotations_mut().extend(number.map(|number| (labels::RELEASE_NUMBER.to_owned(), number.to_string())));
        secret.metadata.labels = Some(labels::content_labels(environment, installation, labels::RELEASE));
        Ok(secret)
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
        Self::from_secret(name, secret)
    }

    /// Reads a stored release, or returns `None` if there is none of that name.
    ///
    /// # Errors
    /// As [`StoredRelease::load`].
    pub async fn find(client: &Client, namespace: &str, name: &str) -> Result<Option<Self>, Failure> {
        let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
        let found = secrets.get_opt(name).await;
        let found = found.map_err(|e| Failure::kubernetes(format!("stored release {name}"), e))?;
        found.map(|secret| Self::from_secret(name, secret)).transpose()
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
        found.filter(is_own).map(|secret| Self::from_secret(name, secret)).transpose()
    }

    /// Reads a stored release from its Secret.
    ///
    /// # Errors
    /// `KubernetesDenied`, permanent: its content is damaged.
    pub(crate) fn from_secret(name: &str, secret: Secret) -> Result<Self, Failure> {
        let broken = |why: String| {
            Failure::permanent(FailureType::KubernetesDenied, format!("stored release {name} is damaged: {why}"))
        };
        let data = secret.data.unwrap_or_default();
        let packed = data.get(KEY).ok_or_else(|| broken(format!("it has no key {KEY}")))?;
        let mut json = Vec::new();
        let mut decoder = GzDecoder::new(packed.0.as_slice()).take(MAX_BYTES);
        decoder.read_to_end(&mut json).map_err(|e| broken(e.to_string()))?;
        serde_json::from_slice(&json).map_err(|e| broken(e.to_string()))
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
mod tests {
    use super::*;
    use serde_json::json;

    /// A release whose object names its Secret and its deploy.
    fn stored(secret: &str, deploy_id: u64, content: &str) -> StoredRelease {
        let release: Release =
            serde_json::from_value(json!({"commit": "4f2a9c1", "image": format!("web@sha256:{}", "a".repeat(64))}))
                .unwrap();
        let secrets = SyncedSecrets {
            secret: secret.into(),
            version: secret.into(),
            set_by_berth: Vec::new(),
            temporal_server_address: String::new(),
            temporal_server_address_from_doppler: false,
        };
        let data = json!({"job": format!("migrate-{deploy_id}"), "id": deploy_id, "from": secret, "content": content});
        StoredRelease {
            commit: "4f2a9c1".into(),
            version: Some(Box::new(ReleaseVersion { release, secrets, deploy_id })),
            secret: secret.into(),
            objects: vec![data],
            pod_security: None,
            pull_secret: None,
            gates: Vec::new(),
        }
    }

    #[test]
    fn comparable_objects_differ_in_neither_secret_nor_deploy_id() {
        let objects = |secret, deploy_id, content| stored(secret, deploy_id, content).comparable().objects;
        assert_eq!(objects("web-1", 27_000_001, "a"), objects("web-2", 27_000_002, "a"));
        assert_ne!(objects("web-1", 27_000_001, "a"), objects("web-1", 27_000_001, "b"));
    }
}
