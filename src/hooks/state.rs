//! The state of a running `berth hooks`, which all requests share.

use std::sync::{Arc, OnceLock, atomic::AtomicBool};

use berth_activities::proof::SigningKey;
use temporalio_client::Client;
use tokio::sync::Semaphore;

use super::{apps::Apps, body::Bodies, kind::Kind, metrics::Metrics, signature::Secrets, token::Tokens};

/// The most requests of jobs at once. Each that waits for a rollout asks the worker twice a second.
const MAX_JOBS: usize = 256;

/// Everything that a request needs.
pub(super) struct Hooks {
    pub(super) kind: Kind,
    pub(super) apps: Arc<Apps>,
    /// Room for the bodies of webhooks, which strangers send too.
    pub(super) bodies: Bodies,
    /// Room for the bodies of jobs that are believed.
    pub(super) job_bodies: Bodies,
    /// Room for requests of jobs.
    pub(super) jobs: Semaphore,
    pub(super) webhook_secrets: Secrets,
    pub(super) tokens: Tokens,
    pub(super) signing_key: SigningKey,
    pub(super) task_queue: String,
    /// The address of temporal-ui, without a slash at its end.
    pub(super) temporal_ui: Option<String>,
    pub(super) metrics: Metrics,
    /// The Temporal client, once connected.
    pub(super) connection: OnceLock<Client>,
    pub(super) is_stopping: AtomicBool,
}

impl Hooks {
    pub(super) fn room_for_jobs() -> Semaphore {
        Semaphore::new(MAX_JOBS)
    }

    /// The Temporal client, if Temporal has been reached.
    pub(super) fn temporal(&self) -> Option<&Client> {
        self.connection.get()
    }

    /// The page of a workflow in temporal-ui, if its address is known.
    pub(super) fn page(&self, workflow_id: &str) -> Option<String> {
        let (address, client) = (self.temporal_ui.as_deref()?, self.connection.get()?);
        Some(format!("{address}/namespaces/{}/workflows/{workflow_id}", client.options().namespace))
    }
}
