//! The content of an environment's Secret: Doppler's values, and the values that berth sets. Pure.

use std::collections::BTreeMap;

use k8s_openapi::{ByteString, api::core::v1::Secret};

use berth_workflows::contract::{
    environment::Environment,
    preparation::SyncedSecrets,
    verdict::{FailureType, Verdict},
};

use crate::{
    failure::Failure,
    kubernetes::labels,
    redaction::secret_keys::{TEMPORAL_SERVER_ADDRESS as ADDRESS, secret_values},
    secrets::stale::stale_keys,
    settings::Settings,
};

/// The most bytes of an address. A DNS name has at most 253 characters; the rest is for a scheme and a port.
const MAX_ADDRESS_BYTES: usize = 300;
/// The most bytes of all values: the size of a Secret without its metadata.
const MAX_BYTES: usize = 1_000_000;

/// The content of an environment's Secret. Not `Debug`, because it contains values.
pub(super) struct Assembled {
    values: BTreeMap<String, String>,
    pub(super) synced: SyncedSecrets,
}

/// Combines Doppler's values with those of berth. berth's win where both have a key. `own_temporal` is the address of the
/// environment's own Temporal server, for where Doppler has none.
///
/// # Errors
/// `SecretsDenied`, with the key and never a value: a key or value cannot be a container's variable, the Temporal
/// server's address may contain a password, or the total exceeds a Secret.
pub(super) fn assemble(
    own_temporal: impl FnOnce() -> String,
    mut values: BTreeMap<String, String>,
    mut berths: BTreeMap<String, String>,
) -> Result<Assembled, Failure> {
    let has_address = values.get(ADDRESS).is_some_and(|address| !address.trim().is_empty());
    if !has_address {
        berths.entry(ADDRESS.to_owned()).or_insert_with(own_temporal);
    }
    let set_by_berth: Vec<String> = berths.keys().cloned().collect();
    let stale = stale_keys(&values, &berths);
    values.append(&mut berths);
    check(&values)?;
    let version = version(&values);
    let synced = SyncedSecrets {
        secret: format!("berth-secrets-{version}"),
        version,
        temporal_server_address: values.get(ADDRESS).cloned().unwrap_or_default(),
        temporal_server_address_from_doppler: !set_by_berth.iter().any(|key| key == ADDRESS),
        set_by_berth,
        stale,
    };
    Ok(Assembled { values, synced })
}

fn check(values: &BTreeMap<String, String>) -> Result<(), Failure> {
    let denied = |message: String, advice: &str| {
        Err(Verdict::new(FailureType::SecretsDenied, message).advise(advice.to_owned()).into())
    };
    if let Some(key) = values.keys().find(|key| !is_name(key)) {
        let message = format!("Doppler has a secret named {key:?}, which cannot be a variable in Kubernetes");
        return denied(message, "rename it in Doppler");
    }
    // The container runtime would refuse the pod without naming the variable.
    if let Some((key, _)) = values.iter().find(|(_, value)| value.contains('\0')) {
        return denied(format!("the value of {key} has a NUL character"), "remove it in Doppler");
    }
    if !values.get(ADDRESS).is_none_or(|address| is_address(address)) {
        return denied(format!("the value of {ADDRESS} is not an address like host:port"), "correct it in Doppler");
    }
    let bytes: usize = values.iter().map(|(key, value)| key.len() + value.len()).sum();
    if bytes > MAX_BYTES {
        return denied(format!("the secrets have {bytes} bytes; a Kubernetes Secret holds {MAX_BYTES}"), "");
    }
    Ok(())
}

