//! The berth worker in a lab: the objects that it needs, its settings, its process.

use std::process::Command;

use anyhow::Result;
use serde_json::{Value, json};

use crate::{
    cluster::ingress,
    life::{plan::Plan, state::State},
    machine::children::Children,
    services::{BERTH_NAMESPACE, doppler},
};

/// The name of its process in the lab.
pub(crate) const WORKER: &str = "worker";

/// Makes the worker's namespace, with the tokens that the sample apps name.
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
    match plan.restarts {
        true => children.start_with_restarts(WORKER, command)?,
        false => children.start(WORKER, command)?,
    }
    state.worker = true;
    Ok(())
}

/// Sets the arguments of a worker for a lab. The settings are environment variables, so that flags override them.
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
        berth.env("BERTH_INGRESS_ADDRESS", full.ingress.to_string());
        // A process of the machine answers DNS, and no pod of kube-system.
        berth.env("BERTH_DNS_NETWORKS", full.dns.to_string());
        berth.env("BERTH_DATABASE_SERVERS", &full.database_servers);
    }
    // Several workers may run at once, and would clash on one port.
    berth.env("BERTH_METRICS_ADDRESS", "off");
}
