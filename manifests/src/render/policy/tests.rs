//! Each rule, with refused and accepted objects.

mod bound;
mod cron_jobs;
mod metadata;
mod network;
mod network_policies;
mod pods;
mod preemption;
mod routes;

use serde_json::{Value, json};

use super::*;
use crate::render::examples;

fn checked(document: Value, input: &PolicyInput) -> (Vec<Object>, Vec<Finding>) {
    let Checked { kept, findings, .. } = check(vec![Object::new("web/core/app.yaml", 1, document)], input);
    (kept, findings)
}

fn preview_policy() -> PolicyInput {
    examples::policy(&examples::preview())
}

fn production_policy() -> PolicyInput {
    examples::policy(&examples::production())
}

/// The fields that are errors in a preview.
fn refused(document: Value) -> Vec<String> {
    refused_by(document, &preview_policy())
}

fn refused_by(document: Value, input: &PolicyInput) -> Vec<String> {
    let (_, findings) = checked(document, input);
    findings.into_iter().filter(Finding::is_error).map(|finding| finding.field.unwrap_or_default()).collect()
}

fn object(api_version: &str, kind: &str, spec: Value) -> Value {
    json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}, "spec": spec})
}

fn pod(spec: Value) -> Value {
    object("apps/v1", "Deployment", json!({"template": {"spec": spec}}))
}

fn container(container: Value) -> Value {
    pod(json!({"containers": [container]}))
}

fn named(api_version: &str, kind: &str, metadata: Value) -> Value {
    json!({"apiVersion": api_version, "kind": kind, "metadata": metadata})
}
