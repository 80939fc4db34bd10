//! The Secret that holds the cache of a Doppler config.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};

use berth_manifests::app::DopplerConfig;

use crate::{
    failure::Failure,
    kubernetes::{labels, versioned},
    settings::Settings,
};

/// The cached answer of one config. Not `Debug`, because it contains values.
pub(super) struct Cached {
    pub(super) values: BTreeMap<String, String>,
    pub(super) etag: Option<String>,
    pub(super) fetched: SystemTime,
    /// The Secret's resourceVersion, if the Secret exists.
    pub(super) version: Option<String>,
}

impl Cached {
    /// Builds the cache entry of a new answer.
    pub(super) fn now(values: BTreeMap<String, String>, etag: Option<String>, before: Option<Self>) -> Self {
        Self { values, etag, fetched: SystemTime::now(), version: before.and_then(|before| before.version) }
    }
}

/// Builds the Secret's name. It differs by Doppler, config and token.
pub(super) fn name(base: &str, config: &DopplerConfig) -> String {
    let key = [base, &config.project, &config.config, &config.token.secret].join("\n");
    format!("berth-doppler-{}", labels::short_hash(key.as_bytes()))
}

/// Reads a cache entry. Unknown content counts as none and will be overwritten.
pub(super) fn parse(secret: Secret) -> Option<Cached> {
    let version = secret.resource_version();
    let data = secret.data?;
    let text = |key: &str| data.get(key).and_then(|ByteString(bytes)| std::str::from_utf8(bytes).ok());
    let fetched = Duration::from_millis(text("fetched_ms")?.parse().ok()?);
    Some(Cached {
        values: serde_json::from_str(text("values")?).ok()?,
        etag: text("etag").filter(|etag| !etag.is_empty()).map(str::to_owned),
        fetched: UNIX_EPOCH.checked_add(fetched)?,
        version,
    })
}

/// Writes the entry. A concurrent write by another worker wins: its entry is as new.
///
/// # Errors
/// As for [`Failure::kubernetes`]. A failed write is an error, because without a cache each environment would request
/// Doppler for itself.
pub(super) async fn write(
    api: &Api<Secret>,
    name: &str,
    settings: &Settings,
    config: &DopplerConfig,
    cached: &Cached,
) -> Result<(), Failure> {
    let secret = to_secret(name, settings, config, cached);
    let apply = PatchParams::apply(labels::FIELD_MANAGER).force();
    match api.patch(name, &apply, &Patch::Apply(&secret)).await {
        Ok(_) => Ok(()),
        Err(e) if versioned::is_conflict(&e) => Ok(()),
        Err(e) => Err(Failure::kubernetes(format!("Doppler cache {name}"), e)),
    }
}

fn to_secret(name: &str, settings: &Settings, config: &DopplerConfig, cached: &Cached) -> Secret {
    let fetched = cached.fetched.duration_since(UNIX_EPOCH).unwrap_or_default();
    let data = [
        ("values", serde_json::json!(cached.values).to_string()),
        ("etag", cached.etag.clone().unwrap_or_default()),
        ("fetched_ms", fetched.as_millis().to_string()),
    ];
    let mut secret = Secret {
        data: Some(data.map(|(key, text)| (key.to_owned(), ByteString(text.into_bytes()))).into()),
        ..Secret::default()
    };
    secret.metadata.name = Some(name.to_owned());
    secret.metadata.resource_version = cached.version.clone();
    secret.annotations_mut().insert("berth.dev/doppler".into(), format!("{}/{}", config.project, config.config));
    secret.labels_mut().extend([
        (labels::MANAGED_BY.to_owned(), "berth".to_owned()),
        (labels::INSTALLATION.to_owned(), settings.installation.clone()),
    ]);
    secret
}

#[cfg(test)]
mod tests {
    use super::{super::tests::config, *};
    use crate::examples::settings;

    #[test]
    fn a_written_cache_entry_is_read_back() {
        let values = BTreeMap::from([("A".to_owned(), "1\n\"".to_owned())]);
        let mut cached = Cached::now(values.clone(), Some("W/\"1\"".into()), None);
        cached.version = Some("7".into());
        let read = parse(to_secret("x", &settings(), &config(), &cached)).unwrap();
        assert_eq!((read.values, read.etag, read.version), (values, cached.etag, cached.version));
        assert!(read.fetched.elapsed().unwrap() < Duration::from_secs(5));
    }

    #[test]
    fn a_damaged_cache_entry_counts_as_none() {
        let mut secret = to_secret("x", &settings(), &config(), &Cached::now(BTreeMap::new(), None, None));
        for (key, damaged) in [("values", "{\"A\":1}"), ("values", "{"), ("fetched_ms", "99999999999999999999")] {
            let data = secret.data.as_mut().unwrap();
            let good = data.insert(key.into(), ByteString(damaged.into())).unwrap();
            assert!(parse(secret.clone()).is_none(), "{key}: {damaged}");
            secret.data.as_mut().unwrap().insert(key.into(), good);
        }
        assert!(parse(secret).is_some() && parse(Secret::default()).is_none());
    }

    #[test]
    fn each_doppler_and_token_has_its_own_cache() {
        let one = name("https://api.doppler.com", &config());
        let mut other = config();
        other.token.secret = "another".into();
        assert!(one != name("http://127.0.0.1", &config()) && one != name("https://api.doppler.com", &other));
    }
}
