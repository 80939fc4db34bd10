//! The berth worker in a lab: what it needs to find in the cluster, its settings, its process.

use std::process::Command;

use anyhow::Result;
use serde_json::{Value, json};

use crate::{
    cluster::ingress,
    life::state::{Plan, State},
    machine::children::Children,
    services::{BERTH_NAMESPACE, doppler},
};

/// The worker's namespace, with the tokens that the sample app names.
pub(crate) fn objects() -> Value {
    let token = |name: &str, token: &str| {
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": BERTH_NAMESPACE},
            "stringData": {"serviceToken": token},
        })
    };
    json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": BERTH_NAMESPACE}},
        token("doppler-web-preview-token", doppler::PREVIEW_TOKEN),
        token("doppler-web-production-token", doppler::PRODUCTION_TOKEN),
    ]})
}

pub(crate) fn start(plan: &Plan, state: &mut State, children: &mut Children) -> Result<()> {
    let Some(berth) = &plan.worker else { return Ok(()) };
    let mut command = children.command("worker", berth)?;
    configure(&mut command, state);
    children.start("worker", command)?;
    state.worker = true;
    Ok(())
}

/// The one place that knows how a worker is started. Its settings are environment variables, so that flags go before them.
pub(crate) fn configure(berth: &mut Command, state: &State) {
    berth.arg("worker");
    berth.env("KUBECONFIG", &state.worker_kubeconfig);
    berth.env("TEMPORAL_ADDRESS", &state.temporal_address);
    berth.env("DOPPLER_API_HOST", &state.doppler_url);
    berth.env("BERTH_NAMESPACE", BERTH_NAMESPACE);
    berth.env("BERTH_APPS", &state.apps_dir);
    berth.env("BERTH_SCHEME", "http");
    if let Some(full) = &state.full {
        berth.env("BERTH_INGRESS_NAMESPACE", ingress::NAMESPACE);
        berth.env("BERTH_DATABASE_SERVERS", &full.database_servers);
    }
    // Labs may run side by side, and so may workers of other kinds: one port would be too few.
    berth.env("BERTH_METRICS_ADDRESS", "off");
}
