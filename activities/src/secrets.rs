//! Bringing an app's secrets into an environment, as an immutable Secret that is named by its content.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use kube::Client;
use tokio::sync::Mutex;

use berth_manifests::app::App;
use berth_workflows::contract::{environment::Environment, preparation::SyncedSecrets};

use crate::{
    Settings, database, failure::Failure, heartbeat::Progress, kubernetes::content_secret::find_or_create,
    redaction::redacted_failure::without_values, release::rendering::kind_of, secrets::doppler::Doppler,
};

mod assemble;
mod cache;
mod doppler;
mod stored;
mod target;
mod token;

/// The way to Doppler that all activities of a worker share: one request in flight per config, however many want it.
#[derive(Debug)]
pub struct Secrets {
    doppler: Doppler,
    turns: Mutex<HashMap<String, cache::Turn>>,
}

impl Secrets {
    /// The way to the Doppler at that URL.
    ///
    /// # Errors
    /// TLS cannot be set up, or that is not a URL.
    pub fn new(doppler_url: &str) -> Result<Self, reqwest::Error> {
        Ok(Self { doppler: Doppler::new(doppler_url)?, turns: Mutex::default() })
    }

    async fn turn(&self, key: &str) -> cache::Turn {
        Arc::clone(self.turns.lock().await.entry(key.to_owned()).or_default())
    }
}

/// Fetches the app's secrets, waits for the environment's namespace, which is being made at the same time, and leaves
/// them there.
///
/// Idempotent: the Secret is named by its content, so a second run finds it and changes nothing in the environment.
///
/// # Errors
/// `SecretsDenied` for good if Doppler refuses the token or the token is not there, or if the values cannot be a
/// container's environment; `SecretsUnavailable`, to be retried, if Doppler does not answer: what serves keeps the Secret
/// it has, and a rollout waits rather than start with values that may be old. `KubernetesDenied` for good if the
/// namespace, or the Secret in it, is not this environment's.
pub async fn sync_secrets(
    client: &Client,
    settings: &Settings,
    secrets: &Secrets,
    app: &App,
    environment: &Environment,
    progress: &Progress,
) -> Result<SyncedSecrets, Failure> {
    let kind = kind_of(environment);
    let downloaded = match app.doppler(kind) {
        Some(config) => {
            progress.say(format!("reading config {} of project {} from Doppler", config.config, config.project));
            cache::read(client, settings, secrets, config).await?
        }
        None => BTreeMap::new(),
    };
    progress.say(format!("waiting for namespace {}", environment.namespace));
    let rights = target::await_namespace(client, environment, &settings.installation).await?;
    let own = database::values(client, settings, environment).await?;
    let assembled = assemble::assemble(environment, downloaded, own)?;
    let created = find_or_create(client, &assembled.to_secret(settings, environment), rights).await;
    created.map_err(|failure| without_values(failure, |text| assembled.redactor().redact(text)))?;
    Ok(assembled.synced)
}

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::{environment as example_environment, settings as example_settings};