/// A hash of the content. Lengths are hashed too, so that no two contents give the same bytes.
fn version(values: &BTreeMap<String, String>) -> String {
    let mut bytes = Vec::new();
    for text in values.iter().flat_map(|(key, value)| [key, value]) {
        bytes.extend_from_slice(&(text.len() as u64).to_be_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    labels::short_hash(&bytes)
}

/// Kubernetes' rule for keys of a Secret that are also names of variables.
fn is_name(key: &str) -> bool {
    (1..=253).contains(&key.len())
        && !key.starts_with("..")
        && key != "."
        && !key.starts_with(|first: char| first.is_ascii_digit())
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// Returns whether the text is an address that may be shown: histories and `status` contain it. An `@` may mean a
/// password.
fn is_address(text: &str) -> bool {
    text.len() <= MAX_ADDRESS_BYTES && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'@')
}

impl Assembled {
    /// The values that must not be shown.
    pub(super) fn secret_values(&self) -> Vec<Vec<u8>> {
        secret_values(&self.values)
    }

    /// Builds the immutable Secret.
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
        secret.metadata.labels = Some(labels::content_labels(environment, &settings.installation, labels::SECRETS));
        secret
    }
}

#[cfg(test)]
mod tests {
    use kube::ResourceExt;

    use super::*;
    use crate::examples::{environment, settings};

    fn values<const N: usize>(entries: [(&str, &str); N]) -> BTreeMap<String, String> {
        entries.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
    }

    fn own_temporal() -> String {
        "web-temporal.pr-1.svc.cluster.local:7233".to_owned()
    }

    fn synced<const N: usize>(entries: [(&str, &str); N]) -> SyncedSecrets {
        assemble(own_temporal, values(entries), BTreeMap::new()).ok().unwrap().synced
    }

    fn refusal<const N: usize>(entries: [(&str, &str); N]) -> Verdict {
        match assemble(own_temporal, values(entries), BTreeMap::new()) {
            Err(Failure::Permanent(verdict)) => *verdict,
            _ => panic!("it should be refused"),
        }
    }

    #[test]
    fn dopplers_temporal_address_wins_over_the_environments_own() {
        for empty in ["", " "] {
            let own = synced([("A", "1"), (ADDRESS, empty)]);
            assert_eq!(own.temporal_server_address, "web-temporal.pr-1.svc.cluster.local:7233");
            assert_eq!((own.set_by_berth, own.temporal_server_address_from_doppler), (vec![ADDRESS.into()], false));
        }
        let theirs = synced([(ADDRESS, "t.example.com:7233")]);
        assert_eq!(theirs.temporal_server_address, "t.example.com:7233");
        assert!(theirs.set_by_berth.is_empty() && theirs.temporal_server_address_from_doppler);
    }

    #[test]
    fn berths_values_win_over_dopplers_and_are_listed() {
        let doppler = values([("PGUSER", "doppler"), ("A", "1"), (ADDRESS, "t:7233")]);
        let assembled = assemble(own_temporal, doppler, values([("PGUSER", "berth")])).ok().unwrap();
        assert_eq!(assembled.values, values([("PGUSER", "berth"), ("A", "1"), (ADDRESS, "t:7233")]));
        assert_eq!(assembled.synced.set_by_berth, ["PGUSER"]);
        assert!(assembled.synced.temporal_server_address_from_doppler);
    }

    #[test]
    fn replaced_password_elsewhere_is_listed_by_key() {
        let doppler = values([("DATABASE_PASSWORD", "canary-1"), ("PGPASSWORD", "canary-1"), ("A", "1")]);
        let assembled = assemble(own_temporal, doppler, values([("DATABASE_PASSWORD", "own")])).ok().unwrap();
        assert_eq!(assembled.synced.stale, ["PGPASSWORD"]);
        assert!(!format!("{:?}", assembled.synced).contains("canary"));
    }

    #[test]
    fn the_name_depends_on_the_content_only() {
        let name = |entries: [(&str, &str); 2]| synced(entries).secret;
        assert_eq!(name([("A", "1"), ("B", "2")]), name([("B", "2"), ("A", "1")]));
        assert_ne!(name([("A", "1"), ("B", "2")]), name([("A", "2"), ("B", "2")]));
        assert_ne!(name([("A", "1B"), ("C", "")]), name([("A", "1"), ("BC", "")]));
        let name = name([("A", "1"), ("B", "2")]);
        assert!(name.strip_prefix("berth-secrets-").is_some_and(|hash| hash.len() == 16), "{name}");
    }

    #[test]
    fn an_invalid_variable_is_refused_without_its_value() {
        for key in ["a key", "1KEY", "..", "", "SCHLÜSSEL", &"K".repeat(254)] {
            let verdict = refusal([(key, "canary")]);
            assert!(verdict.message.contains(key) && !verdict.headline().contains("canary"), "{verdict:?}");
        }
        for (key, value) in [("A", "canary\0"), (ADDRESS, "user:canary@t:7233"), (ADDRESS, "t:7233 canary")] {
            let verdict = refusal([(key, value)]);
            assert!(verdict.message.contains(key) && !verdict.headline().contains("canary"), "{verdict:?}");
        }
        assert!(refusal([("A", &"x".repeat(MAX_BYTES))]).message.contains("bytes"));
    }

    #[test]
    fn the_secret_is_immutable_and_labelled_with_its_owner() {
        let assembled = assemble(own_temporal, values([("A", "1")]), BTreeMap::new()).ok().unwrap();
        let secret = assembled.to_secret(&settings(), &environment());
        assert_eq!((secret.immutable, secret.type_.as_deref()), (Some(true), Some("Opaque")));
        assert_eq!(secret.data.as_ref().unwrap()["A"].0, b"1");
        assert_eq!(secret.labels()[labels::WORKFLOW], "preview-web-1");
        assert_eq!(secret.labels()[labels::MANAGED_BY], "berth");
    }
}
