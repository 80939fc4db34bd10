//! One read-through cache per Doppler config, in a Secret of berth's namespace: Doppler counts every request of a token,
//! an unchanged answer too, and a hundred environments want the same config.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::json;

use berth_workflows::verdict::{FailureType, Verdict};

use super::Secrets;
use crate::{
    Settings,
    app::DopplerConfig,
    doppler::{DopplerError, Download, Token},
    failure::Failure,
    labels,
};

/// Younger than this, an answer is used without asking: pushes of many pull requests at once become one request.
const FRESH: Duration = Duration::from_secs(5);

/// What the cache holds of one config.
struct Cached {
    values: BTreeMap<String, String>,
    etag: Option<String>,
    fetched: SystemTime,
}

/// The newest values of a config: from the cache if that is fresh, else by one conditional request.
///
/// # Errors
/// `SecretsDenied` for good if Doppler refuses, and then the cache is dropped: a revoked token must not go on opening
/// yesterday's values. `SecretsUnavailable`, to be retried, if Doppler does not answer; a rollout waits for it rather than
/// run with values that may be old.
pub(super) async fn read(
    client: &Client,
    settings: &Settings,
    secrets: &Secrets,
    config: &DopplerConfig,
    token: &Token,
) -> Result<BTreeMap<String, String>, Failure> {
    let name = name(secrets.doppler.base(), config);
    let api: Api<Secret> = Api::namespaced(client.clone(), &settings.berth_namespace);
    let turn = secrets.one_at_a_time(&name).await;
    let _turn = turn.lock().await;
    let what = format!("Doppler cache {name}");
    let cached = api.get_opt(&name).await.map_err(|e| Failure::kubernetes(&what, e))?.and_then(|s| parse(&s));
    if let Some(fresh) = cached.as_ref().filter(|cached| cached.fetched.elapsed().is_ok_and(|age| age < FRESH)) {
        return Ok(fresh.values.clone());
    }
    let etag = cached.as_ref().and_then(|cached| cached.etag.as_deref());
    let answer = secrets.doppler.download(token, &config.project, &config.config, etag).await;
    let (values, etag) = match (answer, cached) {
        (Ok(Download::Values { values, etag }), _) => (values, etag),
        (Ok(Download::NotModified), Some(cached)) => (cached.values, cached.etag),
        (Ok(Download::NotModified), None) => {
            let message = "Doppler says that nothing has changed, to a question that was not asked";
            return Err(Failure::transient(FailureType::SecretsUnavailable, message));
        }
        (Err(error), _) => return Err(failed(&api, &name, config, error).await),
    };
    let secret = to_secret(&name, settings, config, &values, etag.as_deref());
    api.patch(&name, &PatchParams::apply(labels::FIELD_MANAGER).force(), &Patch::Apply(&secret))
        .await
        .map_err(|e| Failure::kubernetes(&what, e))?;
    Ok(values)
}

async fn failed(api: &Api<Secret>, name: &str, config: &DopplerConfig, error: DopplerError) -> Failure {
    let message = format!("project {}, config {}: {error}", config.project, config.config);
    match error {
        DopplerError::Denied(_) => {
            // If it cannot be dropped now it is at the next refusal; the answer is the same.
            let _ = api.delete(name, &DeleteParams::default()).await;
            let advice = format!("look at the token in Secret {} of berth's namespace", config.token.secret);
            Verdict::new(FailureType::SecretsDenied, message).advise(advice).into()
        }
        DopplerError::Unexpected(_) => Failure::permanent(FailureType::SecretsDenied, message),
        DopplerError::RateLimited { retry_after, .. } => {
            Failure::Transient { failure: FailureType::SecretsUnavailable, message, retry_after, source: None }
        }
        DopplerError::Unavailable(_) => Failure::transient(FailureType::SecretsUnavailable, message),
    }
}

/// A name of its own for each config of each Doppler that is opened by each token.
fn name(base: &str, config: &DopplerConfig) -> String {
    let key = [base, &config.project, &config.config, &config.token.secret].join("\n");
    format!("berth-doppler-{}", labels::short_hash(key.as_bytes()))
}

fn parse(secret: &Secret) -> Option<Cached> {
    let data = secret.data.as_ref()?;
    let text = |key: &str| data.get(key).and_then(|ByteString(bytes)| std::str::from_utf8(bytes).ok());
    Some(Cached {
        values: serde_json::from_str(text("values")?).ok()?,
        etag: text("etag").filter(|etag| !etag.is_empty()).map(str::to_owned),
        fetched: UNIX_EPOCH + Duration::from_millis(text("fetched_ms")?.parse().ok()?),
    })
}

fn to_secret(
    name: &str,
    settings: &Settings,
    config: &DopplerConfig,
    values: &BTreeMap<String, String>,
    etag: Option<&str>,
) -> serde_json::Value {
    let fetched = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "labels": { labels::MANAGED_BY: "berth", labels::INSTALLATION: settings.installation },
            "annotations": { "berth.dev/doppler": format!("{}/{}", config.project, config.config) },
        },
        "stringData": {
            "values": json!(values).to_string(),
            "etag": etag.unwrap_or_default(),
            "fetched_ms": fetched.as_millis().to_string(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_is_read() {
        let config: DopplerConfig =
            serde_json::from_value(json!({"project": "web", "config": "preview", "token": {"secret": "t"}})).unwrap();
        let values = BTreeMap::from([("A".to_owned(), "1\n\"".to_owned())]);
        let settings = Settings {
            apps: "".into(),
            berth_namespace: "berth-system".into(),
            service_account: "berth".into(),
            installation: "berth".into(),
            ingress_namespace: "ingress".into(),
            scheme: "https".into(),
        };
        let mut written: Secret =
            serde_json::from_value(to_secret(&name("x", &config), &settings, &config, &values, Some("W/\"1\"")))
                .unwrap();
        let strings = written.string_data.take().unwrap();
        written.data = Some(strings.into_iter().map(|(key, text)| (key, ByteString(text.into_bytes()))).collect());
        let read = parse(&written).unwrap();
        assert_eq!((read.values, read.etag.as_deref()), (values, Some("W/\"1\"")));
        assert!(read.fetched.elapsed().unwrap() < FRESH);
    }
}
