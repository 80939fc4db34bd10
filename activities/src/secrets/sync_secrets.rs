//! Bringing an app's secrets into an environment, as an immutable Secret that is named by its content.

use std::collections::BTreeMap;

use kube::Client;

use berth_manifests::app::App;
use berth_workflows::contract::{environment::Environment, preparation::SyncedSecrets};

use crate::{
    Settings, database,
    failure::Failure,
    heartbeat::Progress,
    kubernetes::content_secret::find_or_create,
    redaction::redacted_failure::without_values,
    release::rendering::kind_of,
    secrets::{
        assemble::assemble,
        cache::{self, Secrets},
        target,
    },
};

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
    let assembled = assemble(environment, downloaded, own)?;
    let created = find_or_create(client, &assembled.to_secret(settings, environment), rights).await;
    created.map_err(|failure| without_values(failure, |text| assembled.redactor().redact(text)))?;
    Ok(assembled.synced)
}
