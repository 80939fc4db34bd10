//! Parts of an environment's state as its `status` shows them.

use crate::{
    contract::{
        preparation::SyncedSecrets,
        status::{RollingOutStatus, SecretsStatus, ServingStatus},
    },
    environment::book::{RollingOut, Serving},
};

impl From<&Serving> for ServingStatus {
    fn from(serving: &Serving) -> Self {
        Self { release: serving.release.clone(), rollout: serving.rollout.clone(), since_ms: serving.since_ms }
    }
}

impl From<&RollingOut> for RollingOutStatus {
    fn from(rolling_out: &RollingOut) -> Self {
        let waiting_for = rolling_out.waiting_for.clone();
        Self {
            release: rolling_out.queued.release.clone(),
            rollout: rolling_out.rollout.clone(),
            since_ms: rolling_out.since_ms,
            step: rolling_out.step,
            waiting_for: waiting_for.unwrap_or_else(|| rolling_out.step.waits_for().to_owned()),
            not_observed: rolling_out.not_observed.clone(),
        }
    }
}

impl From<&SyncedSecrets> for SecretsStatus {
    fn from(secrets: &SyncedSecrets) -> Self {
        let from = if secrets.temporal_server_address_from_doppler { "doppler" } else { "environment" };
        Self {
            secret: secrets.secret.clone(),
            version: secrets.version.clone(),
            set_by_berth: secrets.set_by_berth.clone(),
            temporal_server_address: secrets.temporal_server_address.clone(),
            temporal_server_address_from: from.to_owned(),
        }
    }
}
