//! The request to retry pods that were refused before this rollout began.
//!
//! A `ReplicaSet` whose pods are refused pauses longer each time, up to a quarter of an hour. A `redeploy` after
//! raising the quota must not wait for that. A Deployment's annotation is copied to its `ReplicaSet`, and a changed
//! `ReplicaSet` is reconciled at once.

use std::collections::BTreeSet;

use berth_workflows::contract::checks::AwaitInput;
use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::json;

/// The annotation with the requesting rollout: its first deadline in unix milliseconds, which is the same on every retry.
const REQUESTED_BY: &str = "berth.dev/tried-again-until";
/// A field manager apart from that of manifests. Otherwise the next apply would remove the annotation.
const FIELD_MANAGER: &str = "berth-retry";

pub(super) struct Retries {
    deployments: Api<Deployment>,
    requested_by: String,
    requested: BTreeSet<String>,
}

impl Retries {
    pub(super) fn new(client: &Client, wait: &AwaitInput) -> Self {
        Self {
            deployments: Api::namespaced(client.clone(), &wait.environment.namespace),
            requested_by: (wait.start_ms() + wait.timings.rollout_seconds * 1000).to_string(),
            requested: BTreeSet::new(),
        }
    }

    /// Requests a retry for each of these Deployments, once.
    pub(super) async fn request(&mut self, refused_before: &[String]) {
        for name in refused_before {
            if !self.requested.insert(name.clone()) {
                continue;
            }
            let patch = json!({"metadata": {"annotations": {REQUESTED_BY: self.requested_by}}});
            let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
            // Without the request the controller retries in its own time.
            if let Err(error) = self.deployments.patch(name, &params, &Patch::Merge(&patch)).await {
                tracing::debug!(deployment = %name, "Could not request a retry of Deployment {name}: {error}");
            }
        }
    }
}
