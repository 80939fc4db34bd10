//! Has pods tried again that were refused before this rollout began.
//!
//! A `ReplicaSet` whose pods are refused pauses longer and longer, up to a quarter of an hour. Whoever has raised the quota
//! and signals `redeploy` should not wait for that: a Deployment's annotation is copied to its `ReplicaSet`, and a
//! `ReplicaSet` that changes is looked at at once.

use std::collections::BTreeSet;

use berth_workflows::contract::checks::AwaitInput;
use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::json;

/// Which rollout had the pods tried again, by its deadline in unix milliseconds: the same on every retry of one.
const ASKED_BY: &str = "berth.dev/tried-again-until";
/// Not the name that manifests are applied under: the next apply would take the annotation away, a change for nothing.
const FIELD_MANAGER: &str = "berth-retry";

pub(super) struct Retries {
    deployments: Api<Deployment>,
    asked_by: String,
    asked: BTreeSet<String>,
}

impl Retries {
    pub(super) fn new(client: &Client, wait: &AwaitInput) -> Self {
        Self {
            deployments: Api::namespaced(client.clone(), &wait.environment.namespace),
            asked_by: wait.deadline_ms.to_string(),
            asked: BTreeSet::new(),
        }
    }

    /// Asks for each of these Deployments, once.
    pub(super) async fn ask(&mut self, refused_before: &[String]) {
        for name in refused_before {
            if !self.asked.insert(name.clone()) {
                continue;
            }
            let patch = json!({"metadata": {"annotations": {ASKED_BY: self.asked_by}}});
            let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
            // Without it the controller tries again in its own time.
            if let Err(error) = self.deployments.patch(name, &params, &Patch::Merge(&patch)).await {
                tracing::debug!(deployment = %name, "Could not have Deployment {name} tried again: {error}");
            }
        }
    }
}
