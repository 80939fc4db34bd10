//! The activity `sync_secrets`.

use std::collections::BTreeMap;

use berth_manifests::app::App;
use berth_workflows::contract::{environment::Environment, preparation::SyncedSecrets};

use crate::{
    context::Context,
    database,
    failure::Failure,
    kubernetes::content_secret::find_or_create,
    redaction::redacted_failure::hide_values,
    release::rendering::{kind_of, names_of},
    secrets::{
        assemble::assemble,
        cache::{self, DopplerReader},
        target,
    },
};

/// Reads the app's secrets, waits for the environment's namespace, which is created concurrently, and stores them
/// there.
///
/// Idempotent: the Secret is named by its content, so a second run finds it and changes nothing in the environment.
///
/// # Errors
/// `SecretsDenied`, permanent, if the token is missing or refused, or if a value cannot be a container's variable.
/// `SecretsUnavailable`, retried, if Doppler does not answer: the serving release keeps its Secret, and a rollout waits
/// instead of starting with stale values. `KubernetesDenied`, permanent, if the namespace or the Secret belongs to
/// another environment.
pub async fn sync_secrets(
    context: Context<'_>,
    doppler: &DopplerReader,
    app: &App,
    environment: &Environment,
) -> Result<SyncedSecrets, Failure> {
    let kind = kind_of(environment);
    let downloaded = match app.doppler(kind) {
        Some(config) => {
            context
                .progress
                .report(format!("reading config {} of project {} from Doppler", config.config, config.project));
            cache::read(context, doppler, config).await?
        }
        None => BTreeMap::new(),
    };
    context.progress.report(format!("waiting for namespace {}", environment.namespace));
    let rbac = target::await_namespace(context, environment).await?;
    let own = database::values(context, environment).await?;
    let assembled = assemble(|| app.own_temporal_address(&names_of(environment)), downloaded, own)?;
    let created = find_or_create(context.client, &assembled.to_secret(context.settings, environment), rbac).await;
    match created {
        Ok(()) => Ok(assembled.synced),
        Err(failure) => Err(hide_values(assembled.secret_values(), failure).await),
    }
}
