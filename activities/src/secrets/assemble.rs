//! What an environment's Secret contains: Doppler's values, and what berth sets beside them. Pure.

use std::collections::BTreeMap;

use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::ResourceExt;

use berth_workflows::{
    activity_definitions::SyncedSecrets,
    environment::Environment,
    verdict::{FailureType, Verdict},
};

use crate::{Settings, failure::Failure, labels};

/// Where the app's Temporal server is.
const ADDRESS: &str = "TEMPORAL_SERVER_ADDRESS";
/// What a Secret holds, less some room for its metadata.
const MAX_BYTES: usize = 1_000_000;

/// The content of an environment's Secret, and what may be told of it.
pub(super) struct Assembled {
    values: BTreeMap<String, String>,
    pub(super) synced: SyncedSecrets,
}

/// Puts together what an environment gets.
///
/// # Errors
/// `SecretsDenied` if a key cannot be a Secret's, or all is more than a Secret holds.
pub(super) fn assemble(environment: &Environment, mut values: BTreeMap<String, String>) -> Result<Assembled, Failure> {
    let own = format!("{}-temporal.{}.svc.cluster.local:7233", environment.app, environment.namespace);
    let from_doppler = values.get(ADDRESS).filter(|address| !address.is_empty()).cloned();
    let mut set_by_berth = Vec::new();
    if from_doppler.is_none() {
        values.insert(ADDRESS.to_owned(), own.clone());
        set_by_berth.push(ADDRESS.to_owned());
    }
    if let Some(key) = values.keys().find(|key| !is_secret_key(key)) {
        let message = format!("Doppler has a secret called {key:?}, which Kubernetes does not take as a key");
        return Err(Verdict::new(FailureType::SecretsDenied, message).advise("rename it in Doppler").into());
    }
    let bytes: usize = values.iter().map(|(key, value)| key.len() + value.len()).sum();
    if bytes > MAX_BYTES {
        let message = format!("the secrets are {bytes} bytes, a Kubernetes Secret holds {MAX_BYTES}");
        return Err(Failure::permanent(FailureType::SecretsDenied, message));
    }
    let version = version(&values);
    let synced = SyncedSecrets {
        secret: format!("berth-secrets-{version}"),
        version,
        set_by_berth,
        temporal_server_address_from_doppler: from_doppler.is_some(),
        temporal_server_address: from_doppler.unwrap_or(own),
    };
    Ok(Assembled { values, synced })
}

/// A hash of the content: lengths go in too, so that no two contents give the same bytes.
fn version(values: &BTreeMap<String, String>) -> String {
    let mut bytes = Vec::new();
    for text in values.iter().flat_map(|(key, value)| [key, value]) {
        bytes.extend_from_slice(&(text.len() as u64).to_be_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    labels::short_hash(&bytes)
}

/// Kubernetes' rule for the keys of a Secret.
fn is_secret_key(key: &str) -> bool {
    (1..=253).contains(&key.len())
        && !key.starts_with("..")
        && key != "."
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

impl Assembled {
    /// The immutable Secret.
    pub(super) fn to_secret(&self, settings: &Settings, environment: &Environment) -> Secret {
        let bytes = |(key, value): (&String, &String)| (key.clone(), ByteString(value.clone().into_bytes()));
        let mut secret = Secret {
            immutable: Some(true),
            type_: Some("Opaque".to_owned()),
            data: Some(self.values.iter().map(bytes).collect()),
            ..Secret::default()
        };
        secret.metadata.name = Some(self.synced.secret.clone());
        secret.metadata.namespace = Some(environment.namespace.clone());
        secret.labels_mut().extend(
            [
                (labels::MANAGED_BY, "berth"),
                (labels::APP, &environment.app),
                (labels::WORKFLOW, &environment.workflow_id),
                (labels::INSTALLATION, &settings.installation),
                (labels::CONTENT, labels::SECRETS),
            ]
            .map(|(key, value)| (key.to_owned(), value.to_owned())),
        );
        secret
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> Environment {
        Environment {
            app: "web".into(),
            pr: Some(1),
            workflow_id: "preview-web-1".into(),
            namespace: "pr-1".into(),
            host: "pr-1.example.com".into(),
            temporal_ui_host: None,
            namespace_uid: None,
            cluster_objects: Vec::new(),
            scheme: "https".into(),
        }
    }

    fn values<const N: usize>(entries: [(&str, &str); N]) -> BTreeMap<String, String> {
        entries.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
    }

    #[test]
    fn the_temporal_address_is_dopplers_if_it_has_one_and_else_the_environments_own() {
        let own = assemble(&environment(), values([("A", "1"), (ADDRESS, "")])).ok().unwrap().synced;
        assert_eq!(own.temporal_server_address, "web-temporal.pr-1.svc.cluster.local:7233");
        assert_eq!((own.set_by_berth, own.temporal_server_address_from_doppler), (vec![ADDRESS.to_owned()], false));
        let theirs = assemble(&environment(), values([(ADDRESS, "t.example.com:7233")])).ok().unwrap().synced;
        assert_eq!(theirs.temporal_server_address, "t.example.com:7233");
        assert!(theirs.set_by_berth.is_empty() && theirs.temporal_server_address_from_doppler);
    }

    #[test]
    fn the_name_changes_with_the_content_and_with_nothing_else() {
        let name = |entries| assemble(&environment(), entries).ok().unwrap().synced.secret;
        assert_eq!(name(values([("A", "1"), ("B", "2")])), name(values([("B", "2"), ("A", "1")])));
        assert_ne!(name(values([("A", "1")])), name(values([("A", "2")])));
        assert_ne!(name(values([("A", "1B"), ("C", "")])), name(values([("A", "1"), ("BC", "")])));
    }

    #[test]
    fn a_key_that_kubernetes_would_refuse_is_named_and_its_value_is_not() {
        let Err(Failure::Permanent(verdict)) = assemble(&environment(), values([("a key", "canary")])) else {
            panic!("it should be refused")
        };
        assert!(verdict.message.contains("a key") && !verdict.headline().contains("canary"));
    }
}
