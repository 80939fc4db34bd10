//! Bringing an app's secrets into an environment, as an immutable Secret that is named by its content.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures::{StreamExt, pin_mut};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::{
    Api, Client,
    runtime::{WatchStreamExt, watcher},
};
use tokio::sync::Mutex;

use berth_workflows::{
    activity_definitions::SyncedSecrets,
    environment::Environment,
    verdict::{FailureType, Verdict},
};

use crate::{
    Settings,
    app::{App, DopplerConfig},
    doppler::{Doppler, Token},
    failure::Failure,
    heartbeat::Progress,
    labels,
    manifests::EnvironmentKind,
    stored_release::create_once,
};

mod assemble;
mod cache;

/// The key of a token Secret, as Doppler's own operator has it.
const TOKEN_KEY: &str = "serviceToken";
/// How long one attempt waits for the namespace, which is being made beside it.
const NAMESPACE_TIMEOUT: Duration = Duration::from_secs(30);

/// The way to Doppler that all activities of a worker share: one request in flight per config, however many want it.
#[derive(Debug)]
pub struct Secrets {
    doppler: Doppler,
    in_flight: Mutex<HashMap<String, Arc<Mutex<()>>>>,
}

impl Secrets {
    /// The way to the Doppler at that URL.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn new(doppler_url: &str) -> Result<Self, reqwest::Error> {
        Ok(Self { doppler: Doppler::new(doppler_url)?, in_flight: Mutex::default() })
    }

    async fn one_at_a_time(&self, key: &str) -> Arc<Mutex<()>> {
        self.in_flight.lock().await.entry(key.to_owned()).or_default().clone()
    }
}

/// Fetches the app's secrets, waits for the environment's namespace, which is being made at the same time, and leaves
/// them there.
///
/// Idempotent: the Secret is named by its content, so doing it twice is doing it once.
///
/// # Errors
/// `SecretsDenied` for good if Doppler refuses the token or the token is not there; `SecretsUnavailable`, to be retried,
/// if Doppler does not answer; `KubernetesDenied` for good if the namespace is not this environment's.
pub async fn sync_secrets(
    client: &Client,
    settings: &Settings,
    secrets: &Secrets,
    app: &App,
    environment: &Environment,
    progress: &Progress,
) -> Result<SyncedSecrets, Failure> {
    let kind = if environment.pr.is_some() { EnvironmentKind::Preview } else { EnvironmentKind::Production };
    let downloaded = match app.doppler(kind) {
        Some(config) => {
            progress.say(format!("reading config {} of project {} from Doppler", config.config, config.project));
            let token = read_token(client, settings, config).await?;
            cache::read(client, settings, secrets, config, &token).await?
        }
        None => Default::default(),
    };
    let assembled = assemble::assemble(environment, downloaded)?;
    progress.say(format!("waiting for namespace {}", environment.namespace));
    let waiting = await_namespace(client, environment);
    tokio::time::timeout(NAMESPACE_TIMEOUT, waiting).await.unwrap_or_else(|_| {
        let message = format!("namespace {} is not there yet", environment.namespace);
        Err(Failure::transient(FailureType::KubernetesDenied, message))
    })?;
    create_once(client, &assembled.to_secret(settings, environment)).await?;
    Ok(assembled.synced)
}

async fn read_token(client: &Client, settings: &Settings, config: &DopplerConfig) -> Result<Token, Failure> {
    let (name, namespace) = (&config.token.secret, &settings.berth_namespace);
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let what = format!("Doppler token Secret {name} of namespace {namespace}");
    let found = api.get_opt(name).await.map_err(|e| Failure::kubernetes(&what, e))?;
    let data = found.and_then(|secret| secret.data).unwrap_or_default();
    let denied = |why: String| {
        let create = format!("kubectl create secret generic {name} -n {namespace} --from-literal={TOKEN_KEY}=dp.st.…");
        Failure::from(Verdict::new(FailureType::SecretsDenied, format!("{what}: {why}")).advise(create))
    };
    let token = data.get(TOKEN_KEY).ok_or_else(|| denied(format!("there is no key {TOKEN_KEY}")))?;
    let token = std::str::from_utf8(&token.0).map_err(|_| denied("it is not text".to_owned()))?;
    Token::new(token).map_err(denied)
}

/// Waits until the environment's namespace is there and its own. Secrets go nowhere else.
async fn await_namespace(client: &Client, environment: &Environment) -> Result<(), Failure> {
    let api: Api<Namespace> = Api::all(client.clone());
    let changes = watcher::watch_object(api, &environment.namespace).default_backoff();
    pin_mut!(changes);
    while let Some(change) = changes.next().await {
        // The watcher begins again by itself, and this wait has a bound.
        let Ok(Some(namespace)) = change else { continue };
        if !labels::is_owned_by(&namespace, &environment.workflow_id) {
            let message = format!("namespace {} is not this environment's: no secrets go there", environment.namespace);
            return Err(Failure::permanent(FailureType::KubernetesDenied, message));
        }
        if namespace.metadata.deletion_timestamp.is_none() {
            return Ok(());
        }
    }
    Err(Failure::transient(FailureType::KubernetesDenied, "the watch of the namespace ended"))
}
