//! A stored release as Secrets: one, or for a large release a head with the first bytes and parts with the others.
//!
//! The head is written last, so that a release that is written half way is never read. It owns the parts: they go with it.
//! All are immutable and named by the content, so that storing a release twice has the effect of storing it once.

use std::collections::BTreeMap;

use futures::future::try_join_all;
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::json;

use berth_workflows::contract::{environment::Environment, verdict::FailureType};

use super::{StoredRelease, packing};
use crate::{
    failure::Failure,
    kubernetes::{content_secret::create_once, labels},
};

/// The key of the gzipped JSON, or of its first bytes.
const KEY: &str = "release.json.gz";
/// The key of further bytes.
const PART: &str = "part";
/// The most bytes in one Secret. Kubernetes allows 1,048,576.
const SECRET_BYTES: usize = 1_000_000;
/// The most parts besides a head.
const MAX_PARTS: usize = packing::MAX_PACKED.div_ceil(SECRET_BYTES) - 1;

/// The Secrets of a release.
#[derive(Debug, Clone)]
pub struct ReleaseSecrets {
    pub(crate) head: Secret,
    parts: Vec<Secret>,
}

impl ReleaseSecrets {
    /// The name of the stored release.
    pub fn name(&self) -> String {
        self.head.name_any()
    }

    #[cfg(test)]
    pub(super) fn parts(&self) -> &[Secret] {
        &self.parts
    }

    /// Stores the release.
    ///
    /// Idempotent: another attempt writes what is missing.
    ///
    /// # Errors
    /// As for [`create_once`].
    pub(crate) async fn create(&self, client: &Client) -> Result<(), Failure> {
        try_join_all(self.parts.iter().map(|part| create_once(client, part))).await?;
        create_once(client, &self.head).await?;
        if self.parts.is_empty() { Ok(()) } else { self.own_parts(client).await }
    }

    /// Makes the head the owner of its parts. Prune finds them without that, too: it is for a person who deletes the head.
    async fn own_parts(&self, client: &Client) -> Result<(), Failure> {
        let secrets: Api<Secret> = Api::namespaced(client.clone(), &self.head.namespace().unwrap_or_default());
        let what = || format!("parts of stored release {}", self.name());
        let head = secrets.get_metadata(&self.name()).await.map_err(|e| Failure::kubernetes(what(), e))?;
        let owner = json!({"apiVersion": "v1", "kind": "Secret", "name": self.name(), "uid": head.uid()});
        let patch = Patch::Merge(json!({"metadata": {"ownerReferences": [owner]}}));
        let params = PatchParams { field_manager: Some(labels::FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let names: Vec<_> = self.parts.iter().map(ResourceExt::name_any).collect();
        let owned = names.iter().map(|name| secrets.patch_metadata(name, &params, &patch));
        try_join_all(owned).await.map(drop).map_err(|e| Failure::kubernetes(what(), e))
    }
}

impl StoredRelease {
    /// Returns the Secrets that store the release.
    ///
    /// # Errors
    /// `ManifestInvalid`, permanent, if it is too large.
    pub async fn to_secrets(&self, environment: &Environment, installation: &str) -> Result<ReleaseSecrets, Failure> {
        let invalid = |why: String| Failure::permanent(FailureType::ManifestInvalid, why);
        let json = serde_json::to_vec(self).map_err(|e| invalid(format!("the release is not JSON: {e}")))?;
        let name = format!("berth-release-{}", labels::short_hash(&json));
        let packed = packing::pack(json).await.map_err(invalid)?;
        let mut pieces = packed.chunks(SECRET_BYTES);
        let secret = |name: &str, content: &str, key: &str, bytes: &[u8]| {
            let mut secret = Secret {
                immutable: Some(true),
                data: Some(BTreeMap::from([(key.to_owned(), ByteString(bytes.to_vec()))])),
                ..Secret::default()
            };
            secret.metadata.name = Some(name.to_owned());
            secret.metadata.namespace = Some(environment.namespace.clone());
            secret.metadata.labels = Some(labels::content_labels(environment, installation, content));
            secret
        };
        let mut head = secret(&name, labels::RELEASE, KEY, pieces.next().unwrap_or_default());
        let mut parts: Vec<_> = (1..)
            .zip(pieces)
            .map(|(n, bytes)| secret(&part_name(&name, n), labels::RELEASE_PART, PART, bytes))
            .collect();
        parts.iter_mut().for_each(|part| _ = part.annotations_mut().insert(labels::PART_OF.to_owned(), name.clone()));
        head.annotations_mut().extend(self.annotations(parts.len()));
        Ok(ReleaseSecrets { head, parts })
    }

    /// Returns the only Secret of a small release.
    #[cfg(test)]
    pub(crate) fn to_secret(&self, environment: &Environment, installation: &str) -> Secret {
        let secrets = futures::executor::block_on(self.to_secrets(environment, installation)).unwrap();
        assert!(secrets.parts.is_empty());
        secrets.head
    }

    fn annotations(&self, parts: usize) -> impl Iterator<Item = (String, String)> + use<> {
        let number = self.version.as_ref().and_then(|version| version.release.number);
        [
            (labels::COMMIT, Some(self.commit.clone())),
            (labels::SECRET_OF_RELEASE, Some(self.secret.clone())),
            (labels::RELEASE_NUMBER, number.map(|number| number.to_string())),
            (labels::PARTS, (parts > 0).then(|| parts.to_string())),
        ]
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)))
    }

    /// Reads a stored release from its head, and from its parts if it has some.
    ///
    /// # Errors
    /// `KubernetesDenied`, permanent: its content is damaged, or a part is gone. Errors of the API server, which are retried.
    pub(crate) async fn read(client: &Client, namespace: &str, head: Secret) -> Result<Self, Failure> {
        let name = head.name_any();
        let damaged = |why: String| {
            let message = format!("stored release {name} is damaged: {why}");
            Failure::permanent(FailureType::KubernetesDenied, message)
        };
        let mut packed = take(&head, KEY).ok_or_else(|| damaged(format!("it has no key {KEY}")))?;
        let count: usize = match head.annotations().get(labels::PARTS) {
            Some(text) => text.parse().map_err(|_| damaged(format!("{text} is not a number of parts")))?,
            None => 0,
        };
        if count > MAX_PARTS {
            return Err(damaged(format!("{count} parts are too many")));
        }
        let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
        let parts = (1..=count).map(|n| part_name(&name, n));
        let found = try_join_all(parts.map(async |part| {
            let found = secrets.get_opt(&part).await;
            found.map_err(|e| Failure::kubernetes(format!("part {part} of a stored release"), e))
        }));
        for (n, part) in (1..).zip(found.await?) {
            let is_own = |part: &Secret| {
                labels::is_same_owner(part.labels(), head.labels())
                    && part.labels().get(labels::CONTENT).is_some_and(|content| content == labels::RELEASE_PART)
            };
            let bytes = part.filter(is_own).and_then(|part| take(&part, PART));
            packed.extend(bytes.ok_or_else(|| damaged(format!("its part {} is gone", part_name(&name, n))))?);
        }
        packing::unpack(packed).await.map_err(damaged)
    }
}

fn part_name(head: &str, n: usize) -> String {
    format!("{head}-{n}")
}

fn take(secret: &Secret, key: &str) -> Option<Vec<u8>> {
    secret.data.as_ref()?.get(key).map(|bytes| bytes.0.clone())
}
